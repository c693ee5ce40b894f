/* pixel_shuffle: blocks of factor*factor channels become pixels. Shi et al. 2016, arXiv:1609.05158. */
#include "kernels/layout.h"
#include "ops/op.h"

static const vg_arg ARGS[] = { { "factor", .required = true, .min = 1, .max = 64, .integer = true }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  int64_t r = (int64_t)c->arg[0];
  VG_TRY(vg_expect_nhwc(c->in[0], "pixel_shuffle"));
  vg_shape s = c->in[0]->shape;
  if (s.dim[3] % (r * r) != 0)
    return vg_fail(VG_ESHAPE, "pixel_shuffle: %lld channels are no multiple of %lld", (long long)s.dim[3], (long long)(r * r));
  *out = VG_SHAPE(s.dim[0], s.dim[1] * r, s.dim[2] * r, s.dim[3] / (r * r));
  *dtype = c->in[0]->dtype;
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_tensor *x = c->in[0];
  vg_pixel_shuffle_run(vg_tensor_data(out), vg_tensor_data(x), &x->shape, (int64_t)c->arg[0], vg_dtype_size(x->dtype), false);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_tensor *g;
  if (!din[0]) return VG_OK;
  VG_TRY(vg_as_dtype(&g, dout, din[0]->dtype));
  vg_pixel_shuffle_run(vg_tensor_data(g), vg_tensor_data(din[0]), &din[0]->shape, (int64_t)c->arg[0], vg_dtype_size(g->dtype), true);
  vg_tensor_release(g);
  return VG_OK;
}

const vg_op vg_op_pixel_shuffle = {
  .name = "pixel_shuffle", .doc = "x [N,H,W,C*r*r] -> [N,H*r,W*r,C], channel c*r*r + i*r + j at row i, column j of a block", .min_in = 1, .max_in = 1,
  .args = ARGS, .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
