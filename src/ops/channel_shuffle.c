/* channel_shuffle: the channels, seen as [groups, C/groups], transposed. Zhang et al. 2017, arXiv:1707.01083. */
#include "kernels/layout.h"
#include "ops/op.h"

static const vg_arg ARGS[] = { { "groups", .required = true, .min = 1, .integer = true }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0];
  if (x->shape.rank < 1) return vg_fail(VG_ESHAPE, "channel_shuffle: the input has no axes");
  int64_t channels = x->shape.dim[x->shape.rank - 1];
  if (channels % (int64_t)c->arg[0] != 0)
    return vg_fail(VG_ESHAPE, "channel_shuffle: %lld channels cannot be parted into %g groups", (long long)channels, c->arg[0]);
  *out = x->shape;
  *dtype = x->dtype;
  return VG_OK;
}

static void shuffle(vg_tensor *y, const vg_tensor *x, int64_t groups) {
  int64_t channels = x->shape.dim[x->shape.rank - 1];
  if (channels == 0) return;
  int64_t dims[5] = { vg_tensor_count(x) / channels, groups, 1, channels / groups, 1 };
  vg_swap_axes(vg_tensor_data(y), vg_tensor_data(x), dims, vg_dtype_size(x->dtype));
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  shuffle(out, c->in[0], (int64_t)c->arg[0]);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_tensor *g;
  if (!din[0]) return VG_OK;
  VG_TRY(vg_as_dtype(&g, dout, din[0]->dtype));
  shuffle(din[0], g, dout->shape.dim[dout->shape.rank - 1] / (int64_t)c->arg[0]);
  vg_tensor_release(g);
  return VG_OK;
}

const vg_op vg_op_channel_shuffle = {
  .name = "channel_shuffle", .doc = "x [...,C] -> channels interleaved over `groups`", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
