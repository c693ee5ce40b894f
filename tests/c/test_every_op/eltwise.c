/* Element by element: arithmetic, functions, activations, and what drops elements. */
#include "proof.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sizes around the vector width, the chunk of 1024 numbers and the start of parallel work; size-1 axes; nothing at all. */
#define SHAPES(mark)                                                                                                                          \
  "7" mark, "." mark, "1" mark, "2,3" mark, "2,3,4" mark, "2,1,3,1" mark, "1,1,1,1,1,2" mark, "15" mark, "16" mark, "17" mark, "31" mark,      \
    "33" mark, "3,17,5" mark, "0" mark, "2,0,3" mark, "64,1,1,5" mark, "1023" mark, "1025" mark, "2,1030" mark, "66001" mark
static const char *const ANY[] = { SHAPES(""), NULL }, *const WIDE[] = { SHAPES("@w"), NULL }, *const POSITIVE[] = { SHAPES("@+"), NULL };

static const refusal I32_ABS[] = { { "3@i4", VG_EARG, "abs: input 1 must be f32 or bf16, got i32" }, { 0 } };
static const refusal I32_NEG[] = { { "3@b", VG_EARG, "neg: input 1 must be f32 or bf16, got u8" }, { 0 } };
static const refusal I32_EXP[] = { { "3@i4", VG_EARG, "exp: input 1 must be f32 or bf16, got i32" }, { 0 } };
static const refusal I32_LOG[] = { { "3@i4", VG_EARG, "log: input 1 must be f32 or bf16, got i32" }, { 0 } };
static const refusal I32_SQRT[] = { { "3@i4", VG_EARG, "sqrt: input 1 must be f32 or bf16, got i32" }, { 0 } };
static const refusal I32_SQUARE[] = { { "3@i4", VG_EARG, "square: input 1 must be f32 or bf16, got i32" }, { 0 } };
static const refusal I32_SCALE[] = { { "3@i4 factor=2", VG_EARG, "scale: input 1 must be f32 or bf16, got i32" }, { 0 } };
#define ACT_REFUSAL(name) static const refusal REFUSE_##name[] = { { "3@i4", VG_EARG, #name ": x must be f32 or bf16, got i32" }, { 0 } }
ACT_REFUSAL(relu);
ACT_REFUSAL(relu6);
ACT_REFUSAL(leaky_relu);
ACT_REFUSAL(hswish);
ACT_REFUSAL(hsigmoid);
ACT_REFUSAL(swish);
ACT_REFUSAL(sigmoid);
ACT_REFUSAL(tanh);

static double clip(double x, double low, double high) { return x < low ? low : x > high ? high : x; }
static double f_abs(double x, const model *m) { return (void)m, fabs(x); }
static double f_neg(double x, const model *m) { return (void)m, -x; }
static double f_exp(double x, const model *m) { return (void)m, exp(x); }
static double f_log(double x, const model *m) { return (void)m, log(x); }
static double f_sqrt(double x, const model *m) { return (void)m, sqrt(x); }
static double f_square(double x, const model *m) { return (void)m, x * x; }
static double f_scale(double x, const model *m) { return named(m, "factor") * x + named(m, "bias"); }
static double f_relu(double x, const model *m) { return (void)m, x > 0 ? x : 0; }
static double f_relu6(double x, const model *m) { return (void)m, clip(x, 0, 6); }
static double f_leaky(double x, const model *m) { return x > 0 ? x : named(m, "slope") * x; }
static double f_sigmoid(double x, const model *m) { return (void)m, 1 / (1 + exp(-x)); }
static double f_hsigmoid(double x, const model *m) { return (void)m, clip(x + 3, 0, 6) / 6; }
static double f_swish(double x, const model *m) { return x * f_sigmoid(x, m); }
static double f_hswish(double x, const model *m) { return x * f_hsigmoid(x, m); }
static double f_tanh(double x, const model *m) { return (void)m, tanh(x); }

#define MAP(name)                                                                                        \
  static void map_##name(double *y, const model *m) {                                                    \
    for (int64_t i = 0; i < m->in[0].n; i++) y[i] = f_##name(m->in[0].v[i], m);                          \
  }
MAP(abs) MAP(neg) MAP(exp) MAP(log) MAP(sqrt) MAP(square) MAP(scale) MAP(relu) MAP(relu6) MAP(leaky) MAP(sigmoid) MAP(hsigmoid) MAP(swish)
MAP(hswish) MAP(tanh)

