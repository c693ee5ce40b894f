/* layer_norm: each row of the last axis is normalised. arXiv:1607.06450. gamma and beta belong to the positions in the row. */
#include "base/alloc.h"
#include "kernels/norm.h"
#include "ops/norm_args.h"
#include "ops/same_shape.h"

enum { X, GAMMA, BETA };
enum { EPS };
static const vg_arg ARGS[] = { { .name = "eps", .def = 1e-5, .min = 0, .max = 1 }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_same_shape(out, dtype, c));
  if (out->rank < 1) return vg_fail(VG_ESHAPE, "layer_norm: x needs at least 1 axis");
  VG_TRY(vg_norm_check_vector(c, GAMMA, "gamma", false));
  return vg_norm_check_vector(c, BETA, "beta", false);
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_map m = vg_norm_map(out);
  vg_norm_affine p;
  vg_tensor *stats;
  VG_TRY(vg_tensor_new(&stats, VG_F32, &(vg_shape){ 2, { m.rows, 2 } }));
  vg_status status = vg_norm_affine_get(&p, c, GAMMA, BETA);
  if (status == VG_OK) {
    vg_layer_norm(vg_tensor_data(out), vg_f32(stats), vg_tensor_data(c->in[X]), &m, p.gamma, p.beta, (float)c->arg[EPS]);
    vg_norm_affine_drop(&p);
  }
  if (status == VG_OK && c->wants_backward) c->saved[0] = stats;
  else vg_tensor_release(stats);
  return status;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_map m = vg_norm_map(dout);
  vg_norm_affine p;
  vg_tensor *dx = NULL;
  void *v;
  VG_TRY(vg_norm_affine_get(&p, c, GAMMA, BETA));
  vg_status status = vg_alloc(&v, (size_t)m.channels * 2 * sizeof(float));
  if (status != VG_OK) goto done;
  float *dbeta = v, *dgamma = dbeta + m.channels;
  if (din[X]) status = vg_grad_begin(&dx, din[X], c->in[X]);
  if (status == VG_OK)
    status = vg_layer_norm_grad(dx ? vg_tensor_data(dx) : NULL, dgamma, dbeta, vg_tensor_data(dout), vg_tensor_data(c->in[X]), vg_f32(c->saved[0]), &m,
                                p.gamma);
  if (status == VG_OK && GAMMA < c->n_in && c->in[GAMMA]) vg_norm_store(din[GAMMA], dgamma);
  if (status == VG_OK && BETA < c->n_in && c->in[BETA]) vg_norm_store(din[BETA], dbeta);
  if (dx && status == VG_OK) status = vg_grad_finish(dx, din[X]);
  else if (dx && dx != din[X]) vg_tensor_release(dx);
  vg_free(v);
done:
  vg_norm_affine_drop(&p);
  return status;
}

const vg_op vg_op_layer_norm = {
  .name = "layer_norm", .doc = "x [..., C], gamma? [C], beta? [C] -> like x",
  .min_in = 1, .max_in = 3, .args = ARGS, .keeps_in = 1u << X | 1u << GAMMA | 1u << BETA,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
