/* Sums, means and largest values along an axis or over everything. Axes count from 0 here; -1: all of it. */
#include "proof.h"

#include <math.h>

static void reduced_shape(vg_shape *out, const model *m) {
  const vg_shape *s = &m->in[0].shape;
  int axis = (int)named(m, "axis");
  *out = (vg_shape){ 0 };
  for (int i = 0; i < s->rank; i++) {
    if (axis >= 0 && i != axis) out->dim[out->rank++] = s->dim[i];
    else if (named(m, "keep") != 0) out->dim[out->rank++] = 1;
  }
}

static double sum_line(const double *x, const extents *e) {
  double sum = 0;
  for (int64_t l = 0; l < e->length; l++) sum += x[l * e->inner];
  return sum;
}
static int64_t top_of_line(const double *x, const extents *e) {
  int64_t top = 0;
  for (int64_t l = 1; l < e->length; l++)
    if (x[l * e->inner] > x[top * e->inner]) top = l;
  return top;
}

#define LINES(name, expr)                                                             \
  static void name(double *y, const model *m) {                                       \
    extents e = extents_at(&m->in[0].shape, (int)named(m, "axis"));                   \
    for (int64_t o = 0; o < e.outer; o++)                                             \
      for (int64_t i = 0; i < e.inner; i++) {                                         \
        const double *x = m->in[0].v + o * e.length * e.inner + i;                    \
        y[o * e.inner + i] = expr;                                                    \
      }                                                                               \
  }
LINES(sum, sum_line(x, &e))
LINES(mean, sum_line(x, &e) / (double)e.length)
LINES(max, x[top_of_line(x, &e) * e.inner])
LINES(argmax, (double)top_of_line(x, &e))

static double line_length(const model *m) { return (double)extents_at(&m->in[0].shape, (int)named(m, "axis")).length; }

#define AXES(mark)                                                                                                                    \
  "7" mark, "." mark, "1" mark, "3,5" mark " axis=0", "3,5" mark " axis=1", "3,5" mark " axis=1 keep=1", "3,5" mark " keep=1",        \
  "2,3,4" mark " axis=0",                                                                                                             \
    "2,3,4" mark " axis=1", "2,3,4" mark " axis=2", "2,3,4" mark " axis=1 keep=1", "1,1" mark " axis=0", "4,1,3" mark " axis=1",      \
    "1,5" mark " axis=0",                                                                                                             \
    "2,3,2,3" mark " axis=2", "2,2,2,2,2,3" mark " axis=3 keep=1", "33" mark " axis=0", "3,17" mark " axis=0", "3,17" mark " axis=1", \
    "0,3" mark " axis=1",                                                                                                             \
    "3,0" mark " axis=0"
static const char *const SUM_CASES[] = {
  AXES(""), "0", "3,0 axis=1", "0,3 axis=0", "0,3 axis=0 keep=1", "40000,3", "40000,3 axis=0", "17,1100 axis=1", "3,20000 axis=0",
  "2,70,1030 axis=1", NULL
};
static const char *const MEAN_CASES[] = { AXES(""), "40000,3", "40000,3 axis=0", "17,1100 axis=1", "2,70,1030 axis=1", NULL };
static const char *const MAX_CASES[] = { AXES("@d"), "4,8,8@d axis=0", "4,8,8@d axis=1", "256@d", NULL };
/* Equal elements: the first counts. */
static const char *const ARGMAX_CASES[] = { AXES("@d"), "40@+", "300,3 axis=0", "7,1100 axis=1", "3,30000 axis=0", NULL };

static const refusal SUM_REFUSALS[] = { { "3@i4", VG_EARG, "sum: input 1 must be f32 or bf16, got i32" },
                                        { "2,3 axis=2", VG_EARG, "sum: axis 2 does not exist in a tensor of 2 axes" }, { 0 } };
static const refusal MEAN_REFUSALS[] = {
  { "3@i4", VG_EARG, "mean: input 1 must be f32 or bf16, got i32" },
  { "2,3 axis=2", VG_EARG, "mean: axis 2 does not exist in a tensor of 2 axes" },
  { "2,0 axis=1", VG_ESHAPE, "mean: nothing to take the mean of" }, { "0", VG_ESHAPE, "mean: nothing to take the mean of" }, { 0 }
};
static const refusal MAX_REFUSALS[] = {
  { "3@i4", VG_EARG, "max: input 1 must be f32 or bf16, got i32" },
  { "2,3 axis=2", VG_EARG, "max: axis 2 does not exist in a tensor of 2 axes" },
  { "2,0 axis=1", VG_ESHAPE, "max: nothing to take the largest of" }, { "0", VG_ESHAPE, "max: nothing to take the largest of" }, { 0 }
};
static const refusal ARGMAX_REFUSALS[] = { { "3@i4", VG_EARG, "argmax: input 1 must be f32 or bf16, got i32" },
                                           { "2,3 axis=2", VG_EARG, "argmax: axis 2 does not exist in a tensor of 2 axes" },
                                           { "2,0 axis=1", VG_ESHAPE, "argmax: cannot number 0 elements" }, { 0 } };

