/* Losses: one number in f32. */
#include "proof.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/ref/norm_ref.h"

static void number(vg_shape *out, const model *m) {
  (void)m;
  *out = (vg_shape){ 0 };
}
static int64_t rows_of(const model *m) { return m->in[0].shape.dim[0]; }
static int64_t classes_of(const model *m) { return m->in[0].shape.dim[1]; }
static double all_terms(const model *m) { return (double)m->in[0].n; }

/* -sum of q log softmax(x) over all rows, divided by their number; q by a rule. */
typedef double (*target)(const model *m, int64_t row, int64_t k);
static double cross(const model *m, target q) {
  int64_t rows = rows_of(m), K = classes_of(m);
  double *log_p = malloc((size_t)(rows * K) * sizeof *log_p), sum = 0;
  vg_ref_softmax(log_p, m->in[0].v, rows, K, 1);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t k = 0; k < K; k++) sum -= q(m, r, k) * log_p[r * K + k];
  free(log_p);
  return sum / (double)rows;
}
static double smoothed(const model *m, int64_t r, int64_t k) {
  double s = named(m, "smoothing");
  return s / (double)classes_of(m) + ((int64_t)m->in[1].v[r] == k ? 1 - s : 0);
}
static double given(const model *m, int64_t r, int64_t k) { return m->in[1].v[r * classes_of(m) + k]; }
static void cross_entropy(double *y, const model *m) { *y = cross(m, smoothed); }
static void soft_cross_entropy(double *y, const model *m) { *y = cross(m, given); }

static const char *const CROSS_ENTROPY_CASES[] = {
  "4,5 4@i5", "4,5 4@i5 smoothing=0.1", "4,5 4@i5 smoothing=1", "1,2 1@i2", "1,1 1@i1", "3,1 3@i1 smoothing=0.5", "7,10@w 7@i10",
  "7,10@w 7@i10 smoothing=0.1", "2,33 2@i33", "5,16 5@i16", "5,17 5@i17 smoothing=0.2", "1,100 1@i100", "64,10 64@i10",
  "3,1000 3@i1000 smoothing=0.1", "2,1030@w 2@i1030", "40,3 40@i3", "17,31 17@i31", "2,2 2@i2 smoothing=0.3", "9,4@w 9@i4 smoothing=0.9",
  "90,100 90@i100", NULL
};
static const refusal CROSS_ENTROPY_REFUSALS[] = {
  { "4 4@i5", VG_ESHAPE, "cross_entropy: input 1 must be [rows, classes], got [4]" },
  { "0,5 0@i5", VG_ESHAPE, "cross_entropy: input 1 must be [rows, classes], got [0, 5]" },
  { "4,0 4@i5", VG_ESHAPE, "cross_entropy: input 1 must be [rows, classes], got [4, 0]" },
  { "4,5@i3 4@i5", VG_EARG, "cross_entropy: input 1 must be f32 or bf16, got i32" },
  { "4,5 4", VG_EARG, "cross_entropy: labels must be i32, got f32" },
  { "4,5 3@i5", VG_ESHAPE, "cross_entropy: expected 4 labels, one a row, got [3]" },
  { "4,5 4,1@i5", VG_ESHAPE, "cross_entropy: expected 4 labels, one a row, got [4, 1]" },
  { "1,1 1@i100", VG_EARG, "cross_entropy: the label of row 1 is 66, expected 0 to 0" }, { 0 }
};

#define TWO(a) a " " a
#define ROWS(a) a " " a "@p"
static const char *const SOFT_CASES[] = {
  ROWS("4,5"), "4,5@w 4,5@p", "4,5 4,5@pf", ROWS("1,2"), ROWS("1,1"), ROWS("3,1"), ROWS("7,10"), ROWS("2,33"), ROWS("5,16"), ROWS("5,17"),
  ROWS("1,100"), ROWS("64,10"), ROWS("3,1000"), "2,1030@w 2,1030@p", ROWS("40,3"), ROWS("17,31"), ROWS("2,2"), "9,4@w 9,4@p", "9,4@w 9,4",
  ROWS("90,100"), NULL
};
static const refusal SOFT_REFUSALS[] = {
  { "4 4", VG_ESHAPE, "soft_cross_entropy: input 1 must be [rows, classes], got [4]" },
  { "4,5@i3 4,5", VG_EARG, "soft_cross_entropy: input 1 must be f32 or bf16, got i32" },
  { "4,5 4,5@i3", VG_EARG, "soft_cross_entropy: input 2 must be f32 or bf16, got i32" },
  { "4,5 4,6", VG_ESHAPE, "soft_cross_entropy: both inputs must have one shape, got [4, 5] and [4, 6]" }, { 0 }
};

