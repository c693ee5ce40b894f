/* global_max_pool: the largest value over all pixels; its gradient goes to the first of equal ones. */
#include "ops/pool_shape.h"

static vg_status forward(vg_tensor *out, vg_call *c) {
  const int64_t *d = c->in[0]->shape.dim;
  if (c->wants_backward) VG_TRY(vg_tensor_new(&c->saved[0], VG_I32, &out->shape));
  VG_DISPATCH(global_max_pool)(out->dtype, vg_tensor_data(out), c->saved[0] ? vg_i32(c->saved[0]) : NULL, vg_tensor_data(c->in[0]), d[0],
                               d[1] * d[2], d[3]);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  const int64_t *d = c->in[0]->shape.dim;
  VG_DISPATCH(global_max_pool_backward)(din[0]->dtype, vg_tensor_data(din[0]), dout->dtype, vg_tensor_data(dout), vg_i32(c->saved[0]), d[0],
                                        d[1] * d[2], d[3]);
  return VG_OK;
}

const vg_op vg_op_global_max_pool = { .name = "global_max_pool", .doc = "x [N,H,W,C] -> [N,C]", .min_in = 1, .max_in = 1,
                                      .shape = vg_pool_global_shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs };
