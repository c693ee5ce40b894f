/* Numbering by hash consing. A value's key is all that it depends on, as words; equal keys, compared word by word, are equal values. */
#include "graph/values.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"

enum { NOTHING = -1, UNREACHED = -2 };
enum { MAX_KEY = 3 + 2 * VG_MAX_ARGS + VG_MAX_IN };

typedef struct key {
  int64_t word[MAX_KEY];
  int n;
} key;

/* While paths are numbered. */
typedef struct numbering {
  vg__values *s;
  int *map;                 /* [g->n] the value of each node in the present path */
  int *last_use;            /* [g->n] */
  int *readers;             /* [n_readers] the nodes that read a slot */
  int n_readers;
  int *trail;               /* [n_networks][n_readers] the values of those nodes: what networks are ordered by */
  int *network_of;          /* [values] the network whose output it is, -1 none */
  int room;                 /* of network_of */
} numbering;

static const double *slots_of(const vg__values *s, int path) { return s->slots + (size_t)path * (size_t)s->g->n_slots; }

void vg__value_args(double arg[VG_MAX_ARGS], const vg__values *s, int v) {
  vg__graph_args(arg, &s->g->nodes[s->value[v].node], slots_of(s, s->value[v].path));
}

void vg__value_conv_args(double arg[VG_MAX_ARGS], const vg__values *s, int v) {
  vg__graph_args(arg, &s->g->nodes[s->layer[s->value[v].node]], slots_of(s, s->value[v].path));
}

/* --- keys --------------------------------------------------------------------------------------------------------------------------- */

static void push(key *k, int64_t word) { k->word[k->n++] = word; }

static void push_number(key *k, double x) {
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  push(k, bits);
}

static void push_args(key *k, const vg_node *d, const double *slots) {
  double arg[VG_MAX_ARGS];
  vg__graph_args(arg, d, slots);
  push(k, (int64_t)(intptr_t)d->op);
  for (int i = 0, n = vg_op_n_args(d->op); i < n; i++) push_number(k, arg[i]);
}

static void write_key(key *k, const vg__values *s, const vg__value *v, const int *in) {
  const vg_node *d = &s->g->nodes[v->node];
  const double *slots = slots_of(s, v->path);
  k->n = 0;
  push(k, v->kind);
  bool is_random = s->keeps_random && v->kind == VG__VALUE_OP && d->op->flags & VG_OP_RANDOM;
  if (v->kind == VG__VALUE_STORED || is_random) push(k, v->node);
  if (v->kind == VG__VALUE_PREFIX) push_number(k, slots[d->slot]);
  if (v->kind == VG__VALUE_OP || v->kind == VG__VALUE_LAYER) push_args(k, d, slots);
  if (v->kind == VG__VALUE_LAYER && s->layer[v->node] != v->node) push_args(k, &s->g->nodes[s->layer[v->node]], slots);
  for (int i = 0; i < v->n_in; i++) push(k, in[i]);
}

static bool is_equal(const key *a, const key *b) { return a->n == b->n && memcmp(a->word, b->word, (size_t)a->n * sizeof *a->word) == 0; }

static int *place_of(const vg__values *s, uint64_t hash, const key *k) {
  size_t mask = 2 * (size_t)s->room - 1, i = hash & mask;      /* room is a power of 2 */
  key other;
  for (; s->by_hash[i]; i = (i + 1) & mask) {
    const vg__value *v = &s->value[s->by_hash[i] - 1];
    if (v->hash != hash) continue;
    write_key(&other, s, v, s->in + v->first_in);
    if (is_equal(k, &other)) break;
  }
  return &s->by_hash[i];
}

static vg_status set_room(vg__values *s, int room) {
  int *by_hash;
  VG_TRY(vg_realloc((void **)&s->value, (size_t)room * sizeof *s->value));
  VG_TRY(vg_alloc_zero((void **)&by_hash, 2 * (size_t)room * sizeof *by_hash));
  vg_free(s->by_hash);
  s->by_hash = by_hash;
  s->room = room;
  size_t mask = 2 * (size_t)room - 1;
  for (int v = 0; v < s->n; v++) {                             /* all are different */
    size_t i = s->value[v].hash & mask;
    while (s->by_hash[i]) i = (i + 1) & mask;
    s->by_hash[i] = v + 1;
  }
  return VG_OK;
}

static vg_status keep_inputs(vg__values *s, const int *in, int n_in) {
  if (n_in == 0) return VG_OK;
  if (s->n_in + n_in > s->in_room) {
    int room = 2 * s->in_room + VG_MAX_IN;
    VG_TRY(vg_realloc((void **)&s->in, (size_t)room * sizeof *s->in));
    s->in_room = room;
  }
  memcpy(s->in + s->n_in, in, (size_t)n_in * sizeof *in);
  s->n_in += n_in;
  return VG_OK;
}

