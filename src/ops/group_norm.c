/* group_norm: each sample is normalised over its positions and the channels of a group. arXiv:1803.08494. groups = C: instance norm.
 * Per-channel sums of one sample are those of batch norm on that sample alone; a group then shares what its channels found. */
#include <math.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "kernels/norm.h"
#include "ops/norm_args.h"
#include "ops/same_shape.h"

enum { X, GAMMA, BETA };
enum { GROUPS, EPS };
static const vg_arg ARGS[] = {
  { .name = "groups", .min = 1, .integer = true, .required = true },
  { .name = "eps", .def = 1e-5, .min = 0, .max = 1 },
  { 0 }
};

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_same_shape(out, dtype, c));
  if (out->rank < 2) return vg_fail(VG_ESHAPE, "group_norm: x needs at least 2 axes, got %d", out->rank);
  long long channels = (long long)out->dim[out->rank - 1], groups = (long long)c->arg[GROUPS];
  if (groups < 1 || channels % groups)
    return vg_fail(VG_ESHAPE, "group_norm: %lld channels do not divide into %lld groups", channels, groups);
  char text[VG_SHAPE_TEXT];
  vg_shape sample = *out;
  sample.dim[0] = 1;
  if (channels > 0 && vg_shape_count(&sample) == 0)
    return vg_fail(VG_ESHAPE, "group_norm: nothing to take the mean of in %s", vg_shape_text(text, out));
  VG_TRY(vg_norm_check_vector(c, GAMMA, "gamma", false));
  return vg_norm_check_vector(c, BETA, "beta", false);
}

/* One sample of x as a map. */
static vg_map sample_map(const vg_tensor *x) {
  vg_map m = vg_norm_map(x);
  m.rows = x->shape.dim[0] ? m.rows / x->shape.dim[0] : 0;
  return m;
}
static void *sample_at(const vg_tensor *t, int64_t s) {
  int64_t n = t->shape.dim[0] ? vg_tensor_count(t) / t->shape.dim[0] : 0;
  return (char *)vg_tensor_data(t) + (size_t)(s * n) * vg_dtype_size(t->dtype);
}

/* mean and var of channels become mean and inverse deviation of their groups, still one per channel. */
static void share(float *mean, float *var, int64_t channels, int64_t groups, double eps) {
  int64_t size = channels / groups;
  for (int64_t g = 0; g < channels; g += size) {
    double m = 0, v = 0;
    for (int64_t c = g; c < g + size; c++) m += mean[c] / (double)size;
    for (int64_t c = g; c < g + size; c++) v += (var[c] + (mean[c] - m) * (mean[c] - m)) / (double)size;
    for (int64_t c = g; c < g + size; c++) {
      mean[c] = (float)m;
      var[c] = (float)(1 / sqrt(v + eps));
    }
  }
}

static vg_norm norm_of(const vg_norm_affine *p, const float *stats, int64_t channels) {
  return (vg_norm){ .channels = channels, .mean = stats, .istd = stats + channels, .gamma = p->gamma, .beta = p->beta };
}

static vg_status forward_sample(vg_tensor *out, const vg_call *c, const vg_norm_affine *p, float *stats, int64_t s) {
  vg_map m = sample_map(c->in[X]);
  const void *x = sample_at(c->in[X], s);
  VG_TRY(vg_norm_stats(stats, stats + m.channels, x, &m));
  share(stats, stats + m.channels, m.channels, (int64_t)c->arg[GROUPS], c->arg[EPS]);
  vg_norm n = norm_of(p, stats, m.channels);
  return vg_norm_apply(sample_at(out, s), x, &m, &n);
}

/* The text of a failure stays with the thread that met it, so it is said again here. */
static vg_status joined(int failed) {
  return failed ? vg_fail(VG_ENOMEM, "group_norm: out of memory") : VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  int64_t samples = out->shape.dim[0], channels = vg_norm_map(out).channels;
  vg_norm_affine p;
  vg_tensor *stats;
  atomic_int failed = 0;
  VG_TRY(vg_tensor_new(&stats, VG_F32, &(vg_shape){ 3, { samples, 2, channels } }));
  vg_status status = vg_norm_affine_get(&p, c, GAMMA, BETA);
  if (status == VG_OK) {
#pragma omp parallel for schedule(static) if (samples > 1)
    for (int64_t s = 0; s < samples; s++)
      if (forward_sample(out, c, &p, vg_f32(stats) + s * 2 * channels, s) != VG_OK) failed = 1;
    vg_norm_affine_drop(&p);
    status = joined(failed);
  }
  if (status == VG_OK && c->wants_backward) c->saved[0] = stats;
  else vg_tensor_release(stats);
  return status;
}