static const char *const SCALE_CASES[] = {
  SHAPES(" factor=2.5 bias=-0.5"), "3,5 factor=1", "3,5 factor=1 bias=2", "3,5 factor=0", "3,5 factor=-1", NULL
};
static const char *const LEAKY_CASES[] = { SHAPES("@w"), "3,5 slope=0", "3,5 slope=1", "3,5@w slope=0.25", NULL };

/* --- two inputs ----------------------------------------------------------------------------------------------------------------------- */

static void broadcast_shape(vg_shape *out, const model *m) {
  const vg_shape *a = &m->in[0].shape, *b = &m->in[1].shape;
  *out = a->rank >= b->rank ? *a : *b;
  for (int i = 1; i <= out->rank; i++) {
    int64_t p = i <= a->rank ? a->dim[a->rank - i] : 1, q = i <= b->rank ? b->dim[b->rank - i] : 1;
    out->dim[out->rank - i] = p == 1 ? q : p;
  }
}

#define PAIR(name, expr)                                                                                                                      \
  static void pair_##name(double *y, const model *m) {                                                                                        \
    for (int64_t i = 0, n = vg_shape_count(&m->out); i < n; i++) {                                                                            \
      double a = m->in[0].v[broadcast_place(&m->in[0].shape, &m->out, i)], b = m->in[1].v[broadcast_place(&m->in[1].shape, &m->out, i)];      \
      y[i] = expr;                                                                                                                            \
    }                                                                                                                                         \
  }
PAIR(add, a + b) PAIR(sub, a - b) PAIR(mul, a * b) PAIR(div, a / b)

