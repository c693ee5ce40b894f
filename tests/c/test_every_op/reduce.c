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

const proof REDUCE_PROOFS[] = {
  { .op = "sum", .cases = SUM_CASES, .refusals = SUM_REFUSALS, .shape = reduced_shape, .formula = sum, .terms = line_length },
  { .op = "mean", .cases = MEAN_CASES, .refusals = MEAN_REFUSALS, .shape = reduced_shape, .formula = mean, .terms = line_length },
  { .op = "max", .cases = MAX_CASES, .refusals = MAX_REFUSALS, .shape = reduced_shape, .formula = max, .moves = true },
  { .op = "argmax", .cases = ARGMAX_CASES, .refusals = ARGMAX_REFUSALS, .shape = reduced_shape, .formula = argmax, .dtype = 'i' },
  { 0 }
};
