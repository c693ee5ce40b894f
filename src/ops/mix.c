/* mix: the mixed operation of differentiable search, sum_k w[row, k] * x_k. arXiv:1806.09055, eq. 2.
 * A term comes with running statistics when it ends in a batch norm without gamma and beta: it is normalised here, as batch_norm would, and the
 * normalised map is never stored. A term that is absent is nothing: it costs no pass, and its weight is simply not used.
 *   g = dy:   dw_k = sum g * xhat_k,   dx_k = w_k * istd_k * (g - mean(g) - xhat_k * mean(g * xhat_k)),   or w_k * g where not normalised */
#include "kernels/mix.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/eltwise.h"
#include "ops/norm_args.h"

/* in: w, then x, mean, var of each term. */
enum { W, X, MEAN, VAR, TERM = 3, MOST = 10 };
#define EACH_TERM (1u | 1u << 3 | 1u << 6 | 1u << 9 | 1u << 12 | 1u << 15 | 1u << 18 | 1u << 21 | 1u << 24 | 1u << 27)
enum { ROW, EPS, MOMENTUM };
static const vg_arg ARGS[] = {
  { .name = "row", .min = 0, .max = 1 << 20, .integer = true },
  { .name = "eps", .def = 1e-5, .min = 0, .max = 1 },
  { .name = "momentum", .def = 0.1, .min = 0, .max = 1 },
  { 0 }
};

static vg_tensor *term(const vg_call *c, int k, int part) { return c->in[part + TERM * k]; }
static int n_terms(const vg_call *c) { return (c->n_in - 1) / TERM; }
static bool is_normed(const vg_call *c, int k) { return term(c, k, X) && term(c, k, MEAN); }
static const vg_tensor *first_term(const vg_call *c) {
  for (int k = 0; k < n_terms(c); k++)
    if (term(c, k, X)) return term(c, k, X);
  return NULL;
}
static float weight(const vg_call *c, int k) { return vg_f32(c->in[W])[(int64_t)c->arg[ROW] * n_terms(c) + k]; }

static vg_status check_weights(const vg_call *c) {
  const vg_tensor *w = c->in[W];
  char text[VG_SHAPE_TEXT];
  if (w->dtype != VG_F32) return vg_fail(VG_EARG, "mix: w must be f32, got %s", vg_dtype_name(w->dtype));
  if ((c->n_in - 1) % TERM) return vg_fail(VG_EARG, "mix: expected x, mean and var of each term after w, got %d inputs", c->n_in);
  if (w->shape.rank < 1 || w->shape.dim[w->shape.rank - 1] != n_terms(c))
    return vg_fail(VG_ESHAPE, "mix: w must be [..., %d] for that many terms, got %s", n_terms(c), vg_shape_text(text, &w->shape));
  if (((int64_t)c->arg[ROW] + 1) * n_terms(c) > vg_tensor_count(w))
    return vg_fail(VG_ESHAPE, "mix: row %g of w %s", c->arg[ROW] + 1, vg_shape_text(text, &w->shape));
  return VG_OK;
}

