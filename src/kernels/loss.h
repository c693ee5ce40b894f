/* Losses over logits [N, K] (f32 or bf16): computed in f32 with double sums, mean over the batch. */
#ifndef VG_KERNELS_LOSS_H
#define VG_KERNELS_LOSS_H

#include "tensor/tensor.h"

/* *loss = mean over rows of -sum_k q_k log softmax(x)_k, where q is 1 - smoothing at the label plus smoothing/K everywhere.
 * prob f32 [N,K] receives the probabilities. VG_EARG naming row and label for a label outside 0..K-1. */
VG_CHECKED vg_status vg_cross_entropy_run(double *loss, vg_tensor *prob, const vg_tensor *x, const vg_tensor *labels, double smoothing);
void vg_cross_entropy_grad(vg_tensor *dx, const vg_tensor *prob, const vg_tensor *labels, double smoothing, double dloss);

/* The same with a distribution q [N,K] a row, given as a tensor. */
VG_CHECKED vg_status vg_soft_cross_entropy_run(double *loss, vg_tensor *prob, const vg_tensor *x, const vg_tensor *q);
void vg_soft_cross_entropy_grad(vg_tensor *dx, const vg_tensor *prob, const vg_tensor *q, double dloss);

/* *loss = T^2 * mean over rows of KL(softmax(t/T) || softmax(x/T)); diff f32 [N,K] receives softmax(x/T) - softmax(t/T). */
VG_CHECKED vg_status vg_kl_run(double *loss, vg_tensor *diff, const vg_tensor *x, const vg_tensor *t, double temperature);

/* Mean over elements of |a - b| (power 1) or (a - b)^2 (power 2), and the gradient of a, times `factor` (-1 for b). */
VG_CHECKED vg_status vg_distance_run(double *loss, const vg_tensor *a, const vg_tensor *b, int power);
void vg_distance_grad(vg_tensor *da, const vg_tensor *a, const vg_tensor *b, int power, double factor);

/* Rule of the losses: a scalar in f32. */
static inline void vg_loss_shape(vg_shape *out, vg_dtype *dtype) {
  *out = (vg_shape){ .rank = 0 };
  *dtype = VG_F32;
}
/* VG_EARG / VG_ESHAPE unless x is [N,K], f32 or bf16, with N and K at least 1. */
VG_CHECKED vg_status vg_expect_logits(const vg_tensor *x, const char *who, int n);
VG_CHECKED vg_status vg_expect_same(const vg_tensor *a, const vg_tensor *b, const char *who);

#endif