static void kl_loss(double *y, const model *m) {
  int64_t rows = rows_of(m), K = classes_of(m), n = rows * K;
  double T = named(m, "temperature"), *p = malloc((size_t)n * 3 * sizeof *p), *q = p + n, *v = q + n;
  for (int64_t i = 0; i < n; i++) v[i] = m->in[0].v[i] / T;
  vg_ref_softmax(p, v, rows, K, 1);
  for (int64_t i = 0; i < n; i++) v[i] = m->in[1].v[i] / T;
  vg_ref_softmax(q, v, rows, K, 1);
  *y = 0;
  for (int64_t i = 0; i < n; i++) *y += exp(q[i]) * (q[i] - p[i]) * T * T / (double)rows;
  free(p);
}
static const char *const KL_CASES[] = {
  TWO("4,5"), "4,5 4,5 temperature=2", "4,5@w 4,5@w temperature=4", "4,5 4,5 temperature=0.5", TWO("1,2"), TWO("3,1"), TWO("7,10"),
  "7,10 7,10 temperature=8", TWO("2,33"), TWO("5,16"), TWO("5,17"), TWO("1,100"), TWO("64,10"), TWO("3,1000"), "2,1030 2,1030 temperature=3",
  TWO("40,3"), TWO("17,31"), TWO("2,2"), "4,5 4,5@f", "90,100 90,100 temperature=2", NULL
};
static const refusal KL_REFUSALS[] = {
  { "4 4", VG_ESHAPE, "kl_loss: input 1 must be [rows, classes], got [4]" },
  { "4,5@i3 4,5", VG_EARG, "kl_loss: input 1 must be f32 or bf16, got i32" },
  { "4,5 4,5@i3", VG_EARG, "kl_loss: input 2 must be f32 or bf16, got i32" },
  { "4,5 5,5", VG_ESHAPE, "kl_loss: both inputs must have one shape, got [4, 5] and [5, 5]" }, { 0 }
};

static void mse_loss(double *y, const model *m) {
  *y = 0;
  for (int64_t i = 0; i < m->in[0].n; i++) *y += (m->in[0].v[i] - m->in[1].v[i]) * (m->in[0].v[i] - m->in[1].v[i]) / (double)m->in[0].n;
}
static void l1_loss(double *y, const model *m) {
  *y = 0;
  for (int64_t i = 0; i < m->in[0].n; i++) *y += fabs(m->in[0].v[i] - m->in[1].v[i]) / (double)m->in[0].n;
}
static const char *const MSE_CASES[] = {
  TWO("7"), TWO("."), TWO("1"), "3,5 3,5", "2,3,4 2,3,4@w", "2,1,3,1 2,1,3,1", TWO("15"), TWO("16"), TWO("17"), TWO("33"), TWO("1023"),
  TWO("1025"), "3,1030 3,1030", "2,3@f 2,3", "2,3 2,3@f", "1,1,1,1,1,2 1,1,1,1,1,2", TWO("2000"), "4,4 4,4 same", "9,9 9,9@+", "70000 70000",
  NULL
};
/* No pair is equal: |a - b| has no derivative at 0. */
static const char *const L1_CASES[] = {
  "7@+ 7@d", "1@+ 1@d", ".@+ .@d", "3,5@+ 3,5@d", "2,3,4@+ 2,3,4@d", "2,1,3,1@+ 2,1,3,1@d", "15@d 15@+", "16@+ 16@d", "17@+ 17@d", "33@d 33@+",
  "2,3@+f 2,3@d", "2,3@+ 2,3@df", "1,1,1,1,1,2@+ 1,1,1,1,1,2@d", "4,50@+ 4,50@d", "9,9@d 9,9@+", "256@+ 256@d", "100@d 100@+", "5,5,5@+ 5,5,5@d",
  "2,2@d 2,2@+", "250@+ 250@d", NULL
};
#define DISTANCE_REFUSALS(name)                                                                                                                   \
  static const refusal REFUSE_##name[] = {                                                                                                        \
    { "3@i4 3", VG_EARG, #name ": input 1 must be f32 or bf16, got i32" }, { "3 3@i4", VG_EARG, #name ": input 2 must be f32 or bf16, got i32" }, \
    { "3 4", VG_ESHAPE, #name ": both inputs must have one shape, got [3] and [4]" }, { "0,3 0,3", VG_ESHAPE, #name ": the inputs are empty" },   \
    { 0 }                                                                                                                                         \
  }
DISTANCE_REFUSALS(mse_loss);
DISTANCE_REFUSALS(l1_loss);

const proof LOSS_PROOFS[] = {
  { .op = "cross_entropy", .cases = CROSS_ENTROPY_CASES, .refusals = CROSS_ENTROPY_REFUSALS, .shape = number, .formula = cross_entropy,
    .terms = all_terms, .dtype = 'f' },
  { .op = "soft_cross_entropy", .cases = SOFT_CASES, .refusals = SOFT_REFUSALS, .shape = number, .formula = soft_cross_entropy,
    .terms = all_terms, .dtype = 'f' },
  { .op = "kl_loss", .cases = KL_CASES, .refusals = KL_REFUSALS, .shape = number, .formula = kl_loss, .terms = all_terms, .dtype = 'f' },
  { .op = "mse_loss", .cases = MSE_CASES, .refusals = REFUSE_mse_loss, .shape = number, .formula = mse_loss, .terms = all_terms, .dtype = 'f' },
  { .op = "l1_loss", .cases = L1_CASES, .refusals = REFUSE_l1_loss, .shape = number, .formula = l1_loss, .terms = all_terms, .dtype = 'f' },
  { 0 }
};
