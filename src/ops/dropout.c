/* dropout: in training each element is 0 with probability p, else divided by 1 - p. Srivastava et al. 2014.
 * The mask is not stored: it follows from the call's random stream, a chunk from its own counter, and backward draws it again. */
#include "kernels/eltwise.h"
#include "ops/op.h"

enum { VALUES_A_COUNT = 4 };      /* vg_rng_fill_uniform draws four values a counter */
static const vg_arg ARGS[] = { { "p", .required = true, .min = 0, .max = 1 }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  *out = c->in[0]->shape;
  *dtype = c->in[0]->dtype;
  return vg_expect_float(c->in[0], "dropout", 1);
}

static bool is_idle(const vg_call *c) { return !c->train || c->arg[0] == 0; }

static void drop(vg_tensor *y, const vg_tensor *x, const vg_call *c) {
  int64_t total = vg_tensor_count(y);
  float p = (float)c->arg[0], scale = p < 1 ? 1 / (1 - p) : 0;
#pragma omp parallel for schedule(static) if (total > VG_PARALLEL_FROM / 4)
  for (int64_t at = 0; at < total; at += VG_CHUNK) {
    float buf_x[VG_CHUNK], buf_y[VG_CHUNK], draw[VG_CHUNK];
    int64_t n = total - at < VG_CHUNK ? total - at : VG_CHUNK;
    vg_rng rng = c->rng;
    rng.counter += (uint64_t)(at / VALUES_A_COUNT);
    vg_rng_fill_uniform(&rng, draw, (size_t)n, 0, 1);
    const float *from = vg_chunk_read(buf_x, x, at, n);
    float *out = vg_chunk_open(buf_y, y, at);
    for (int64_t i = 0; i < n; i++) out[i] = draw[i] < p ? 0.0f : from[i] * scale;
    vg_chunk_write(y, at, out, n);
  }
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  if (is_idle(c)) return vg_tensor_assign(out, c->in[0]);
  drop(out, c->in[0], c);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  if (!din[0]) return VG_OK;
  if (is_idle(c)) return vg_tensor_assign(din[0], dout);
  drop(din[0], dout, c);
  return VG_OK;
}

const vg_op vg_op_dropout = {
  .name = "dropout", .doc = "x -> x with elements dropped with probability p, in training", .min_in = 1, .max_in = 1, .args = ARGS,
  .flags = VG_OP_RANDOM, .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs, .passes_grad = is_idle,
};
