#include "kernels/gemm.h"

#include <cblas.h>
#include <string.h>

#include "base/alloc.h"
#include "base/threads.h"
#include "kernels/onednn.h"
#include "kernels/simd.h"

enum { PARALLEL_FROM = 1 << 14 };     /* elements below which a second thread costs more than it brings */

void vg_convert(vg_dtype to, void *dst, vg_dtype from, const void *src, int64_t n) {
  if (to == from) {
    memcpy(dst, src, (size_t)n * vg_dtype_size(to));
  } else if (to == VG_F32) {
    float *y = dst;
    const uint16_t *x = src;
#pragma omp parallel for simd schedule(static) if (n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++) y[i] = vg_bf16_to_f32(x[i]);
  } else {
    uint16_t *y = dst;
    const float *x = src;
#pragma omp parallel for simd schedule(static) if (n > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++) y[i] = vg_f32_to_bf16(x[i]);
  }
}

static void add_rows(float *restrict sum, vg_dtype dtype, const void *x, int64_t begin, int64_t end, int64_t cols) {
  memset(sum, 0, (size_t)cols * sizeof *sum);
  for (int64_t i = begin; i < end; i++) {
    if (dtype == VG_F32) {
      const float *row = (const float *)x + i * cols;
      for (int64_t j = 0; j < cols; j++) sum[j] += row[j];
    } else {
      const uint16_t *row = (const uint16_t *)x + i * cols;
      for (int64_t j = 0; j < cols; j++) sum[j] += vg_bf16_to_f32(row[j]);
    }
  }
}

vg_status vg_column_sum(float *sum, vg_dtype dtype, const void *x, int64_t rows, int64_t cols) {
  int parts = rows * cols > PARALLEL_FROM ? vg_threads() : 1;
  float *part;
  VG_TRY(vg_block_get((void **)&part, (size_t)(parts * cols) * sizeof *part));
#pragma omp parallel for schedule(static) if (parts > 1)
  for (int t = 0; t < parts; t++) add_rows(part + t * cols, dtype, x, rows * t / parts, rows * (t + 1) / parts, cols);
  memcpy(sum, part, (size_t)cols * sizeof *sum);
  for (int t = 1; t < parts; t++)
    for (int64_t j = 0; j < cols; j++) sum[j] += part[t * cols + j];
  vg_block_put(part);
  return VG_OK;
}

void vg_add_row(vg_dtype dtype, void *x, const float *bias, int64_t rows, int64_t cols) {
#pragma omp parallel for schedule(static) if (rows * cols > PARALLEL_FROM)
  for (int64_t i = 0; i < rows; i++) {
    if (dtype == VG_F32) {
      float *row = (float *)x + i * cols;
      for (int64_t j = 0; j < cols; j++) row[j] += bias[j];
    } else {
      uint16_t *row = (uint16_t *)x + i * cols;
      for (int64_t j = 0; j < cols; j++) row[j] = vg_f32_to_bf16(vg_bf16_to_f32(row[j]) + bias[j]);
    }
  }
}

typedef struct product {
  vg_dtype out;
  bool trans_a, trans_b;
  int64_t m, n, k;
  float alpha, beta;
  const float *bias;         /* [n], added to each row; NULL: none */
} product;

static vg_status describe(dnnl_memory_desc_t *d, vg_dtype t, int64_t rows, int64_t cols, bool trans) {
  dnnl_dims_t dims = { rows, cols };
  return vg__dnnl_check(dnnl_memory_desc_init_by_tag(d, 2, dims, vg__dnnl_type(t), trans ? dnnl_ba : dnnl_ab), "matmul operand");
}

static vg_status make_matmul(vg__prim *p, const void *spec) {
  const product *g = spec;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t post = NULL;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_matmul_desc_t desc;
  vg_status status = VG_OK;
  VG_GOTO(describe(&p->src, VG_BF16, g->m, g->k, g->trans_a));
  VG_GOTO(describe(&p->weights, VG_BF16, g->k, g->n, g->trans_b));
  VG_GOTO(describe(&p->dst, g->out, g->m, g->n, false));
  VG_GOTO(vg__dnnl_attr(&attr));
  if (g->alpha != 1) VG_GOTO(vg__dnnl_check(dnnl_primitive_attr_set_output_scales(attr, 1, 0, &g->alpha), "matmul scale"));
  if (g->beta != 0) {
    VG_GOTO(vg__dnnl_check(dnnl_post_ops_create(&post), "matmul post-ops"));
    VG_GOTO(vg__dnnl_check(dnnl_post_ops_append_sum(post, g->beta), "matmul sum"));
    VG_GOTO(vg__dnnl_check(dnnl_primitive_attr_set_post_ops(attr, post), "matmul post-ops"));
  }
  VG_GOTO(vg__dnnl_check(dnnl_memory_desc_init_by_tag(&p->bias, 2, (dnnl_dims_t){ 1, g->n }, dnnl_f32, dnnl_ab), "matmul bias"));
  VG_GOTO(vg__dnnl_check(dnnl_matmul_desc_init(&desc, &p->src, &p->weights, g->bias ? &p->bias : NULL, &p->dst), "describing a matmul"));
  VG_GOTO(vg__prim_create(&p->main, &pd, &desc, NULL, attr));
  p->scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
done:
  if (pd) dnnl_primitive_desc_destroy(pd);
  if (post) dnnl_post_ops_destroy(post);
  if (attr) dnnl_primitive_attr_destroy(attr);
  return status;
}