/* --- chain_cost: the sum over all paths of their probability times their cost, path by path --------------------------------------------- */

static double walk_paths(const model *m, int64_t i, double p, double cost) {
  int64_t rows = m->in[0].shape.dim[0], width = m->in[0].shape.dim[1];
  if (i == rows) return p * cost;
  double sum = 0, left = p;
  for (int64_t j = 0; j < width; j++) {
    int64_t e = i * width + j, step = (int64_t)m->in[3].v[e], k = i + step < rows ? i + step : rows;
    if (!step) continue;
    sum += walk_paths(m, k, p * m->in[0].v[e], cost + m->in[1].v[e] + (k < rows ? m->in[2].v[k] : 0));
    left -= p * m->in[0].v[e];
  }
  return sum + left * cost;      /* probabilities that do not add up to 1: what is left stays here, and has paid so far */
}
static void chain_cost(double *y, const model *m) {
  int64_t rows = m->in[0].shape.dim[0];
  *y = m->in[2].v[0];
  if (rows) *y += walk_paths(m, 0, 1, 0) + m->in[2].v[rows];
}
static void no_axes(vg_shape *out, const model *m) {
  (void)m;
  *out = (vg_shape){ 0 };
}
static double paths(const model *m) { return 40.0 * (double)(m->in[0].n + 1); }
#define CHAIN(n, n1, w, below) n "," w "@f " n "," w "@f " n1 "@f " n "," w "@i" below
static const char *const CHAIN_COST_CASES[] = {
  CHAIN("1", "2", "1", "2"), CHAIN("1", "2", "3", "3"), CHAIN("2", "3", "1", "2"), CHAIN("2", "3", "2", "3"), CHAIN("3", "4", "1", "4"),
  CHAIN("3", "4", "2", "2"), CHAIN("3", "4", "3", "5"), CHAIN("4", "5", "1", "2"), CHAIN("4", "5", "2", "4"), CHAIN("4", "5", "4", "5"),
  CHAIN("5", "6", "2", "3"), CHAIN("5", "6", "3", "4"), CHAIN("5", "6", "1", "9"), CHAIN("6", "7", "2", "4"), CHAIN("6", "7", "3", "5"),
  CHAIN("7", "8", "2", "3"), CHAIN("7", "8", "1", "2"), CHAIN("8", "9", "2", "5"), CHAIN("0", "1", "2", "2"), CHAIN("2", "3", "0", "2"),
  CHAIN("3", "4", "4", "1"), NULL
};
static const refusal CHAIN_COST_REFUSALS[] = {
  { "2@f 2,1@f 3@f 2,1@i2", VG_ESHAPE, "chain_cost: beta must be [blocks, successors], got [2]" },
  { "2,1@f 2,2@f 3@f 2,1@i2", VG_ESHAPE, "chain_cost: enter must be [2, 1], got [2, 2]" },
  { "2,1@f 2,1@f 2@f 2,1@i2", VG_ESHAPE, "chain_cost: inside must be [3], got [2]" },
  { "2,1@h 2,1@f 3@f 2,1@i2", VG_EARG, "chain_cost: beta must be f32, got bf16" },
  { "2,1@f 2,1@f 3@f 2,1@f", VG_EARG, "chain_cost: step must be i32, got f32" }, { 0 }
};

const proof REDUCE_PROOFS[] = {
  { .op = "sum", .cases = SUM_CASES, .refusals = SUM_REFUSALS, .shape = reduced_shape, .formula = sum, .terms = line_length },
  { .op = "mean", .cases = MEAN_CASES, .refusals = MEAN_REFUSALS, .shape = reduced_shape, .formula = mean, .terms = line_length },
  { .op = "max", .cases = MAX_CASES, .refusals = MAX_REFUSALS, .shape = reduced_shape, .formula = max, .moves = true },
  { .op = "argmax", .cases = ARGMAX_CASES, .refusals = ARGMAX_REFUSALS, .shape = reduced_shape, .formula = argmax, .dtype = 'i' },
  { .op = "chain_cost", .cases = CHAIN_COST_CASES, .refusals = CHAIN_COST_REFUSALS, .shape = no_axes, .formula = chain_cost, .terms = paths,
    .dtype = 'f' },
  { 0 }
};