static vg_status check_statistics(const vg_call *c, int k) {
  const vg_tensor *x = term(c, k, X);
  char text[VG_SHAPE_TEXT];
  int64_t channels = x->shape.dim[x->shape.rank - 1];
  if (!term(c, k, MEAN) != !term(c, k, VAR)) return vg_fail(VG_EARG, "mix: term %d has a mean or a variance alone", k + 1);
  for (int i = MEAN; i <= VAR && term(c, k, i); i++) {
    const vg_tensor *t = term(c, k, i);
    if (t->dtype != VG_F32 || t->shape.rank != 1 || t->shape.dim[0] != channels)
      return vg_fail(VG_ESHAPE, "mix: the statistics of term %d must be f32 [%lld], got %s %s", k + 1, (long long)channels, vg_dtype_name(t->dtype),
                     vg_shape_text(text, &t->shape));
  }
  if (c->train && term(c, k, MEAN) && vg_norm_map(x).rows < 2)
    return vg_fail(VG_ESHAPE, "mix: training needs at least 2 values per channel, got %lld", (long long)vg_norm_map(x).rows);
  return VG_OK;
}

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *first = first_term(c);
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  VG_TRY(check_weights(c));
  if (!first) return vg_fail(VG_EARG, "mix: every term is nothing");
  if (first->dtype != VG_F32 && first->dtype != VG_BF16) return vg_fail(VG_EARG, "mix: x must be f32 or bf16, got %s", vg_dtype_name(first->dtype));
  if (first->shape.rank < 2) return vg_fail(VG_ESHAPE, "mix: x needs at least 2 axes, got %d", first->shape.rank);
  for (int k = 0; k < n_terms(c); k++) {
    const vg_tensor *x = term(c, k, X);
    if (!x) continue;
    if (x->dtype != first->dtype || !vg_shape_is_equal(&x->shape, &first->shape))
      return vg_fail(VG_ESHAPE, "mix: term %d is %s %s, another is %s %s", k + 1, vg_dtype_name(x->dtype), vg_shape_text(a, &x->shape),
                     vg_dtype_name(first->dtype), vg_shape_text(b, &first->shape));
    VG_TRY(check_statistics(c, k));
  }
  *out = first->shape;
  *dtype = first->dtype;
  return VG_OK;
}

/* stats [2, C] of term k: mean, then inverse deviation. */
static vg_status find_stats(float *stats, const vg_call *c, int k) {
  float *istd = stats + vg_norm_map(term(c, k, X)).channels;
  return vg_norm_find_stats(stats, istd, term(c, k, X), term(c, k, MEAN), term(c, k, VAR), c->train, c->arg[EPS], c->arg[MOMENTUM]);
}

static vg_status add_up(vg_tensor *out, vg_call *c, const float *stats) {
  vg_map m = vg_norm_map(out);
  const void *x[MOST];
  float *scale, *shift;
  int n = 0;
  VG_TRY(vg_alloc_zero((void **)&scale, (size_t)((MOST + 1) * m.channels) * sizeof *scale));
  shift = scale + MOST * m.channels;
  for (int k = 0; k < n_terms(c); k++) {
    if (!term(c, k, X)) continue;
    const float *mean = stats + 2 * k * m.channels, *istd = mean + m.channels;
    float *s = scale + n * m.channels, w = weight(c, k);
    x[n++] = vg_tensor_data(term(c, k, X));
    for (int64_t i = 0; i < m.channels; i++) {
      s[i] = is_normed(c, k) ? w * istd[i] : w;
      shift[i] -= is_normed(c, k) ? s[i] * mean[i] : 0;
    }
  }
  vg_status status = vg_mix(vg_tensor_data(out), x, n, scale, shift, &m);
  vg_free(scale);
  return status;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_tensor *stats;
  int64_t channels = vg_norm_map(out).channels;
  vg_status status = VG_OK;
  VG_TRY(vg_tensor_new(&stats, VG_F32, &VG_SHAPE(n_terms(c), 2, channels)));
  for (int k = 0; status == VG_OK && k < n_terms(c); k++)
    if (is_normed(c, k)) status = find_stats(vg_f32(stats) + 2 * k * channels, c, k);
  if (status == VG_OK) status = add_up(out, c, vg_f32(stats));
  if (status == VG_OK && c->wants_backward) c->saved[0] = stats;
  else vg_tensor_release(stats);
  return status;
}

/* --- backward ---------------------------------------------------------------------------------------------------------------------------- */

/* Vectors of [C]: the term's weight as gamma, room for sums, and the statistics of a term that has none; scales [2, C] begins with `one`. */
typedef struct room { float *gamma, *sum_g, *sum_gx, *zero, *one, *scales; } room;

/* dx += w * dout, in one pass. */
static vg_status add_scaled(vg_tensor *dx, const vg_tensor *dout, float w, const room *v) {
  vg_map m = vg_norm_map(dx);
  const void *maps[] = { vg_tensor_data(dx), vg_tensor_data(dout) };
  for (int64_t i = 0; i < m.channels; i++) v->scales[m.channels + i] = w;
  return vg_mix(vg_tensor_data(dx), maps, 2, v->scales, v->zero, &m);
}