/* *id = the number of this value, a new one when it is new. */
static vg_status number(int *id, vg__values *s, vg__value_kind kind, int node, int path, const int *in, int n_in) {
  vg__value v = { .kind = kind, .node = node, .path = path, .n_in = n_in, .first_in = s->n_in, .varies = kind == VG__VALUE_INPUT };
  key k;
  write_key(&k, s, &v, in);
  v.hash = XXH3_64bits(k.word, (size_t)k.n * sizeof *k.word);
  int *place = place_of(s, v.hash, &k);
  if (*place) {
    *id = *place - 1;
    return VG_OK;
  }
  if (s->n == s->room) {
    VG_TRY(set_room(s, 2 * s->room));
    place = place_of(s, v.hash, &k);
  }
  VG_TRY(keep_inputs(s, in, n_in));
  for (int i = 0; i < n_in; i++) v.varies |= in[i] >= 0 && s->value[in[i]].varies;
  s->value[s->n] = v;
  *id = s->n++;
  *place = s->n;
  return VG_OK;
}

/* --- one path ------------------------------------------------------------------------------------------------------------------------ */

static vg_status number_sum(int *id, const numbering *w, int i, int path) {
  const vg_node *d = &w->s->g->nodes[i];
  int like = d->in[d->n_in - 1], sum = NOTHING;
  for (int k = 0; k < d->n_in - 1; k++) {
    int x = d->in[k] < 0 ? NOTHING : w->map[d->in[k]];
    if (x < 0) continue;
    if (sum < 0) sum = x;
    else VG_TRY(number(&sum, w->s, VG__VALUE_ADD, i, path, (int[]){ sum, x }, 2));
  }
  *id = sum;
  if (sum >= 0) return VG_OK;
  if (like < 0) return vg_fail(VG_EARG, "graph: nothing enters '%s'", d->name);
  return number(id, w->s, VG__VALUE_ZEROS, i, path, &w->map[like], 1);
}

/* The norm, where there is one, is node `i`; a convolution without it leaves these inputs absent. */
static vg_status number_layer(int *id, const numbering *w, int i, int path) {
  const vg_node *nodes = w->s->g->nodes, *conv = &nodes[w->s->layer[i]], *norm = conv == &nodes[i] ? NULL : &nodes[i];
  int part[6], layer;
  for (int k = 0; k < 6; k++) {
    const vg_node *d = k < 2 ? conv : norm;
    int at = k < 2 ? k + 1 : k - 1;
    part[k] = d && at < d->n_in && d->in[at] >= 0 ? w->map[d->in[at]] : NOTHING;
  }
  VG_TRY(number(&layer, w->s, VG__VALUE_LAYER, i, path, part, 6));
  return number(id, w->s, VG__VALUE_CONV, i, path, (int[]){ w->map[conv->in[0]], layer }, 2);
}

static vg_status number_node(int *id, const numbering *w, int i, int path) {
  const vg_node *d = &w->s->g->nodes[i];
  const double *slots = slots_of(w->s, path);
  int in[VG_MAX_IN], layer = w->s->layer ? w->s->layer[i] : VG__LAYER_NONE;
  if (layer == VG__LAYER_INSIDE) return VG_OK;             /* nobody asks for its value */
  if (layer >= 0) return number_layer(id, w, i, path);
  switch (d->kind) {
    case VG_NODE_INPUT: return number(id, w->s, VG__VALUE_INPUT, i, path, NULL, 0);
    case VG_NODE_PARAM:
    case VG_NODE_BUFFER: return number(id, w->s, VG__VALUE_STORED, i, path, NULL, 0);
    case VG_NODE_SUM: return number_sum(id, w, i, path);
    case VG_NODE_CHOICE: {
      int chosen = d->in[(int)slots[d->slot]];
      *id = chosen < 0 ? NOTHING : w->map[chosen];
      return VG_OK;
    }
    default: break;
  }
  for (int k = 0; k < d->n_in; k++) in[k] = d->in[k] < 0 ? NOTHING : w->map[d->in[k]];
  return number(id, w->s, d->kind == VG_NODE_PREFIX ? VG__VALUE_PREFIX : VG__VALUE_OP, i, path, in, d->n_in);
}

static vg_status widen_network_of(numbering *w) {
  if (w->room >= w->s->room) return VG_OK;
  VG_TRY(vg_realloc((void **)&w->network_of, (size_t)w->s->room * sizeof *w->network_of));
  for (; w->room < w->s->room; w->room++) w->network_of[w->room] = -1;
  return VG_OK;
}

static vg_status number_path(numbering *w, int path) {
  vg__values *s = w->s;
  VG_TRY(vg__graph_reach(w->last_use, s->g, slots_of(s, path), false));
  for (int i = 0; i < s->g->n; i++) {
    w->map[i] = UNREACHED;
    if (w->last_use[i] >= 0 || i == 0) VG_TRY(number_node(&w->map[i], w, i, path));      /* number 0 is the input, reached or not */
  }
  VG_TRY(widen_network_of(w));
  int out = w->map[s->g->output], *network = &w->network_of[out];
  if (*network < 0) {
    *network = s->n_networks++;
    s->output[*network] = out;
    s->order[*network] = *network;
    int *trail = w->trail + (size_t)*network * (size_t)w->n_readers;
    for (int k = 0; k < w->n_readers; k++) trail[k] = w->map[w->readers[k]];
  }
  s->network[path] = *network;
  return VG_OK;
}