static vg_status gemm_bf16(const product *g, const void *a, const void *b, void *c) {
  int32_t bits[2];
  memcpy(&bits[0], &g->alpha, sizeof bits[0]);
  memcpy(&bits[1], &g->beta, sizeof bits[1]);
  vg__prim_key key = { { 'g', g->out, g->trans_a, g->trans_b, g->m, g->n, g->k, bits[0], bits[1], g->bias != NULL, vg_threads() } };
  vg__prim *p;
  VG_TRY(vg__prim_get(&p, &key, make_matmul, g));
  const vg__prim_arg args[] = { { DNNL_ARG_SRC, &p->src, (void *)a }, { DNNL_ARG_WEIGHTS, &p->weights, (void *)b }, { DNNL_ARG_DST, &p->dst, c },
                                { DNNL_ARG_BIAS, &p->bias, (void *)g->bias } };
  vg_status s = vg__prim_run(p, g->bias ? 4 : 3, args);
  vg__prim_release(p);
  return s;
}

/* With AVX512, oneDNN's product: OpenBLAS 0.3.21 takes its Haswell kernels on CPUs younger than itself. Measured on two cores of a Zen 5:
 * 16384x192x32 191 against 417 GFLOP/s, 192x32x16384 188 against 372, 64x10x1280 50 against 121. */
static vg_status product_f32(const product *g, const float *a, const float *b, float *c) {
  int64_t lda = g->trans_a ? g->m : g->k, ldb = g->trans_b ? g->k : g->n;
  if (vg_cpu_has_avx512() && g->k > 0)
    return vg__dnnl_check(dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', g->m, g->n, g->k, g->alpha, a, lda, b, ldb, g->beta, c, g->n),
                          "matrix product");
  if (g->m > INT32_MAX || g->n > INT32_MAX || g->k > INT32_MAX)
    return vg_fail(VG_EBACKEND, "OpenBLAS: a matrix product of %lld x %lld x %lld is too large", (long long)g->m, (long long)g->n, (long long)g->k);
  cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, g->trans_b ? CblasTrans : CblasNoTrans, (blasint)g->m, (blasint)g->n,
              (blasint)g->k, g->alpha, a, (blasint)lda, b, (blasint)ldb, g->beta, c, (blasint)g->n);
  return VG_OK;
}

static vg_status gemm_f32(const product *g, const float *a, const float *b, float *c) {
  VG_TRY(product_f32(g, a, b, c));
  if (g->bias) vg_add_row(VG_F32, c, g->bias, g->m, g->n);
  return VG_OK;
}

/* Every combination of types that is not a library's own: through f32 copies. */
static vg_status gemm_through_f32(const product *g, vg_dtype in, const void *a, const void *b, void *c) {
  float *fa = NULL, *fb = NULL, *fc = NULL;
  vg_status status = VG_OK;
  if (in != VG_F32) {
    VG_GOTO(vg_block_get((void **)&fa, (size_t)(g->m * g->k) * sizeof *fa));
    VG_GOTO(vg_block_get((void **)&fb, (size_t)(g->k * g->n) * sizeof *fb));
    vg_convert(VG_F32, fa, in, a, g->m * g->k);
    vg_convert(VG_F32, fb, in, b, g->k * g->n);
  }
  if (g->out != VG_F32) {
    VG_GOTO(vg_block_get((void **)&fc, (size_t)(g->m * g->n) * sizeof *fc));
    if (g->beta != 0) vg_convert(VG_F32, fc, g->out, c, g->m * g->n);
  }
  VG_GOTO(gemm_f32(g, fa ? fa : a, fb ? fb : b, fc ? fc : c));
  if (fc) vg_convert(g->out, c, VG_F32, fc, g->m * g->n);
done:
  vg_block_put(fa);
  vg_block_put(fb);
  vg_block_put(fc);
  return status;
}

static bool is_float(vg_dtype t) { return t == VG_F32 || t == VG_BF16; }

static vg_status multiply(const product *g, vg_dtype in, const void *a, const void *b, void *c) {
  if (!is_float(in) || !is_float(g->out))
    return vg_fail(VG_EARG, "gemm: expected f32 or bf16, got %s in and %s out", vg_dtype_name(in), vg_dtype_name(g->out));
  if (g->m == 0 || g->n == 0) return VG_OK;
  if (in == VG_F32 && g->out == VG_F32) return gemm_f32(g, a, b, c);
  if (in == VG_BF16 && g->k > 0 && vg__dnnl_has_bf16()) return gemm_bf16(g, a, b, c);
  return gemm_through_f32(g, in, a, b, c);
}

vg_status vg_gemm(vg_dtype in, vg_dtype out, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha, const void *a,
                  const void *b, float beta, void *c) {
  return multiply(&(product){ out, trans_a, trans_b, m, n, k, alpha, beta, NULL }, in, a, b, c);
}

vg_status vg_affine(vg_dtype in, vg_dtype out, int64_t m, int64_t n, int64_t k, const void *a, const void *b, const float *bias, void *c) {
  return multiply(&(product){ out, false, true, m, n, k, 1, 0, bias }, in, a, b, c);
}
