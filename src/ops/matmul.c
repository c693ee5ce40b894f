/* matmul: a [..., M, K] times b [..., K, N] with the same leading axes, or times one b [K, N] for all. */
#include <string.h>

#include "kernels/gemm.h"
#include "ops/op.h"

typedef struct sizes {
  int64_t batch, m, n, k;     /* one flat product when b has two axes: batch = 1, m counts all rows of a */
} sizes;

static sizes sizes_of(const vg_call *c) {
  const vg_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
  sizes z = { .batch = 1, .m = a->dim[a->rank - 2], .n = b->dim[b->rank - 1], .k = a->dim[a->rank - 1] };
  for (int i = 0; i < a->rank - 2; i++) *(b->rank == 2 ? &z.m : &z.batch) *= a->dim[i];
  return z;
}

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *ta = c->in[0], *tb = c->in[1];
  const vg_shape *a = &ta->shape, *b = &tb->shape;
  char as[VG_SHAPE_TEXT], bs[VG_SHAPE_TEXT];
  vg_shape_text(as, a);
  vg_shape_text(bs, b);
  if (a->rank < 2 || b->rank < 2) return vg_fail(VG_ESHAPE, "matmul: both sides need two axes or more, got %s and %s", as, bs);
  if (b->rank != 2 && (b->rank != a->rank || memcmp(a->dim, b->dim, (size_t)(a->rank - 2) * sizeof a->dim[0]) != 0))
    return vg_fail(VG_ESHAPE, "matmul: the leading axes must be equal or the right side have two axes, got %s and %s", as, bs);
  if (a->dim[a->rank - 1] != b->dim[b->rank - 2])
    return vg_fail(VG_ESHAPE, "matmul: the last axis of the left side must be the last but one of the right, got %s and %s", as, bs);
  if (ta->dtype != tb->dtype || (ta->dtype != VG_F32 && ta->dtype != VG_BF16))
    return vg_fail(VG_EARG, "matmul: both sides must be f32 or both bf16, got %s and %s", vg_dtype_name(ta->dtype), vg_dtype_name(tb->dtype));
  *out = *a;
  out->dim[out->rank - 1] = b->dim[b->rank - 1];
  *dtype = ta->dtype;
  return VG_OK;
}

static void *at(const vg_tensor *t, int64_t element) { return (char *)vg_tensor_data(t) + (size_t)element * vg_dtype_size(t->dtype); }

static vg_status forward(vg_tensor *out, vg_call *c) {
  sizes z = sizes_of(c);
  const vg_tensor *a = c->in[0], *b = c->in[1];
  for (int64_t i = 0; i < z.batch; i++)
    VG_TRY(vg_gemm(a->dtype, out->dtype, false, false, z.m, z.n, z.k, 1, at(a, i * z.m * z.k), at(b, i * z.k * z.n), 0, at(out, i * z.m * z.n)));
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  sizes z = sizes_of(c);
  const vg_tensor *a = c->in[0], *b = c->in[1];
  for (int64_t i = 0; i < z.batch; i++) {
    const void *d = at(dout, i * z.m * z.n);
    if (din[0])
      VG_TRY(vg_gemm(dout->dtype, din[0]->dtype, false, true, z.m, z.k, z.n, 1, d, at(b, i * z.k * z.n), 0, at(din[0], i * z.m * z.k)));
    if (din[1])
      VG_TRY(vg_gemm(dout->dtype, din[1]->dtype, true, false, z.k, z.n, z.m, 1, at(a, i * z.m * z.k), d, 0, at(din[1], i * z.k * z.n)));
  }
  return VG_OK;
}

static int64_t macs(const vg_shape *out, const vg_call *c) { return vg_shape_count(out) * c->in[0]->shape.dim[c->in[0]->shape.rank - 1]; }

const vg_op vg_op_matmul = {
  .name = "matmul", .doc = "a [...,M,K], b [...,K,N] or [K,N] -> [...,M,N]",
  .min_in = 2, .max_in = 2, .keeps_in = 1 | 2, .shape = shape, .forward = forward, .backward = backward, .macs = macs
};
