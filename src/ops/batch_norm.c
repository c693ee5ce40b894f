/* batch_norm: normalisation over all axes but the last, with the activation that follows. arXiv:1502.03167.
 * Training: mean and biased variance of the batch; running = (1 - momentum) * running + momentum * batch, with the unbiased variance, as PyTorch.
 * Evaluation, or frozen: the running statistics, and the gradient of an affine map. */
#include <math.h>

#include "base/alloc.h"
#include "kernels/norm.h"
#include "ops/norm_args.h"
#include "ops/same_shape.h"

enum { X, MEAN, VAR, GAMMA, BETA };
enum { EPS, MOMENTUM, ACT, FROZEN };
static const vg_arg ARGS[] = {
  { .name = "eps", .def = 1e-5, .min = 0, .max = 1 },
  { .name = "momentum", .def = 0.1, .min = 0, .max = 1 },
  { .name = "act", .words = VG_ACT_WORDS },
  { .name = "frozen", .max = 1, .integer = true },
  { 0 }
};

static bool uses_batch(const vg_call *c) { return c->train && c->arg[FROZEN] == 0; }

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_same_shape(out, dtype, c));
  if (out->rank < 2) return vg_fail(VG_ESHAPE, "batch_norm: x needs at least 2 axes, got %d", out->rank);
  VG_TRY(vg_norm_check_vector(c, MEAN, "running_mean", true));
  VG_TRY(vg_norm_check_vector(c, VAR, "running_var", true));
  VG_TRY(vg_norm_check_vector(c, GAMMA, "gamma", false));
  VG_TRY(vg_norm_check_vector(c, BETA, "beta", false));
  vg_map m = vg_norm_map(c->in[X]);
  if (uses_batch(c) && m.rows < 2)
    return vg_fail(VG_ESHAPE, "batch_norm: training needs at least 2 values per channel, got %lld", (long long)m.rows);
  return VG_OK;
}

/* stats [2, C]: mean, then inverse deviation. */
static vg_status find_stats(float *stats, const vg_call *c) {
  float *istd = stats + vg_norm_map(c->in[X]).channels;
  return vg_norm_find_stats(stats, istd, c->in[X], c->in[MEAN], c->in[VAR], uses_batch(c), c->arg[EPS], c->arg[MOMENTUM]);
}

static vg_norm norm_of(const vg_call *c, const vg_norm_affine *p, const float *stats) {
  int64_t channels = vg_norm_map(c->in[X]).channels;
  return (vg_norm){ .channels = channels, .mean = stats, .istd = stats + channels, .gamma = p->gamma, .beta = p->beta, .act = (vg_act)c->arg[ACT] };
}

static vg_status normalise(vg_tensor *out, const vg_call *c, const vg_tensor *stats) {
  vg_map m = vg_norm_map(c->in[X]);
  vg_norm_affine p;
  VG_TRY(vg_norm_affine_get(&p, c, GAMMA, BETA));
  vg_norm n = norm_of(c, &p, vg_f32(stats));
  vg_status status = vg_norm_apply(vg_tensor_data(out), vg_tensor_data(c->in[X]), &m, &n);
  vg_norm_affine_drop(&p);
  return status;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_tensor *stats;
  VG_TRY(vg_tensor_new(&stats, VG_F32, &(vg_shape){ 2, { 2, vg_norm_map(c->in[X]).channels } }));
  vg_status status = find_stats(vg_f32(stats), c);
  if (status == VG_OK) status = normalise(out, c, stats);
  if (status == VG_OK && c->wants_backward) c->saved[0] = stats;
  else vg_tensor_release(stats);
  return status;
}

static vg_status replay(vg_tensor *out, vg_call *c) { return normalise(out, c, c->saved[0]); }

/* v: room for sum_g and sum_gx, [C] each. */
static vg_status gradients(vg_tensor *const *din, const vg_tensor *dout, const vg_call *c, const vg_norm *n, float *v) {
  vg_map m = vg_norm_map(c->in[X]);
  float *sum_g = v, *sum_gx = v + n->channels;
  bool wants_affine = (c->in[GAMMA] && din[GAMMA]) || (c->in[BETA] && din[BETA]);
  if (wants_affine || uses_batch(c)) VG_TRY(vg_norm_grad_sums(sum_g, sum_gx, vg_tensor_data(dout), vg_tensor_data(c->in[X]), &m, n));
  if (c->in[GAMMA]) vg_norm_store(din[GAMMA], sum_gx);
  if (c->in[BETA]) vg_norm_store(din[BETA], sum_g);
  if (!din[X]) return VG_OK;
  return vg_norm_input_grad(din[X], c->in[X], dout, n, uses_batch(c) ? sum_g : NULL, uses_batch(c) ? sum_gx : NULL);
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_norm_affine p;
  void *v;
  VG_TRY(vg_norm_affine_get(&p, c, GAMMA, BETA));
  vg_norm n = norm_of(c, &p, vg_f32(c->saved[0]));
  vg_status status = vg_alloc(&v, (size_t)n.channels * 2 * sizeof(float));
  if (status == VG_OK) {
    status = gradients(din, dout, c, &n, v);
    vg_free(v);
  }
  vg_norm_affine_drop(&p);
  return status;
}

const vg_op vg_op_batch_norm = {
  .name = "batch_norm", .doc = "x [..., C], running_mean [C], running_var [C], gamma? [C], beta? [C] -> like x",
  .min_in = 3, .max_in = 5, .args = ARGS, .keeps_in = 1u << X | 1u << GAMMA | 1u << BETA, .no_grad_in = 1u << MEAN | 1u << VAR,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs, .replay = replay,
};
