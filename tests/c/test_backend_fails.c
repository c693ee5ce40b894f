/* oneDNN's n-th call fails, n = 1, 2, ... until the work succeeds: each time a status of ours with a message that names the library, never a crash;
 * everything the library handed out is given back, and the next try works.
 * The calls that can fail are replaced here: each asks a counter and passes on to the library. */
#include <dlfcn.h>
#include <dnnl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/onednn.h"

static int countdown, handed_out;
static dnnl_status_t how = dnnl_out_of_memory;

static int must_fail(void) { return countdown > 0 && --countdown == 0; }

/* `step`: +1 where an object is made, -1 where one is destroyed (those never fail), 0 for the rest. */
#define REPLACE(name, step, params, args)                                \
  dnnl_status_t name params {                                            \
    static dnnl_status_t(*real) params;                                  \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                \
    if ((step) >= 0 && must_fail()) return how;                          \
    dnnl_status_t status_ = real args;                                   \
    if (status_ == dnnl_success) handed_out += (step);                   \
    return status_;                                                      \
  }
REPLACE(dnnl_primitive_attr_create, 1, (dnnl_primitive_attr_t *a), (a))
REPLACE(dnnl_primitive_attr_destroy, -1, (dnnl_primitive_attr_t a), (a))
REPLACE(dnnl_primitive_attr_set_scratchpad_mode, 0, (dnnl_primitive_attr_t a, dnnl_scratchpad_mode_t m), (a, m))
REPLACE(dnnl_primitive_attr_set_output_scales, 0, (dnnl_primitive_attr_t a, dnnl_dim_t n, int mask, const float *s), (a, n, mask, s))
REPLACE(dnnl_primitive_attr_set_post_ops, 0, (dnnl_primitive_attr_t a, const_dnnl_post_ops_t p), (a, p))
REPLACE(dnnl_post_ops_create, 1, (dnnl_post_ops_t *p), (p))
REPLACE(dnnl_post_ops_destroy, -1, (dnnl_post_ops_t p), (p))
REPLACE(dnnl_post_ops_append_sum, 0, (dnnl_post_ops_t p, float scale), (p, scale))
REPLACE(dnnl_primitive_desc_create, 1,
        (dnnl_primitive_desc_t *d, const_dnnl_op_desc_t op, const_dnnl_primitive_attr_t a, dnnl_engine_t e, const_dnnl_primitive_desc_t hint),
        (d, op, a, e, hint))
REPLACE(dnnl_reorder_primitive_desc_create, 1,
        (dnnl_primitive_desc_t *d, const dnnl_memory_desc_t *from, dnnl_engine_t e, const dnnl_memory_desc_t *to, dnnl_engine_t f,
            const_dnnl_primitive_attr_t a),
        (d, from, e, to, f, a))
REPLACE(dnnl_primitive_desc_destroy, -1, (dnnl_primitive_desc_t d), (d))
REPLACE(dnnl_primitive_create, 1, (dnnl_primitive_t *p, const_dnnl_primitive_desc_t d), (p, d))
REPLACE(dnnl_primitive_destroy, -1, (dnnl_primitive_t p), (p))
REPLACE(dnnl_memory_desc_init_by_tag, 0, (dnnl_memory_desc_t *m, int n, const dnnl_dims_t d, dnnl_data_type_t t, dnnl_format_tag_t tag),
        (m, n, d, t, tag))
REPLACE(dnnl_memory_create, 1, (dnnl_memory_t *m, const dnnl_memory_desc_t *d, dnnl_engine_t e, void *h), (m, d, e, h))
REPLACE(dnnl_memory_destroy, -1, (dnnl_memory_t m), (m))
REPLACE(dnnl_stream_create, 1, (dnnl_stream_t *s, dnnl_engine_t e, unsigned flags), (s, e, flags))
REPLACE(dnnl_stream_destroy, -1, (dnnl_stream_t s), (s))
REPLACE(dnnl_stream_wait, 0, (dnnl_stream_t s), (s))
REPLACE(dnnl_primitive_execute, 0, (const_dnnl_primitive_t p, dnnl_stream_t s, int n, const dnnl_exec_arg_t *a), (p, s, n, a))
REPLACE(dnnl_matmul_desc_init, 0,
        (dnnl_matmul_desc_t *d, const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b, const dnnl_memory_desc_t *bias,
            const dnnl_memory_desc_t *c), (d, a, b, bias, c))

/* All three directions with a bias and a layout that is reordered; bf16 where the CPU has it. */
static vg_status convolve(int turn, vg_dtype t) {
  static float x[2 * 9 * 9 * 16], y[2 * 9 * 9 * 16], w[16 * 9 * 16], b[16];
  vg_conv_shape s = { .n = 1, .h = 5, .w = 4 + turn % 6, .ci = 16, .co = 16, .kh = 3, .kw = 3, .stride_h = 1, .stride_w = 1, .pad_h = 1,
      .pad_w = 1, .dil = 1, .groups = 1 };
  s.ho = s.h;
  s.wo = s.w;
  VG_TRY(vg_conv_forward(&s, t, y, x, VG_F32, w, b));
  VG_TRY(vg_conv_backward_data(&s, t, x, y, VG_F32, w, false));
  return vg_conv_backward_weights(&s, t, VG_F32, w, x, y);
}
static vg_status convolve_f32(int turn) { return convolve(turn, VG_F32); }
static vg_status convolve_bf16(int turn) { return convolve(turn, VG_BF16); }

static vg_status multiply(int turn) {
  static uint16_t a[64 * 64], b[64 * 64], c[64 * 64];
  static float bias[64];
  int64_t m = 8 + turn % 40;
  VG_TRY(vg_gemm(VG_BF16, VG_BF16, false, true, m, 16, 24, 0.5f, a, b, 0.25f, c));
  return vg_affine(VG_BF16, VG_BF16, m, 16, 24, a, b, bias, c);
}

static void check(vg_status (*work)(int turn)) {
  int turn = 1, kept;
  if (work(0) != VG_OK) fail_msg("%s", vg_message());
  for (int each = 0; each < 2; each++) {
    how = each ? dnnl_runtime_error : dnnl_out_of_memory;
    vg_status want = each ? VG_EBACKEND : VG_ENOMEM, s = want;
    for (int n = 1; s != VG_OK && n < 500; n++, turn++) {
      size_t before = vg_alloc_get_stats().live_bytes;
      int cached = vg__prim_cache_count(), out = handed_out;
      long long small = vg_alloc_get_stats().live_small;
      countdown = n;
      s = work(turn);
      countdown = 0;
      kept = vg__prim_cache_count() - cached;
      assert_int_equal(before, vg_alloc_get_stats().live_bytes);
      assert_int_equal(small + kept, vg_alloc_get_stats().live_small);
      /* A cached convolution holds one primitive, and one more where it reorders weights. */
      if (handed_out - out < kept || handed_out - out > 2 * kept) fail_msg("call %d: %d objects of oneDNN are left, %d primitives were kept", n,
          handed_out - out, kept);
      if (s == VG_OK) continue;
      assert_int_equal(s, want);
      if (strncmp(vg_message(), "oneDNN: ", 8) != 0) fail_msg("call %d: message '%s'", n, vg_message());
    }
    assert_int_equal(s, VG_OK);
  }
}

static void test_convolution_f32(void **state) { (void)state, check(convolve_f32); }
static void test_convolution_bf16(void **state) { (void)state, check(convolve_bf16); }
static void test_product(void **state) { (void)state, check(multiply); }

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_convolution_f32), cmocka_unit_test(test_convolution_bf16),
      cmocka_unit_test(test_product) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
