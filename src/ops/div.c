/* div: a / b, element by element, with numpy's broadcasting. */
#include "kernels/eltwise.h"
#include "kernels/reduce.h"
#include "ops/op.h"

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) { return vg_binary_shape(out, dtype, c->in[0], c->in[1], "div"); }

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_binary_run(out, c->in[0], c->in[1], VG_DIV);
  return VG_OK;
}

/* With t = dout / b: da = t and db = -t * a / b, each summed over the axes that were broadcast. */
static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_status status;
  vg_tensor *whole;
  VG_TRY(vg_tensor_new(&whole, VG_F32, &dout->shape));
  vg_binary_run(whole, dout, c->in[1], VG_DIV);
  if (din[0]) VG_GOTO(vg_sum_to(din[0], whole));
  if (din[1]) {
    vg_binary_run(whole, whole, c->in[0], VG_MUL);
    vg_binary_run(whole, whole, c->in[1], VG_DIV);
    VG_GOTO(vg_sum_to(din[1], whole));
    vg_unary_run(din[1], din[1], VG_NEG, 0, 0);
  }
  status = VG_OK;
done:
  vg_tensor_release(whole);
  return status;
}

const vg_op vg_op_div = {
  .name = "div", .doc = "a, b -> a / b, with broadcasting", .min_in = 2, .max_in = 2, .keeps_in = 3,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
