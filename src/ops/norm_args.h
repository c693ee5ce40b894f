/* What the normalisations share: x as rows of channels, gamma and beta as f32 vectors. */
#ifndef VG_OPS_NORM_ARGS_H
#define VG_OPS_NORM_ARGS_H

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/norm.h"
#include "ops/op.h"

static inline vg_map vg_norm_map(const vg_tensor *x) {
  int64_t channels = x->shape.dim[x->shape.rank - 1];
  return (vg_map){ .rows = channels ? vg_tensor_count(x) / channels : 0, .channels = channels, .bf16 = x->dtype == VG_BF16 };
}

/* in[i] is absent, or [C]: f32, or bf16 (the shadow of a parameter) unless `exact`. */
static inline vg_status vg_norm_check_vector(const vg_call *c, int i, const char *name, bool exact) {
  const vg_tensor *t = i < c->n_in ? c->in[i] : NULL;
  const vg_tensor *x = c->in[0];
  long long channels = (long long)x->shape.dim[x->shape.rank - 1];
  char text[VG_SHAPE_TEXT];
  if (!t) return VG_OK;
  if (t->shape.rank != 1 || t->shape.dim[0] != channels)
    return vg_fail(VG_ESHAPE, "%s: %s must be [%lld] as the channels of x, got %s", c->op->name, name, channels, vg_shape_text(text, &t->shape));
  if (t->dtype != VG_F32 && (exact || t->dtype != VG_BF16))
    return vg_fail(VG_EARG, "%s: %s must be f32, got %s", c->op->name, name, vg_dtype_name(t->dtype));
  return VG_OK;
}

/* gamma and beta as f32, NULL where absent; `memory` holds copies of those that are bf16. */
typedef struct vg_norm_affine {
  const float *gamma, *beta;
  float *memory;
} vg_norm_affine;

static inline const float *vg_norm_vector(const vg_tensor *t, float *copy) {
  if (!t) return NULL;
  if (t->dtype == VG_F32) return vg_f32(t);
  for (int64_t i = 0, n = vg_tensor_count(t); i < n; i++) copy[i] = vg_bf16_to_f32(vg_bf16(t)[i]);
  return copy;
}

static inline vg_status vg_norm_affine_get(vg_norm_affine *p, const vg_call *c, int gamma, int beta) {
  const vg_tensor *g = gamma < c->n_in ? c->in[gamma] : NULL, *b = beta < c->n_in ? c->in[beta] : NULL;
  int64_t channels = g ? vg_tensor_count(g) : 0;
  void *memory;
  VG_TRY(vg_alloc(&memory, (size_t)(channels + (b ? vg_tensor_count(b) : 0)) * sizeof(float)));
  p->memory = memory;
  p->gamma = vg_norm_vector(g, p->memory);
  p->beta = vg_norm_vector(b, p->memory + channels);
  return VG_OK;
}

static inline void vg_norm_affine_drop(vg_norm_affine *p) { vg_free(p->memory); }

/* The gradient of a vector, where wanted. */
static inline void vg_norm_store(vg_tensor *din, const float *v) {
  if (!din) return;
  int64_t n = vg_tensor_count(din);
  if (din->dtype == VG_F32) memcpy(vg_f32(din), v, (size_t)n * sizeof *v);
  else
    for (int64_t i = 0; i < n; i++) vg_tensor_set(din, i, v[i]);
}

/* How the statistics of a norm over the batch are had: [C] each, mean and inverse deviation. With `batch` they are those of x, which the running
 * ones move towards: running = (1 - momentum) * running + momentum * batch, with the unbiased variance, as PyTorch; else the running ones.
 * With momentum 0 they are left alone, whatever the batch holds. */
static inline void vg_norm_move_running(vg_tensor *running, const float *batch, double correction, double momentum) {
  float *r = vg_f32(running);
  if (momentum == 0) return;                       /* 0 * NaN would not be nothing */
  for (int64_t i = 0, n = vg_tensor_count(running); i < n; i++) r[i] = (float)((1 - momentum) * r[i] + momentum * correction * batch[i]);
}

static inline vg_status vg_norm_find_stats(float *mean, float *istd, const vg_tensor *x, vg_tensor *running_mean, vg_tensor *running_var, bool batch,
                                           double eps, double momentum) {
  vg_map m = vg_norm_map(x);
  if (batch) {
    VG_TRY(vg_norm_stats(mean, istd, vg_tensor_data(x), &m));
    vg_norm_move_running(running_mean, mean, 1, momentum);
    vg_norm_move_running(running_var, istd, (double)m.rows / (double)(m.rows - 1), momentum);
  } else {
    memcpy(mean, vg_f32(running_mean), (size_t)m.channels * sizeof *mean);
    memcpy(istd, vg_f32(running_var), (size_t)m.channels * sizeof *istd);
  }
  for (int64_t i = 0; i < m.channels; i++) istd[i] = (float)(1 / sqrt((double)istd[i] + eps));
  return VG_OK;
}

/* The gradient of x, from sums over the batch: sum_g and sum_gx [C], overwritten; NULL when the statistics do not move with x. */
static inline vg_status vg_norm_input_grad(vg_tensor *din, const vg_tensor *x, const vg_tensor *dout, const vg_norm *n, float *sum_g, float *sum_gx) {
  vg_map m = vg_norm_map(x);
  vg_tensor *dx;
  for (int64_t i = 0; sum_g && i < n->channels; i++) {
    float scale = n->istd[i] * (n->gamma ? n->gamma[i] : 1) / (float)m.rows;
    sum_g[i] *= scale;
    sum_gx[i] *= scale;
  }
  VG_TRY(vg_grad_begin(&dx, din, x));
  vg_status status = vg_norm_grad_input(vg_tensor_data(dx), vg_tensor_data(dout), vg_tensor_data(x), &m, n, sum_g, sum_gx);
  if (status == VG_OK) return vg_grad_finish(dx, din);
  if (dx != din) vg_tensor_release(dx);
  return status;
}

#endif
