/* Element-wise kernels over f32 and bf16 tensors, with numpy's broadcasting. All arithmetic is f32: bf16 is widened a chunk at a time
 * into a buffer that stays in the first-level cache and rounded to nearest even on the way out. */
#ifndef VG_KERNELS_ELTWISE_H
#define VG_KERNELS_ELTWISE_H

#include "kernels/simd.h"
#include "tensor/tensor.h"

enum { VG_CHUNK = 1024, VG_PARALLEL_FROM = 65536 };

typedef enum vg_binary { VG_ADD, VG_SUB, VG_MUL, VG_DIV } vg_binary;
typedef enum vg_unary { VG_NEG, VG_SCALE, VG_EXP, VG_LOG, VG_SQRT, VG_SQUARE, VG_ABS } vg_unary;

VG_SIMD_DECLARE(void, bf16_widen, (float *y, const uint16_t *x, int64_t n));
VG_SIMD_DECLARE(void, bf16_narrow, (uint16_t *y, const float *x, int64_t n));
VG_SIMD_DECLARE(void, binary_f32, (float *y, const float *a, const float *b, int64_t n, vg_binary kind));
VG_SIMD_DECLARE(void, binary_right_f32, (float *y, const float *a, float b, int64_t n, vg_binary kind));
VG_SIMD_DECLARE(void, binary_left_f32, (float *y, float a, const float *b, int64_t n, vg_binary kind));
VG_SIMD_DECLARE(void, unary_f32, (float *y, const float *x, int64_t n, vg_unary kind, float p, float q));
VG_SIMD_DECLARE(void, unary_grad_f32, (float *dx, const float *dy, const float *v, int64_t n, vg_unary kind, float p));
/* The sum of x, in eight double accumulators. */
VG_SIMD_DECLARE(double, sum_f32, (const float *x, int64_t n));
/* acc[i] += x[i] */
VG_SIMD_DECLARE(void, sum_columns, (double *acc, const float *x, int64_t n));

/* n <= VG_CHUNK elements of t from `at` as floats: t's own memory when it is f32, else `buffer`. i32 and u8 are not accepted. */
const float *vg_chunk_read(float buffer[VG_CHUNK], const vg_tensor *t, int64_t at, int64_t n);
/* Where to compute n elements that vg_chunk_write then puts in place. */
float *vg_chunk_open(float buffer[VG_CHUNK], vg_tensor *t, int64_t at);
void vg_chunk_write(vg_tensor *t, int64_t at, const float *values, int64_t n);

/* y = a (kind) b with broadcasting to y's shape; y may be a or b when the shapes are equal. */
void vg_binary_run(vg_tensor *y, const vg_tensor *a, const vg_tensor *b, vg_binary kind);
/* y = f(x); VG_SCALE is p*x + q. y may be x. */
void vg_unary_run(vg_tensor *y, const vg_tensor *x, vg_unary kind, double p, double q);
/* dx = dy * f'(x), where v is x, or for exp and sqrt the output y, or NULL for neg and scale. */
void vg_unary_grad(vg_tensor *dx, const vg_tensor *dy, const vg_tensor *v, vg_unary kind, double p);

/* The shape rule of a binary operator: broadcast shape; of two float types that of the larger input, f32 on a tie. */
VG_CHECKED vg_status vg_binary_shape(vg_shape *out, vg_dtype *dtype, const vg_tensor *a, const vg_tensor *b, const char *who);
/* VG_EARG unless t is f32 or bf16; `n` counts inputs from 1 for the message. */
VG_CHECKED vg_status vg_expect_float(const vg_tensor *t, const char *who, int n);

#endif
