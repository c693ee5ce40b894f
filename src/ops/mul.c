/* mul: a * b, element by element, with numpy's broadcasting. */
#include "kernels/eltwise.h"
#include "kernels/reduce.h"
#include "ops/op.h"

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) { return vg_binary_shape(out, dtype, c->in[0], c->in[1], "mul"); }

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_binary_run(out, c->in[0], c->in[1], VG_MUL);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  for (int i = 0; i < 2; i++) {
    vg_tensor *whole;
    if (!din[i]) continue;
    if (vg_shape_is_equal(&din[i]->shape, &dout->shape)) {
      vg_binary_run(din[i], dout, c->in[1 - i], VG_MUL);
      continue;
    }
    VG_TRY(vg_tensor_new(&whole, VG_F32, &dout->shape));
    vg_binary_run(whole, dout, c->in[1 - i], VG_MUL);
    vg_status s = vg_sum_to(din[i], whole);
    vg_tensor_release(whole);
    VG_TRY(s);
  }
  return VG_OK;
}

const vg_op vg_op_mul = {
  .name = "mul", .doc = "a, b -> a * b, with broadcasting", .min_in = 2, .max_in = 2, .keeps_in = 3,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