/* a = istd * mean of gamma * g, b = istd * mean of gamma * g * xhat, over the group. */
static void statistic_terms(float *a, float *b, const float *sum_g, const float *sum_gx, const vg_norm *n, int64_t groups, int64_t rows) {
  int64_t size = n->channels / groups;
  for (int64_t g = 0; g < n->channels; g += size) {
    double first = 0, second = 0;
    for (int64_t c = g; c < g + size; c++) {
      first += (n->gamma ? n->gamma[c] : 1) * (double)sum_g[c];
      second += (n->gamma ? n->gamma[c] : 1) * (double)sum_gx[c];
    }
    for (int64_t c = g; c < g + size; c++) {
      a[c] = (float)(n->istd[c] * first / (double)(size * rows));
      b[c] = (float)(n->istd[c] * second / (double)(size * rows));
    }
  }
}

/* v: sum_g, sum_gx, a, b of this sample. dx may be NULL. */
static vg_status backward_sample(vg_tensor *dx, const vg_tensor *dout, const vg_call *c, const vg_norm_affine *p, float *v, int64_t s) {
  vg_map m = sample_map(c->in[X]);
  int64_t C = m.channels;
  vg_norm n = norm_of(p, vg_f32(c->saved[0]) + s * 2 * C, C);
  const void *x = sample_at(c->in[X], s), *dy = sample_at(dout, s);
  VG_TRY(vg_norm_grad_sums(v, v + C, dy, x, &m, &n));
  if (!dx) return VG_OK;
  statistic_terms(v + 2 * C, v + 3 * C, v, v + C, &n, (int64_t)c->arg[GROUPS], m.rows);
  return vg_norm_grad_input(sample_at(dx, s), dy, x, &m, &n, v + 2 * C, v + 3 * C);
}

/* Sums of the samples, in their order, into those of the first. */
static void join_samples(float *v, int64_t samples, int64_t channels) {
  for (int64_t s = 1; s < samples; s++)
    for (int64_t j = 0; j < 2 * channels; j++) v[j] += v[s * 4 * channels + j];
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  int64_t samples = dout->shape.dim[0], channels = vg_norm_map(dout).channels;
  vg_norm_affine p;
  vg_tensor *dx = NULL;
  void *v;
  atomic_int failed = 0;
  VG_TRY(vg_norm_affine_get(&p, c, GAMMA, BETA));
  vg_status status = vg_alloc_zero(&v, (size_t)(samples + 1) * 4 * (size_t)channels * sizeof(float));
  if (status != VG_OK) goto done;
  if (din[X]) status = vg_grad_begin(&dx, din[X], c->in[X]);
  if (status == VG_OK) {
#pragma omp parallel for schedule(static) if (samples > 1)
    for (int64_t s = 0; s < samples; s++)
      if (backward_sample(dx, dout, c, &p, (float *)v + s * 4 * channels, s) != VG_OK) failed = 1;
    join_samples(v, samples, channels);
    if (GAMMA < c->n_in && c->in[GAMMA]) vg_norm_store(din[GAMMA], (float *)v + channels);
    if (BETA < c->n_in && c->in[BETA]) vg_norm_store(din[BETA], v);
    status = joined(failed);
    if (dx && status == VG_OK) status = vg_grad_finish(dx, din[X]);
    else if (dx && dx != din[X]) vg_tensor_release(dx);
  }
  vg_free(v);
done:
  vg_norm_affine_drop(&p);
  return status;
}

const vg_op vg_op_group_norm = {
  .name = "group_norm", .doc = "x [N, ..., C], gamma? [C], beta? [C] -> like x",
  .min_in = 1, .max_in = 3, .args = ARGS, .keeps_in = 1u << X | 1u << GAMMA | 1u << BETA,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
