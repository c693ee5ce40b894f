/* The touched parameters are cut into pieces: contiguous, equal in decay and in number of updates, at most PIECE elements. The pieces depend
 * on the graph alone, so sums and updates are the same bits for any number of threads. */
#include "train/optim.h"

#include <math.h>

#include "base/alloc.h"
#include "base/threads.h"

enum { PIECE = 16384 };

struct vg_optim_piece {
  int64_t begin, end;          /* elements of the arena */
  int32_t count;               /* updates so far, this one included */
  bool decays;
};

vg_optim_opts vg_optim_defaults(vg_optim_kind kind) {
  vg_optim_opts o = { .kind = kind, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8 };
  return o;
}

static vg_status check(const vg_optim_opts *o) {
  if (!(o->weight_decay >= 0)) return vg_fail(VG_EARG, "optimiser: weight_decay must be >= 0, got %g", o->weight_decay);
  if (o->kind == VG_SGD) {
    if (!(o->momentum >= 0 && o->momentum < 1)) return vg_fail(VG_EARG, "optimiser 'sgd': momentum must be in [0, 1), got %g", o->momentum);
    if (o->nesterov && o->momentum == 0) return vg_fail(VG_EARG, "optimiser 'sgd': nesterov wants a momentum > 0");
    return VG_OK;
  }
  if (!(o->beta1 >= 0 && o->beta1 < 1)) return vg_fail(VG_EARG, "optimiser: beta1 must be in [0, 1), got %g", o->beta1);
  if (!(o->beta2 >= 0 && o->beta2 < 1)) return vg_fail(VG_EARG, "optimiser: beta2 must be in [0, 1), got %g", o->beta2);
  if (!(o->eps > 0)) return vg_fail(VG_EARG, "optimiser: eps must be > 0, got %g", o->eps);
  return VG_OK;
}

vg_status vg_optim_new(vg_optim **out, vg_graph *g, const vg_optim_opts *opts) {
  VG_TRY(check(opts));
  if (!g->values || !g->grads) return vg_fail(VG_EARG, "optimiser: the network has no parameters or gradients yet");
  vg_optim *o;
  vg_status status;
  vg_shape nodes = VG_SHAPE(g->n);
  VG_TRY(VG_NEW(&o));
  o->opts = *opts;
  o->g = g;
  o->room = g->n_params / PIECE + g->n + 1;
  VG_GOTO(vg_alloc((void **)&o->pieces, (size_t)o->room * sizeof *o->pieces));
  VG_GOTO(vg_alloc((void **)&o->sums, (size_t)o->room * sizeof *o->sums));
  VG_GOTO(vg_tensor_zeros(&o->counts, VG_I32, &nodes));
  if (opts->kind != VG_SGD || opts->momentum > 0) VG_GOTO(vg_tensor_zeros(&o->m, VG_F32, &g->values->shape));
  if (opts->kind != VG_SGD) VG_GOTO(vg_tensor_zeros(&o->v, VG_F32, &g->values->shape));
  *out = o;
  return VG_OK;
done:
  vg_optim_free(o);
  return status;
}

void vg_optim_free(vg_optim *o) {
  if (!o) return;
  vg_tensor_release(o->m);
  vg_tensor_release(o->v);
  vg_tensor_release(o->counts);
  vg_free(o->pieces);
  vg_free(o->sums);
  vg_free(o);
}

static bool is_touched(const vg_optim *o, const vg_node *n) {
  return n->kind == VG_NODE_PARAM && n->group == o->opts.group && n->tensor && n->tensor->grad && !n->tensor->grad_stale;
}

static void add_piece(vg_optim *o, int64_t begin, int64_t end, bool decays, int32_t count) {
  vg_optim_piece *last = o->n_pieces ? &o->pieces[o->n_pieces - 1] : NULL;
  if (last && last->end == begin && last->decays == decays && last->count == count && end - last->begin <= PIECE) {
    last->end = end;
    return;
  }
  for (; begin < end; begin += PIECE) {
    int64_t stop = end - begin > PIECE ? begin + PIECE : end;
    o->pieces[o->n_pieces++] = (vg_optim_piece){ begin, stop, count, decays };
  }
}

static void list_pieces(vg_optim *o) {
  const int32_t *counts = vg_i32(o->counts);
  o->n_pieces = 0;
  for (int i = 0; i < o->g->n; i++) {
    const vg_node *n = &o->g->nodes[i];
    if (!is_touched(o, n)) continue;
    int64_t end = n->offset + vg_shape_count(&n->shape);
    add_piece(o, n->offset, end, n->decays || o->opts.decay_norms, counts[i] + 1);
  }
}