/* Equal shapes, every way to broadcast, one tensor twice, mixed types, nothing. b is positive: div divides by it. */
static const char *const PAIRS[] = {
  "2,3,4 2,3,4@+", "7 7@+", ". .@+", "1 1@+", "2,3,3,5 5@+", "2,3,3,5 2,1,1,5@+", "2,3,3,5 1,3,3,1@+", "2,3,3,5 2,3,3,1@+", "1 3,4@+", ". 7@+",
  "7 .@+", "3,1 1,4@+", "1,4 3,1@+", "2,1,3,1 4,1,2@+", "5 2,5@+", "1,1 1@+", "2,3,1 2,3,4@+", "4,1,1,1,1,2 1,3,1,2,1,1@+", "0,3 3@+", "2,0 1@+",
  "2,0,3 2,1,3@+", "1029 1029@+", "2,1029 1029@+", "2,1029 2,1@+", "70,943 943@+", "70,943 70,1@+", "3,4@+ 3,4@+ same", "33@f 33@+f", "3,4 4@+f",
  "4@f 3,4@+", "3,4@f 4@+", NULL
};
#define PAIR_REFUSALS(name)                                                                                  \
  static const refusal REFUSE_##name[] = {                                                                   \
    { "2,3 4", VG_ESHAPE, #name ": shapes [2, 3] and [4] do not broadcast" },                                \
    { "2,3 0,3", VG_ESHAPE, #name ": shapes [2, 3] and [0, 3] do not broadcast" },                           \
    { "3@i4 3", VG_EARG, #name ": input 1 must be f32 or bf16, got i32" },                                   \
    { "3 3@b", VG_EARG, #name ": input 2 must be f32 or bf16, got u8" }, { 0 }                               \
  }
PAIR_REFUSALS(add);
PAIR_REFUSALS(sub);
PAIR_REFUSALS(mul);
PAIR_REFUSALS(div);

/* --- dropped elements: the mask is what the stream of the call draws, whoever asks ------------------------------------------------------- */

static void f_dropout(double *y, const model *m) {
  int64_t n = m->in[0].n;
  double p = named(m, "p");
  float *draw = malloc(((size_t)n + 8) * sizeof *draw);
  vg_rng rng = m->rng;
  vg_rng_fill_uniform(&rng, draw, (size_t)n, 0, 1);
  for (int64_t i = 0; i < n; i++) y[i] = !m->train || p == 0 ? m->in[0].v[i] : draw[i] < (float)p ? 0 : m->in[0].v[i] / (1 - p);
  free(draw);
}
static const char *const DROPOUT_CASES[] = { SHAPES(" p=0.5 train"), "3,5 p=0.25", "3,5 p=0 train", "4,5 p=1 train", "40,50 p=0.1 train", NULL };
static const refusal DROPOUT_REFUSALS[] = { { "3@i4 p=0.5", VG_EARG, "dropout: input 1 must be f32 or bf16, got i32" }, { 0 } };

static void f_drop_path(double *y, const model *m) {
  int64_t samples = m->out.dim[0], size = samples ? m->in[0].n / samples : 0;
  double p = named(m, "p") * (m->n_in > 1 ? m->in[1].v[0] : 1);
  vg_rng rng = m->rng;
  for (int64_t s = 0; s < samples; s++) {
    double factor = !m->train || p == 0 ? 1 : vg_rng_uniform(&rng) < p ? 0 : 1 / (1 - p);
    for (int64_t i = s * size; i < (s + 1) * size; i++) y[i] = factor == 0 ? 0 : m->in[0].v[i] * factor;
  }
}
static const char *const DROP_PATH_CASES[] = {
  "7 p=0.5 train", "8,3 p=0.5 train", "5,2,2,3 p=0.25 train", "1,4 p=0.5 train", "0,4 p=0.5 train", "4,0 p=0.5 train", "6,33 p=0.75 train",
  "9,1,1,1 p=0.1 train", "3,5 p=0.5", "3,5 p=0 train", "4,5 p=1 train", "64,1030 p=0.5 train", "2,1025 p=0.5 train", "16,5 p=0.5 train",
  "17,3,3,3 p=0.5 train", "8,3 1@f+ p=0.25 train", "40,2 1@f+ p=0.375 train", "5,2 1@f+ p=0.25", "6,3 1@f+ p=0 train", "33 p=0.9 train", "1 p=0.5 train", "2,1,2,1,2,3 p=0.5 train", "12,31 p=0.25 train", "5,0,2 p=0.5", NULL
};
static const refusal DROP_PATH_REFUSALS[] = { { "3@i4 p=0.5", VG_EARG, "drop_path: input 1 must be f32 or bf16, got i32" },
                                              { ". p=0.5", VG_ESHAPE, "drop_path: the input has no batch axis" },
                                              { "3 2 p=0.5", VG_ESHAPE, "drop_path: input 2, the share of p, must be one number of f32" }, { 0 } };

const proof ELTWISE_PROOFS[] = {
  { .op = "abs", .cases = ANY, .refusals = I32_ABS, .formula = map_abs, .moves = true },
  { .op = "neg", .cases = ANY, .refusals = I32_NEG, .formula = map_neg, .moves = true },
  { .op = "exp", .cases = ANY, .refusals = I32_EXP, .formula = map_exp },
  { .op = "log", .cases = POSITIVE, .refusals = I32_LOG, .formula = map_log },
  { .op = "sqrt", .cases = POSITIVE, .refusals = I32_SQRT, .formula = map_sqrt },
  { .op = "square", .cases = ANY, .refusals = I32_SQUARE, .formula = map_square },
  { .op = "scale", .cases = SCALE_CASES, .refusals = I32_SCALE, .formula = map_scale },
  { .op = "relu", .cases = WIDE, .refusals = REFUSE_relu, .formula = map_relu, .moves = true },
  { .op = "relu6", .cases = WIDE, .refusals = REFUSE_relu6, .formula = map_relu6, .moves = true },
  { .op = "leaky_relu", .cases = LEAKY_CASES, .refusals = REFUSE_leaky_relu, .formula = map_leaky },
  { .op = "hswish", .cases = WIDE, .refusals = REFUSE_hswish, .formula = map_hswish },
  { .op = "hsigmoid", .cases = WIDE, .refusals = REFUSE_hsigmoid, .formula = map_hsigmoid },
  { .op = "swish", .cases = WIDE, .refusals = REFUSE_swish, .formula = map_swish },
  { .op = "sigmoid", .cases = WIDE, .refusals = REFUSE_sigmoid, .formula = map_sigmoid, .slack = 0.01 },
  { .op = "tanh", .cases = WIDE, .refusals = REFUSE_tanh, .formula = map_tanh, .slack = 0.01 },
  { .op = "add", .cases = PAIRS, .refusals = REFUSE_add, .shape = broadcast_shape, .formula = pair_add, .dtype = 'b' },
  { .op = "sub", .cases = PAIRS, .refusals = REFUSE_sub, .shape = broadcast_shape, .formula = pair_sub, .dtype = 'b' },
  { .op = "mul", .cases = PAIRS, .refusals = REFUSE_mul, .shape = broadcast_shape, .formula = pair_mul, .dtype = 'b' },
  { .op = "div", .cases = PAIRS, .refusals = REFUSE_div, .shape = broadcast_shape, .formula = pair_div, .dtype = 'b' },
  { .op = "dropout", .cases = DROPOUT_CASES, .refusals = DROPOUT_REFUSALS, .formula = f_dropout },
  { .op = "drop_path", .cases = DROP_PATH_CASES, .refusals = DROP_PATH_REFUSALS, .formula = f_drop_path },
  { 0 }
};
