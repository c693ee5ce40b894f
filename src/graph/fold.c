/* Batch norm with fixed statistics is an affine map of each channel; after a convolution or linear layer it is a change of its numbers:
 *   scale = gamma / sqrt(var + eps),  w' = w * scale,  b' = (b - mean) * scale + beta
 * What is there for training alone, dropout and the auxiliary output's head, is left out. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/node.h"

typedef struct fold {
  const vg_graph *old;
  vg_graph *new;
  int *map;            /* old node -> new node, -1 not yet */
  int *norm;           /* old convolution -> the batch norm folded into it, -1 none */
  int *source;         /* new parameter or buffer -> the old node whose value it takes */
} fold;

static const char *word_of(char out[32], const vg_node *d, const char *name) {
  for (int i = 0; i < vg_op_n_args(d->op); i++) {
    const vg_arg *a = &d->op->args[i];
    if (strcmp(a->name, name) != 0 || !a->words) continue;
    const char *w = a->words;
    for (int k = (int)d->arg[i]; k > 0; k--) w = strchr(w, ' ') + 1;
    snprintf(out, 32, "%.*s", (int)strcspn(w, " "), w);
    return out;
  }
  return strcpy(out, "none");
}

/* An operator of the network for inference. */
static bool is_kept(const vg_node *d) { return d->kind == VG_NODE_OP && !d->is_auxiliary; }

static int readers_of(const vg_graph *g, int node) {
  int n = 0;
  for (int i = 0; i < g->n; i++)
    for (int k = 0; is_kept(&g->nodes[i]) && k < g->nodes[i].n_in; k++) n += g->nodes[i].in[k] == node;
  return n;
}

/* A parameter that this layer alone reads: its numbers may change. A shared or a computed one may not. */
static bool is_own(const vg_graph *g, const vg_node *layer, int input) {
  int p = input < layer->n_in ? layer->in[input] : -1;
  return p >= 0 && g->nodes[p].kind == VG_NODE_PARAM && readers_of(g, p) == 1;
}

static bool takes_norm(const vg_graph *g, int layer) {
  const vg_node *d = &g->nodes[layer];
  if (!vg__graph_is_op(d, "conv2d") && !vg__graph_is_op(d, "linear")) return false;
  bool has_bias = d->n_in > 2 && d->in[2] >= 0;
  return layer != g->output && readers_of(g, layer) == 1 && is_own(g, d, 1) && (!has_bias || is_own(g, d, 2));
}

static void find_norms(fold *f) {
  const vg_graph *g = f->old;
  for (int i = 0; i < g->n; i++) f->map[i] = f->norm[i] = -1;
  for (int i = 0; i < g->n; i++)
    if (is_kept(&g->nodes[i]) && vg__graph_is_op(&g->nodes[i], "batch_norm") && takes_norm(g, g->nodes[i].in[0])) f->norm[g->nodes[i].in[0]] = i;
}

/* Parameters are brought over when an operator first reads them: those of folded norms never are. */
static vg_status bring(int *id, fold *f, int old) {
  const vg_node *d = &f->old->nodes[old];
  if (f->map[old] < 0) {
    if (d->kind == VG_NODE_PARAM) {
      VG_TRY(vg_graph_param(&f->map[old], f->new, d->name, &d->shape, VG_INIT_ZEROS, 1, d->decays));
      VG_TRY(vg_graph_set_group(f->new, f->map[old], d->group));
    }
    else VG_TRY(vg_graph_buffer(&f->map[old], f->new, d->name, &d->shape, 0));
    f->source[f->map[old]] = old;
  }
  *id = f->map[old];
  return VG_OK;
}

static vg_status add_op(int *id, fold *f, int old) {
  const vg_node *d = &f->old->nodes[old];
  int in[VG_MAX_IN], n_in = d->n_in;
  for (int i = 0; i < d->n_in; i++) {
    in[i] = -1;
    if (d->in[i] >= 0) VG_TRY(bring(&in[i], f, d->in[i]));
  }
  if (f->norm[old] >= 0 && (n_in < 3 || in[2] < 0)) {
    char name[256];
    int64_t channels = f->old->nodes[d->in[1]].shape.dim[0];
    snprintf(name, sizeof name, "%s.folded_bias", d->name);
    VG_TRY(vg_graph_param(&in[2], f->new, name, &VG_SHAPE(channels), VG_INIT_ZEROS, 1, false));
    f->source[in[2]] = -1;
    n_in = 3;
  }
  return vg_graph_op(id, f->new, d->name, d->op, in, n_in, d->arg);
}

