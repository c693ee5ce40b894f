/* global_avg_pool: the mean over all pixels. Lin, Chen & Yan 2014, arXiv:1312.4400. */
#include "ops/pool_shape.h"

static vg_status forward(vg_tensor *out, vg_call *c) {
  const int64_t *d = c->in[0]->shape.dim;
  VG_DISPATCH(global_avg_pool)(out->dtype, vg_tensor_data(out), vg_tensor_data(c->in[0]), d[0], d[1] * d[2], d[3]);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  const int64_t *d = c->in[0]->shape.dim;
  VG_DISPATCH(global_avg_pool_backward)(din[0]->dtype, vg_tensor_data(din[0]), dout->dtype, vg_tensor_data(dout), d[0], d[1] * d[2], d[3]);
  return VG_OK;
}

const vg_op vg_op_global_avg_pool = { .name = "global_avg_pool", .doc = "x [N,H,W,C] -> [N,C]", .min_in = 1, .max_in = 1,
                                      .shape = vg_pool_global_shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs };
