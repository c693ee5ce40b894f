/* add: a + b with numpy's broadcasting. */
#include "kernels/eltwise.h"
#include "kernels/reduce.h"
#include "ops/op.h"

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) { return vg_binary_shape(out, dtype, c->in[0], c->in[1], "add"); }

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_binary_run(out, c->in[0], c->in[1], VG_ADD);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  (void)c;
  for (int i = 0; i < 2; i++)
    if (din[i]) VG_TRY(vg_sum_to(din[i], dout));
  return VG_OK;
}

static bool passes_grad(const vg_call *c) { return vg_shape_is_equal(&c->in[0]->shape, &c->in[1]->shape); }

const vg_op vg_op_add = {
  .name = "add", .doc = "a, b -> a + b, with broadcasting", .min_in = 2, .max_in = 2,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs, .passes_grad = passes_grad,
};