static vg_status add_activation(int *id, fold *f, int bn, int x) {
  char word[32], name[256];
  const vg_node *d = &f->old->nodes[bn];
  *id = x;
  if (strcmp(word_of(word, d, "act"), "none") == 0) return VG_OK;
  const vg_op *op = vg_op_find(strcmp(word, "leaky") == 0 ? "leaky_relu" : word);      /* its default slope is the norm's */
  if (!op) return vg_fail(VG_EARG, "fold: '%s' is not an operator", word);
  snprintf(name, sizeof name, "%s.%s", d->name, word);
  return vg_graph_op(id, f->new, name, op, &x, 1, NULL);
}

static vg_status copy_structure(fold *f) {
  for (int i = 1; i < f->old->n; i++) {
    const vg_node *d = &f->old->nodes[i];
    if (!is_kept(d)) continue;
    bool is_folded = vg__graph_is_op(d, "batch_norm") && f->norm[d->in[0]] == i;
    if (is_folded) VG_TRY(add_activation(&f->map[i], f, i, f->map[d->in[0]]));
    else if (d->op->flags & VG_OP_RANDOM) VG_TRY(bring(&f->map[i], f, d->in[0]));       /* in inference it is its input */
    else VG_TRY(add_op(&f->map[i], f, i));
  }
  return vg_graph_set_output(f->new, f->map[f->old->output]);
}

static vg_status copy_values(fold *f) {
  for (int i = 1; i < f->new->n; i++) {
    vg_node *d = &f->new->nodes[i];
    if (d->kind != VG_NODE_OP && f->source[i] >= 0) VG_TRY(vg_tensor_assign(d->tensor, f->old->nodes[f->source[i]].tensor));
  }
  return VG_OK;
}

void vg__fold_norm(vg_tensor *w, vg_tensor *b, const vg__norm *n) {
  int64_t channels = w->shape.dim[0], per = vg_tensor_count(w) / channels;
  for (int64_t c = 0; c < channels; c++) {
    double scale = (n->gamma ? vg_tensor_get(n->gamma, c) : 1) / sqrt(vg_tensor_get(n->var, c) + n->eps);
    for (int64_t i = 0; i < per; i++) vg_f32(w)[c * per + i] = (float)(vg_f32(w)[c * per + i] * scale);
    vg_f32(b)[c] = (float)((vg_f32(b)[c] - vg_tensor_get(n->mean, c)) * scale + (n->beta ? vg_tensor_get(n->beta, c) : 0));
  }
}

static void scale_weights(fold *f, int conv) {
  const vg_node *bn = &f->old->nodes[f->norm[conv]], *y = &f->new->nodes[f->map[conv]];
  const vg_node *nodes = f->old->nodes;
  vg__norm n = { .mean = nodes[bn->in[1]].tensor, .var = nodes[bn->in[2]].tensor, .eps = vg__graph_arg(bn, "eps") };
  if (bn->n_in > 3 && bn->in[3] >= 0) n.gamma = nodes[bn->in[3]].tensor;
  if (bn->n_in > 4 && bn->in[4] >= 0) n.beta = nodes[bn->in[4]].tensor;
  vg__fold_norm(f->new->nodes[y->in[1]].tensor, f->new->nodes[y->in[2]].tensor, &n);
}

vg_status vg_graph_fold(vg_graph **out, const vg_graph *g) {
  vg_status status;
  if (g->output < 0 || !g->values) return vg_fail(VG_EARG, "fold: the graph has no output or no parameters yet");
  if (g->n_slots) return vg_fail(VG_EARG, "fold: this is a supernet; extract an architecture first");
  fold f = { .old = g };
  vg_shape input = { .rank = g->nodes[0].shape.rank - 1 };
  memcpy(input.dim, g->nodes[0].shape.dim + 1, (size_t)input.rank * sizeof *input.dim);
  size_t bytes = (size_t)(2 * g->n + 2) * sizeof(int);
  VG_TRY(vg_graph_new(&f.new, &input));
  VG_GOTO(vg_alloc_zero((void **)&f.map, bytes));
  VG_GOTO(vg_alloc_zero((void **)&f.norm, bytes));
  VG_GOTO(vg_alloc_zero((void **)&f.source, bytes));
  find_norms(&f);
  f.map[0] = 0;
  VG_GOTO(copy_structure(&f));
  VG_GOTO(vg_graph_materialise(f.new, 0));
  VG_GOTO(copy_values(&f));
  for (int i = 0; i < g->n; i++)
    if (f.norm[i] >= 0) scale_weights(&f, i);
  VG_GOTO(vg_graph_set_precision(f.new, g->precision));
  *out = f.new;
  f.new = NULL;
done:
  vg_free(f.map);
  vg_free(f.norm);
  vg_free(f.source);
  vg_graph_free(f.new);
  return status;
}