double vg_optim_grad_norm(vg_optim *o) {
  const float *grads = vg_f32(o->g->grads);
  list_pieces(o);
#pragma omp parallel for schedule(static) num_threads(vg_threads())
  for (int64_t p = 0; p < o->n_pieces; p++) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = o->pieces[p].begin; i < o->pieces[p].end; i++) sum += (double)grads[i] * grads[i];
    o->sums[p] = sum;
  }
  double total = 0;
  for (int64_t p = 0; p < o->n_pieces; p++) total += o->sums[p];
  return sqrt(total);
}

static void sgd_plain(float *restrict w, const float *restrict g, int64_t n, float lr, float scale, float decay) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) w[i] -= lr * (scale * g[i] + decay * w[i]);
}

static void sgd_momentum(float *restrict w, float *restrict m, const float *restrict g, int64_t n, float lr, float scale, float decay,
                         float momentum, bool nesterov, bool keeps) {
  /* The step is lr * (a * d + b * m): d and m are 0, 1 or 1, momentum, so that one loop serves both. */
  float a = nesterov ? 1.0f : 0.0f, b = nesterov ? momentum : 1.0f;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float d = scale * g[i] + decay * w[i];
    float next = momentum * m[i] + d;
    m[i] = keeps ? next : m[i];
    w[i] -= lr * (a * d + b * next);
  }
}

typedef struct adam_rates { float lr, scale, l2, shrink, beta1, beta2, inv1, inv2, eps; } adam_rates;

static void adam(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, int64_t n, adam_rates r) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float d = r.scale * g[i] + r.l2 * w[i];
    m[i] = r.beta1 * m[i] + (1 - r.beta1) * d;
    v[i] = r.beta2 * v[i] + (1 - r.beta2) * d * d;
    w[i] = w[i] * r.shrink - r.lr * (m[i] * r.inv1) / (sqrtf(v[i] * r.inv2) + r.eps);
  }
}

static adam_rates adam_at(const vg_optim_opts *o, double lr, double scale, const vg_optim_piece *p) {
  double decay = p->decays ? o->weight_decay : 0;
  bool outside = o->kind == VG_ADAMW;
  return (adam_rates){ (float)lr, (float)scale, outside ? 0 : (float)decay, outside ? (float)(1 - lr * decay) : 1.0f,
                       (float)o->beta1, (float)o->beta2, (float)(1 / (1 - pow(o->beta1, p->count))),
                       (float)(1 / (1 - pow(o->beta2, p->count))), (float)o->eps };
}

/* keeps: the momentum of sgd takes part in the step. */
static void update(vg_optim *o, const vg_optim_piece *p, double lr, double scale, bool keeps) {
  int64_t n = p->end - p->begin, at = p->begin;
  float *w = vg_f32(o->g->values) + at;
  const float *g = vg_f32(o->g->grads) + at;
  float decay = p->decays ? (float)o->opts.weight_decay : 0;
  if (o->opts.kind != VG_SGD)
    adam(w, vg_f32(o->m) + at, vg_f32(o->v) + at, g, n, adam_at(&o->opts, lr, scale, p));
  else if (o->m)
    sgd_momentum(w, vg_f32(o->m) + at, g, n, (float)lr, (float)scale, decay, (float)o->opts.momentum, o->opts.nesterov, keeps);
  else
    sgd_plain(w, g, n, (float)lr, (float)scale, decay);
  if (!o->g->shadow) return;
  uint16_t *half = vg_bf16(o->g->shadow) + at;             /* while the piece is in cache */
#pragma omp simd
  for (int64_t i = 0; i < n; i++) half[i] = vg_f32_to_bf16(w[i]);
}

static void update_all(vg_optim *o, double lr, double scale, bool keeps) {
  list_pieces(o);
#pragma omp parallel for schedule(static) num_threads(vg_threads())
  for (int64_t p = 0; p < o->n_pieces; p++) update(o, &o->pieces[p], lr, scale, keeps);
}

void vg_optim_virtual_step(vg_optim *o, double lr) { update_all(o, lr, 1, false); }

void vg_optim_step(vg_optim *o, double lr, double scale) {
  update_all(o, lr, scale, true);
  int32_t *counts = vg_i32(o->counts);
  for (int i = 0; i < o->g->n; i++) counts[i] += is_touched(o, &o->g->nodes[i]);
}
