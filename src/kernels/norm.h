/* Normalisation over rows of channels: the parts of batch norm and group norm, each one pass over memory.
 * A map is [rows, channels], channels contiguous, f32 or bf16; sums are kept in f32 for a few dozen rows, then in double, around a shift near
 * the mean, so that a mean of 1e3 with a deviation of 1 loses nothing. Partial sums are joined in the order of the threads: the bits depend on
 * the number of threads alone.
 *     z = (x - mean) * istd * gamma + beta,   y = act(z),   istd = 1 / sqrt(var + eps)        arXiv:1502.03167
 * gamma and beta may be NULL (1 and 0). `act` is applied in the same pass, and its derivative is taken at z computed anew from x, so y need not
 * be kept. VG_ACT_LEAKY has slope 0.01 here. */
#ifndef VG_KERNELS_NORM_H
#define VG_KERNELS_NORM_H

#include "kernels/activation.h"

typedef struct vg_norm {
  int64_t channels;
  const float *mean, *istd;      /* [channels] */
  const float *gamma, *beta;     /* [channels] or NULL */
  vg_act act;
  bool add;                      /* vg_norm_grad_input adds to what dx holds; without an activation */
} vg_norm;

/* A map in memory. */
typedef struct vg_map {
  int64_t rows, channels;
  bool bf16;
} vg_map;

/* mean [C] and biased variance var [C] of x. rows >= 1. */
VG_CHECKED vg_status vg_norm_stats(float *mean, float *var, const void *x, const vg_map *m);
/* y = act(z); y may be x. */
VG_CHECKED vg_status vg_norm_apply(void *y, const void *x, const vg_map *m, const vg_norm *n);
/* With g = dy * act'(z) and xhat = (x - mean) * istd: sum_g [C] = sum of g, sum_gx [C] = sum of g * xhat (the gradients of beta, gamma). */
VG_CHECKED vg_status vg_norm_grad_sums(float *sum_g, float *sum_gx, const void *dy, const void *x, const vg_map *m, const vg_norm *n);
/* dx = istd * gamma * g - a - b * xhat with a, b [C] or both NULL (statistics that are constants). Batch norm:
 * a = istd * gamma * sum_g / rows, b = istd * gamma * sum_gx / rows. dx may be dy. */
VG_CHECKED vg_status vg_norm_grad_input(void *dx, const void *dy, const void *x, const vg_map *m, const vg_norm *n, const float *a, const float *b);

/* Layer norm: each row by itself. stats [rows, 2] = mean and inverse deviation, written; gamma, beta [C] or NULL; y may be x. */
void vg_layer_norm(void *y, float *stats, const void *x, const vg_map *m, const float *gamma, const float *beta, float eps);
/* dgamma, dbeta [C] written; dx written unless NULL, and may be dy. */
VG_CHECKED vg_status vg_layer_norm_grad(void *dx, float *dgamma, float *dbeta, const void *dy, const void *x, const float *stats, const vg_map *m,
                                        const float *gamma);

/* One block of rows of `width` elements; the per-channel vectors are repeated to that width. */
typedef struct vg_norm_rows {
  const float *mean, *scale, *shift;     /* z = (x - mean) * scale + shift */
  const float *a, *b;                    /* dx = scale * g - a - b * (x - mean) */
  bool add;                              /* to dx */
} vg_norm_rows;
VG_SIMD_DECLARE(void, norm_stats, (float *sum, float *square, const float *around, const void *x, int64_t rows, int64_t width, bool bf16));
VG_SIMD_DECLARE(void, norm_apply, (void *y, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width, bool bf16, vg_act act));
VG_SIMD_DECLARE(void, norm_sums, (float *sum_g, float *sum_gx, const void *dy, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width,
                                  bool bf16, vg_act act));
VG_SIMD_DECLARE(void, norm_input, (void *dx, const void *dy, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width, bool bf16, vg_act act));
VG_SIMD_DECLARE(void, layer_norm, (void *y, float *stats, const void *x, const float *gamma, const float *beta, int64_t rows, int64_t n, bool bf16,
                                   float eps));
/* Adds into sum_g, sum_gx [n] the sums of dy and dy * xhat. */
VG_SIMD_DECLARE(void, layer_norm_grad, (void *dx, float *sum_g, float *sum_gx, const void *dy, const void *x, const float *stats, const float *gamma,
                                        int64_t rows, int64_t n, bool bf16));

#endif