/* --- layers ------------------------------------------------------------------------------------------------------------------------- */

/* Which nodes are functions of parameters and buffers alone, and how many read each. */
static void survey(bool *is_fixed, int *readers, const vg_graph *g) {
  for (int i = 0; i < g->n; i++) {
    const vg_node *d = &g->nodes[i];
    is_fixed[i] = d->kind != VG_NODE_INPUT;
    readers[i] = i == g->output;
    for (int k = 0; k < d->n_in; k++) {
      if (d->in[k] < 0) continue;
      readers[d->in[k]]++;
      is_fixed[i] &= is_fixed[d->in[k]];
    }
  }
}

static bool has_fixed_inputs(const vg_node *d, const bool *is_fixed) {
  for (int k = 1; k < d->n_in; k++)
    if (d->in[k] >= 0 && !is_fixed[d->in[k]]) return false;
  return !is_fixed[d->in[0]];
}

static vg_status find_layers(vg__values *s) {
  const vg_graph *g = s->g;
  bool *is_fixed = NULL;
  int *readers = NULL;
  vg_status status;
  VG_GOTO(vg_alloc((void **)&s->layer, (size_t)g->n * sizeof *s->layer));
  VG_GOTO(vg_alloc((void **)&is_fixed, (size_t)g->n * sizeof *is_fixed));
  VG_GOTO(vg_alloc((void **)&readers, (size_t)g->n * sizeof *readers));
  survey(is_fixed, readers, g);
  for (int i = 0; i < g->n; i++) {
    const vg_node *d = &g->nodes[i];
    s->layer[i] = VG__LAYER_NONE;
    if (vg__graph_is_op(d, "conv2d") && has_fixed_inputs(d, is_fixed)) s->layer[i] = i;
    if (!vg__graph_is_op(d, "batch_norm") || !has_fixed_inputs(d, is_fixed)) continue;
    int conv = d->in[0];
    if (s->layer[conv] != conv || readers[conv] > 1) continue;
    s->layer[i] = conv;
    s->layer[conv] = VG__LAYER_INSIDE;
  }
done:
  vg_free(is_fixed);
  vg_free(readers);
  return status;
}

/* --- all --------------------------------------------------------------------------------------------------------------------------- */

static bool reads_slot(const vg_node *d) {
  bool reads = d->kind == VG_NODE_CHOICE || d->kind == VG_NODE_PREFIX;
  for (int i = 0; i < VG_MAX_ARGS; i++) reads |= d->arg_slot[i] > 0;
  return reads;
}

static int compare_networks(const void *a, const void *b, void *arg) {
  const numbering *w = arg;
  int p = *(const int *)a, q = *(const int *)b;
  const int *x = w->trail + (size_t)p * (size_t)w->n_readers, *y = w->trail + (size_t)q * (size_t)w->n_readers;
  for (int k = 0; k < w->n_readers; k++)
    if (x[k] != y[k]) return x[k] < y[k] ? -1 : 1;
  return p < q ? -1 : p > q;
}

static vg_status prepare(numbering *w) {
  vg__values *s = w->s;
  size_t n = (size_t)s->g->n, paths = (size_t)s->n_paths;
  VG_TRY(set_room(s, 256));
  VG_TRY(vg_alloc((void **)&s->network, paths * sizeof *s->network));
  VG_TRY(vg_alloc((void **)&s->output, paths * sizeof *s->output));
  VG_TRY(vg_alloc((void **)&s->order, paths * sizeof *s->order));
  VG_TRY(vg_alloc((void **)&w->map, n * sizeof *w->map));
  VG_TRY(vg_alloc((void **)&w->last_use, n * sizeof *w->last_use));
  VG_TRY(vg_alloc((void **)&w->readers, n * sizeof *w->readers));
  for (int i = 0; i < s->g->n; i++)
    if (reads_slot(&s->g->nodes[i])) w->readers[w->n_readers++] = i;
  return vg_alloc((void **)&w->trail, paths * (size_t)w->n_readers * sizeof *w->trail);
}

vg_status vg__values_init(vg__values *s, const vg_graph *g, const double *slots, int n_paths, vg__values_opts opts) {
  numbering w = { .s = s };
  vg_status status;
  *s = (vg__values){ .g = g, .slots = slots, .n_paths = n_paths, .keeps_random = opts.training };
  VG_GOTO(prepare(&w));
  if (opts.layers) VG_GOTO(find_layers(s));
  for (int p = 0; p < n_paths; p++) VG_GOTO(number_path(&w, p));
  qsort_r(s->order, (size_t)s->n_networks, sizeof *s->order, compare_networks, &w);
done:
  vg_free(w.map);
  vg_free(w.last_use);
  vg_free(w.readers);
  vg_free(w.trail);
  vg_free(w.network_of);
  return status;
}

void vg__values_deinit(vg__values *s) {
  vg_free(s->layer);
  vg_free(s->value);
  vg_free(s->in);
  vg_free(s->by_hash);
  vg_free(s->network);
  vg_free(s->output);
  vg_free(s->order);
  memset(s, 0, sizeof *s);
}
