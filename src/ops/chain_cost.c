/* chain_cost: the expected cost of a path through blocks that may be skipped. DenseNAS, arXiv:1906.09607, section 3.4.
 * Rows i = 0 .. n are the blocks that a path may be in, n + 1 is the end. From i it goes to k = i + step[i, j] with probability beta[i, j].
 *   C_i = sum_j beta_ij (enter_ij + inside_k + C_k),   C_{n+1} = 0,   y = inside_0 + C_0 + inside_{n+1}, which is paid once
 *   v_0 = 1,  v_k = sum over the edges into k of v_i beta_ij: the probability that a path comes by
 *   dy/dbeta_ij = v_i (enter_ij + inside_k + C_k),   dy/denter_ij = v_i beta_ij,   dy/dinside_k = v_k
 * Sums are taken in double. */
#include "base/alloc.h"
#include "ops/op.h"

enum { BETA, ENTER, INSIDE, STEP };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  static const char *const NAMES[] = { "beta", "enter", "inside", "step" };
  char text[VG_SHAPE_TEXT], want[VG_SHAPE_TEXT];
  const vg_shape *s = &c->in[BETA]->shape;
  for (int i = BETA; i <= STEP; i++) {
    vg_dtype t = i == STEP ? VG_I32 : VG_F32;
    if (c->in[i]->dtype != t) return vg_fail(VG_EARG, "chain_cost: %s must be %s, got %s", NAMES[i], vg_dtype_name(t),
      vg_dtype_name(c->in[i]->dtype));
  }
  if (s->rank != 2) return vg_fail(VG_ESHAPE, "chain_cost: beta must be [blocks, successors], got %s", vg_shape_text(text, s));
  for (int i = ENTER; i <= STEP; i++) {
    vg_shape expected = i == INSIDE ? VG_SHAPE(s->dim[0] + 1) : *s;
    if (!vg_shape_is_equal(&c->in[i]->shape, &expected))
      return vg_fail(VG_ESHAPE, "chain_cost: %s must be %s, got %s", NAMES[i], vg_shape_text(want, &expected), vg_shape_text(text, &c->in[i]->shape));
  }
  *out = (vg_shape){ 0 };
  *dtype = VG_F32;
  return VG_OK;
}

typedef struct chain {
  int64_t rows, width;
  const float *beta, *enter, *inside;
  const int32_t *step;
} chain;

static chain chain_of(const vg_call *c) {
  const vg_shape *s = &c->in[BETA]->shape;
  return (chain){ s->dim[0], s->dim[1], vg_f32(c->in[BETA]), vg_f32(c->in[ENTER]), vg_f32(c->in[INSIDE]), vg_i32(c->in[STEP]) };
}

/* The block that edge j of row i leads to, at most the end; 0: none. */
static int64_t successor(const chain *h, int64_t i, int64_t j) {
  int64_t step = h->step[i * h->width + j];
  return step == 0 ? 0 : i + step > h->rows ? h->rows : i + step;
}

/* What is to come after edge j of row i is taken. */
static double ahead(const chain *h, const double *cost, int64_t i, int64_t j) {
  int64_t k = successor(h, i, j);
  return h->enter[i * h->width + j] + (k < h->rows ? h->inside[k] : 0) + cost[k];
}

/* cost [rows + 1]: C of each block. */
static void find_costs(double *cost, const chain *h) {
  cost[h->rows] = 0;
  for (int64_t i = h->rows - 1; i >= 0; i--) {
    cost[i] = 0;
    for (int64_t j = 0; j < h->width; j++)
      if (successor(h, i, j)) cost[i] += h->beta[i * h->width + j] * ahead(h, cost, i, j);
  }
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  chain h = chain_of(c);
  double *cost;
  for (int64_t e = 0; e < h.rows * h.width; e++)
    if (h.step[e] < 0) return vg_fail(VG_EARG, "chain_cost: step %d at element %lld; a block feeds later ones only", h.step[e], (long long)e + 1);
  VG_TRY(vg_alloc((void **)&cost, (size_t)(h.rows + 1) * sizeof *cost));
  find_costs(cost, &h);
  vg_f32(out)[0] = (float)(h.inside[0] + (h.rows ? cost[0] + h.inside[h.rows] : 0));
  vg_free(cost);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  chain h = chain_of(c);
  double *cost, *visits, g = vg_f32(dout)[0];
  VG_TRY(vg_alloc_zero((void **)&cost, (size_t)(2 * h.rows + 2) * sizeof *cost));
  visits = cost + h.rows + 1;
  find_costs(cost, &h);
  visits[0] = 1;
  for (int64_t i = 0; i < h.rows; i++)
    for (int64_t j = 0; j < h.width; j++) {
      int64_t e = i * h.width + j, k = successor(&h, i, j);
      if (k) visits[k] += visits[i] * h.beta[e];
      if (din[BETA]) vg_f32(din[BETA])[e] = k ? (float)(g * visits[i] * ahead(&h, cost, i, j)) : 0;
      if (din[ENTER]) vg_f32(din[ENTER])[e] = k ? (float)(g * visits[i] * h.beta[e]) : 0;
    }
  visits[h.rows] = 1;
  for (int64_t k = 0; din[INSIDE] && k <= h.rows; k++) vg_f32(din[INSIDE])[k] = (float)(g * visits[k]);
  vg_free(cost);
  return VG_OK;
}

const vg_op vg_op_chain_cost = {
  .name = "chain_cost", .doc = "beta [n,w], enter [n,w], inside [n+1], step i32 [n,w] (0: no edge) -> the expected cost of a path, []",
  .min_in = 4, .max_in = 4, .keeps_in = 15, .no_grad_in = 8, .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