static vg_status term_gradient(vg_tensor *dx, bool add, double *dw, const vg_tensor *dout, const vg_call *c, int k, const room *v) {
  const vg_tensor *x = term(c, k, X);
  vg_map m = vg_norm_map(x);
  float w = weight(c, k);
  vg_norm n = { .channels = m.channels, .gamma = v->gamma, .add = add };
  bool moves = is_normed(c, k) && c->train;              /* the statistics with x */
  n.mean = is_normed(c, k) ? vg_f32(c->saved[0]) + 2 * k * m.channels : v->zero;
  n.istd = is_normed(c, k) ? n.mean + m.channels : v->one;
  for (int64_t i = 0; i < m.channels; i++) {
    v->gamma[i] = w;
    v->zero[i] = 0;
    v->one[i] = 1;
  }
  if (dw || moves) VG_TRY(vg_norm_grad_sums(v->sum_g, v->sum_gx, vg_tensor_data(dout), vg_tensor_data(x), &m, &n));
  for (int64_t i = 0; dw && i < m.channels; i++) *dw += v->sum_gx[i];
  if (!dx) return VG_OK;
  if (!is_normed(c, k)) {
    if (add) return add_scaled(dx, dout, w, v);
    vg_unary_grad(dx, dout, NULL, VG_SCALE, w);
    return VG_OK;
  }
  return vg_norm_input_grad(dx, x, dout, &n, moves ? v->sum_g : NULL, moves ? v->sum_gx : NULL);
}

/* A leaf's gradient is f32 where x is bf16: through a copy. */
static vg_status add_gradient(vg_tensor *dx, double *dw, const vg_tensor *dout, const vg_call *c, int k, const room *v) {
  vg_tensor *own;
  VG_TRY(vg_tensor_like(&own, dx));
  vg_status status = term_gradient(own, false, dw, dout, c, k, v);
  if (status == VG_OK) vg_tensor_accumulate(dx, own);
  vg_tensor_release(own);
  return status;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  int64_t channels = vg_norm_map(dout).channels;
  float *memory;
  vg_status status = VG_OK;
  VG_TRY(vg_alloc((void **)&memory, (size_t)(6 * channels) * sizeof *memory));
  room v = { memory, memory + channels, memory + 2 * channels, memory + 3 * channels, memory + 4 * channels, memory + 4 * channels };
  if (din[W] && !(add & 1)) vg_tensor_fill(din[W], 0);
  for (int k = 0; k < n_terms(c); k++) {
    vg_tensor *dx = din[X + TERM * k];
    double dw = 0;
    if (!term(c, k, X) || (!dx && !din[W])) continue;
    bool adds = dx && add >> (X + TERM * k) & 1;
    double *to = din[W] ? &dw : NULL;
    if (adds && dx->dtype != dout->dtype) VG_GOTO(add_gradient(dx, to, dout, c, k, &v));
    else VG_GOTO(term_gradient(dx, adds, to, dout, c, k, &v));
    if (!din[W]) continue;
    int64_t at = (int64_t)c->arg[ROW] * n_terms(c) + k;
    vg_tensor_set(din[W], at, vg_tensor_get(din[W], at) + dw);
  }
done:
  vg_free(memory);
  return status;
}

/* A term that is not normalised is read for the gradient of its weight alone. */
static unsigned reads(const vg_call *c, unsigned wanted) {
  unsigned bits = 1u << W;
  for (int k = 0; k < n_terms(c); k++)
    if (wanted & 1u << W || is_normed(c, k)) bits |= 1u << (X + TERM * k);
  return bits;
}

const vg_op vg_op_mix = {
  .name = "mix", .doc = "w [..., K], then x? [..., C], mean? [C], var? [C] of K terms -> sum of w[row, k] * x_k, normed where it has statistics",
  .min_in = 1, .max_in = 1 + TERM * MOST, .args = ARGS, .flags = VG_OP_ACCUMULATES, .keeps_in = 1u << W | EACH_TERM << X,
  .no_grad_in = EACH_TERM << MEAN | EACH_TERM << VAR, .shape = shape, .forward = forward, .backward = backward,
  .macs = vg_op_zero_macs, .reads = reads,
};
