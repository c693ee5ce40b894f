/* Signed central differences: a wrong sign or a factor shows, which a comparison of absolute values would let pass. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "tape/tape.h"

/* sum(out * weights) in double, with the operator's own forward. */
static vg_status probe(double *out, const vg_call *call, const vg_tensor *weights) {
  vg_call c = *call;
  vg_tensor *y = NULL;
  c.wants_backward = false;
  VG_TRY(vg_op_run(&y, &c));
  double sum = 0;
  for (int64_t i = 0, n = vg_tensor_count(y); i < n; i++) sum += vg_tensor_get(y, i) * vg_tensor_get(weights, i);
  vg_tensor_release(y);
  vg_call_clear(&c);
  *out = sum;
  return VG_OK;
}

/* The analytic gradients of all inputs, through a tape. */
static vg_status analytic(vg_tensor **grads, const vg_call *call, const vg_tensor *weights) {
  vg_status status;
  vg_call c = *call;
  vg_tape *tape = NULL;
  vg_tensor *y = NULL, *leaf[VG_MAX_IN] = { NULL };
  VG_TRY(vg_tape_new(&tape));
  for (int i = 0; i < c.n_in; i++) {
    if (!c.in[i] || c.in[i]->dtype != VG_F32) continue;
    VG_GOTO(vg_tensor_view(&leaf[i], c.in[i], 0, &c.in[i]->shape));
    leaf[i]->wants_grad = true;
    c.in[i] = leaf[i];
  }
  VG_GOTO(vg_tape_apply(&y, tape, &c));
  VG_GOTO(vg_tape_backward(tape, &y, 1, &(vg_backward_opts){ .seeds = (vg_tensor *[]){ (vg_tensor *)weights } }));
  for (int i = 0; i < c.n_in; i++) grads[i] = leaf[i] ? vg_tensor_retain(leaf[i]->grad) : NULL;
done:
  vg_tensor_release(y);
  for (int i = 0; i < VG_MAX_IN; i++) vg_tensor_release(leaf[i]);
  vg_tape_free(tape);
  return status;
}

static vg_status check_input(double *worst, const vg_call *c, int input, const vg_tensor *grad, const vg_tensor *weights, const vg_gradcheck_opts *o) {
  vg_tensor *x = c->in[input];
  for (int64_t i = 0, n = vg_tensor_count(x); i < n; i++) {
    double keep = vg_tensor_get(x, i), up, down;
    vg_tensor_set(x, i, keep + o->step);
    double high = vg_tensor_get(x, i);
    vg_status s = probe(&up, c, weights);
    vg_tensor_set(x, i, keep - o->step);
    double low = vg_tensor_get(x, i);
    if (s == VG_OK) s = probe(&down, c, weights);
    vg_tensor_set(x, i, keep);
    VG_TRY(s);
    double numeric = (up - down) / (high - low), got = vg_tensor_get(grad, i);
    double error = fabs(got - numeric) / (o->atol + o->rtol * fabs(numeric));
    if (!(error <= 1)) return vg_fail(VG_EARG, "%s: gradient of input %d at element %lld is %.6g, differences say %.6g", c->op->name, input + 1, (long long)i + 1, got, numeric);
    if (error > *worst) *worst = error;
  }
  return VG_OK;
}

vg_status vg_gradcheck(double *worst, const vg_call *call, const vg_gradcheck_opts *opts) {
  vg_status status;
  vg_gradcheck_opts o = opts ? *opts : (vg_gradcheck_opts){ 0 };
  vg_call c = *call;
  vg_tensor *grads[VG_MAX_IN] = { NULL }, *again[VG_MAX_IN] = { NULL }, *weights = NULL;
  vg_shape shape;
  vg_dtype dtype;
  double found = 0;
  if (o.step == 0) o.step = 5e-3;
  if (o.atol == 0) o.atol = 1e-3;
  if (o.rtol == 0) o.rtol = 2e-2;
  VG_TRY(vg_op_check(&c));
  VG_TRY(c.op->shape(&shape, &dtype, &c));
  VG_TRY(vg_tensor_new(&weights, VG_F32, &shape));
  vg_rng rng = vg_rng_at(o.seed ? o.seed : 1, 0);
  vg_rng_fill_normal(&rng, vg_f32(weights), (size_t)vg_tensor_count(weights), 0, 1);
  VG_GOTO(analytic(grads, &c, weights));
  VG_GOTO(analytic(again, &c, weights));
  for (int i = 0; i < c.n_in; i++) {
    if (!grads[i] || (c.op->no_grad_in >> i & 1)) continue;
    if (memcmp(vg_f32(grads[i]), vg_f32(again[i]), vg_tensor_bytes(grads[i])) != 0) {
      status = vg_fail(VG_EARG, "%s: two backward runs give different gradients of input %d", c.op->name, i + 1);
      goto done;
    }
    VG_GOTO(check_input(&found, &c, i, grads[i], weights, &o));
  }
  *worst = found;
done:
  for (int i = 0; i < VG_MAX_IN; i++) {
    vg_tensor_release(grads[i]);
    vg_tensor_release(again[i]);
  }
  vg_tensor_release(weights);
  return status;
}
