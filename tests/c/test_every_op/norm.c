/* Normalisations and softmax. */
#include "proof.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ref/norm_ref.h"

static const double *optional(const model *m, int i) { return i < m->n_in ? m->in[i].v : NULL; }

/* y = act((x - mean) / sqrt(var + eps) * gamma + beta), with mean and biased variance over the elements of one set. */
typedef int64_t (*set_rule)(const model *m, int64_t i);
static void normalise(double *y, const model *m, set_rule set, int64_t sets, const double *fixed_mean, const double *fixed_var, int gamma, int act) {
  int64_t n = m->in[0].n, channels = m->out.dim[m->out.rank - 1];
  double *mean = calloc((size_t)sets * 2 + 1, sizeof *mean), *var = mean + sets;
  double size = sets ? (double)(n / sets) : 0;
  for (int64_t i = 0; i < n && !fixed_mean; i++) mean[set(m, i)] += m->in[0].v[i] / size;
  for (int64_t i = 0; i < n && !fixed_mean; i++) {
    double d = m->in[0].v[i] - mean[set(m, i)];
    var[set(m, i)] += d * d / size;
  }
  for (int64_t i = 0; i < n; i++) {
    double mu = fixed_mean ? fixed_mean[i % channels] : mean[set(m, i)], v = fixed_var ? fixed_var[i % channels] : var[set(m, i)];
    double z = (m->in[0].v[i] - mu) / sqrt(v + named(m, "eps"));
    if (optional(m, gamma)) z *= optional(m, gamma)[i % channels];
    if (optional(m, gamma + 1)) z += optional(m, gamma + 1)[i % channels];
    y[i] = vg_ref_act(z, (vg_act)act);
  }
  free(mean);
}

static int64_t channel(const model *m, int64_t i) { return i % m->out.dim[m->out.rank - 1]; }
static void batch_norm(double *y, const model *m) {
  bool batch = m->train && named(m, "frozen") == 0;
  normalise(y, m, channel, m->out.dim[m->out.rank - 1], batch ? NULL : m->in[1].v, batch ? NULL : m->in[2].v, 3, (int)named(m, "act"));
}
static int64_t group(const model *m, int64_t i) {
  int64_t channels = m->out.dim[m->out.rank - 1], groups = (int64_t)named(m, "groups"), sample = m->in[0].n / m->out.dim[0];
  return i / sample * groups + i % channels / (channels / groups);
}
static void group_norm(double *y, const model *m) { normalise(y, m, group, m->out.dim[0] * (int64_t)named(m, "groups"), NULL, NULL, 1, VG_ACT_NONE); }
static int64_t row(const model *m, int64_t i) { return i / m->out.dim[m->out.rank - 1]; }
static void layer_norm(double *y, const model *m) {
  int64_t channels = m->out.dim[m->out.rank - 1];
  normalise(y, m, row, channels ? m->in[0].n / channels : 0, NULL, NULL, 1, VG_ACT_NONE);
}
static double all_of_it(const model *m) { return (double)m->in[0].n + 1; }

#define STATS(c) #c "@f " #c "@f+"
#define AFFINE(c) STATS(c) " " #c "@f+ " #c "@f"
static const char *const BATCH_NORM_CASES[] = {
  "4,3 " AFFINE(3) " train", "4,3 " STATS(3) " train", "2,1 " AFFINE(1) " train", "5,3 " STATS(3) " 3@f train", "5,3 " STATS(3) " - 3@f train",
  "5,3 " STATS(3) " 3@+ 3 train", "3,2,2,5 " AFFINE(5) " train act=swish", "3,2,2,5 " AFFINE(5) " train act=sigmoid",
  "3,2,2,5 " AFFINE(5) " train act=tanh", "3,2,2,5 " AFFINE(5) " train act=relu", "3,2,2,5 " AFFINE(5) " train act=relu6",
  "3,2,2,5 " AFFINE(5) " train act=hswish", "3,2,2,5 " AFFINE(5) " train act=hsigmoid", "3,2,2,5 " AFFINE(5) " train act=leaky",
  "3,2,2,5 " AFFINE(5) " train frozen=1", "3,2,2,5 " AFFINE(5) " train frozen=1 act=relu", "3,2,2,5 " AFFINE(5),
  "3,2,2,5 " STATS(5) " act=hswish", "1,4 " AFFINE(4), "2,3,17 " AFFINE(17) " train", "2,4,4,16 " AFFINE(16) " train",
  "2,4,4,33 " AFFINE(33) " train", "7,130 " AFFINE(130) " train", "2,5,5,3 " AFFINE(3) " train eps=0.1",
  "2,5,5,3 " AFFINE(3) " train momentum=0.5", "0,4 " AFFINE(4), "4,0 " AFFINE(0), "2,0,4 " STATS(4) " frozen=1 train",
  "2,1,1,1,1,4 " AFFINE(4) " train", NULL
};
static const refusal BATCH_NORM_REFUSALS[] = {
  { "4 " STATS(4) " train", VG_ESHAPE, "batch_norm: x needs at least 2 axes, got 1" },
  { "2,4@i3 " STATS(4), VG_EARG, "batch_norm: x must be f32 or bf16, got i32" },
  { "1,4 " STATS(4) " train", VG_ESHAPE, "batch_norm: training needs at least 2 values per channel, got 1" },
  { "0,4 " STATS(4) " train", VG_ESHAPE, "batch_norm: training needs at least 2 values per channel, got 0" },
  { "2,4 5@f 4@f", VG_ESHAPE, "batch_norm: running_mean must be [4] as the channels of x, got [5]" },
  { "2,4 4@f 4,1@f", VG_ESHAPE, "batch_norm: running_var must be [4] as the channels of x, got [4, 1]" },
  { "2,4 " STATS(4) " 3@f", VG_ESHAPE, "batch_norm: gamma must be [4] as the channels of x, got [3]" },
  { "2,4 " STATS(4) " - 5", VG_ESHAPE, "batch_norm: beta must be [4] as the channels of x, got [5]" },
  { "2,4 4@h 4@f", VG_EARG, "batch_norm: running_mean must be f32, got bf16" },
  { "2,4 4@f 4@i3", VG_EARG, "batch_norm: running_var must be f32, got i32" },
  { "2,4 " STATS(4) " 4@i3", VG_EARG, "batch_norm: gamma must be f32, got i32" }, { 0 }
};

/* sum_k w[row, k] * x_k, where the inputs after w come in threes: x, mean, var. */
static void mix(double *y, const model *m) {
  int terms = (m->n_in - 1) / 3;
  int64_t n = 0, channels = m->out.dim[m->out.rank - 1];
  for (int k = 0; k < terms; k++)
    if (m->in[1 + 3 * k].v) n = m->in[1 + 3 * k].n;
  double *z = calloc((size_t)n + 1, sizeof *z);
  for (int64_t i = 0; i < n; i++) y[i] = 0;
  for (int k = 0; k < terms; k++) {
    model one = { .op = m->op, .n_in = 3, .train = m->train, .out = m->out };
    memcpy(one.in, m->in + 1 + 3 * k, 3 * sizeof *one.in);
    memcpy(one.arg, m->arg, sizeof one.arg);
    if (!one.in[0].v) continue;
    bool normed = one.in[1].v;
    if (normed) normalise(z, &one, channel, channels, m->train ? NULL : one.in[1].v, m->train ? NULL : one.in[2].v, 3, VG_ACT_NONE);
    double w = m->in[0].v[(int64_t)named(m, "row") * terms + k];
    for (int64_t i = 0; i < n; i++) y[i] += w * (normed ? z[i] : one.in[0].v[i]);
  }
  free(z);
}
static void mix_shape(vg_shape *out, const model *m) {
  for (int k = 1; k < m->n_in; k += 3)
    if (m->in[k].v) *out = m->in[k].shape;
}
static double all_of_terms(const model *m) { return 3.0 * (double)vg_shape_count(&m->out) + 1; }
#define TERM(x, c) " " x " " STATS(c)
static const char *const MIX_CASES[] = {
  "1@f 4,3 - -", "2@f 4,3 - - 4,3 - -", "1,2@f 4,3 - - 4,3 - - train", "3@f - - - 4,3 - - - - -", "3@f 4,3 - - - - - 4,3 - -",
  "1@f" TERM("5,3", 3) " train", "1@f" TERM("5,3", 3), "2@f" TERM("5,3", 3) TERM("5,3", 3) " train", "2@f 5,3 - -" TERM("5,3", 3) " train",
  "2,2@f 5,3 - -" TERM("5,3", 3) " train row=1", "4,3@f" TERM("3,2,2,5", 5) " - - - 3,2,2,5 - - train row=2",
  "2@f" TERM("2,4,4,16", 16) TERM("2,4,4,16", 16) " train", "2@f" TERM("2,4,4,33", 33) " 2,4,4,33 - - train", "1@f" TERM("7,130", 130) " train",
  "3@f" TERM("2,3,17", 17) TERM("2,3,17", 17) TERM("2,3,17", 17) " train", "2@f" TERM("2,5,5,3", 3) " 2,5,5,3 - - train eps=0.1",
  "1@f" TERM("2,5,5,3", 3) " train momentum=0.5", "2@f" TERM("9,64", 64) " 9,64 - -", "2,1,2@f 9,4 - -" TERM("9,4", 4) " train row=1",
  "1@f 0,4 - -", "1@f 4,0 - -", "2@f" TERM("3,4,4,4", 4) " 3,4,4,4 - - train",
  "10@f 3,4 - - - - -" TERM("3,4", 4) " 3,4 - - 3,4 - -" TERM("3,4", 4) " 3,4 - - 3,4 - - 3,4 - - 3,4 - - train", NULL
};
static const refusal MIX_REFUSALS[] = {
  { "1@h 4,3 - -", VG_EARG, "mix: w must be f32, got bf16" },
  { "1@f 4,3 -", VG_EARG, "mix: expected x, mean and var of each term after w, got 3 inputs" },
  { "2@f 4,3 - -", VG_ESHAPE, "mix: w must be [..., 1] for that many terms, got [2]" },
  { "2,1@f 4,3 - - row=2", VG_ESHAPE, "mix: row 3 of w [2, 1]" },
  { "1@f - - -", VG_EARG, "mix: every term is nothing" },
  { "1@f 4,3@i3 - -", VG_EARG, "mix: x must be f32 or bf16, got i32" },
  { "1@f 4 - -", VG_ESHAPE, "mix: x needs at least 2 axes, got 1" },
  { "2@f 4,3@f - - 4,2@f - -", VG_ESHAPE, "mix: term 2 is f32 [4, 2], another is f32 [4, 3]" },
  { "1@f 4,3 3@f -", VG_EARG, "mix: term 1 has a mean or a variance alone" },
  { "1@f 4,3 3@f 2@f", VG_ESHAPE, "mix: the statistics of term 1 must be f32 [3], got f32 [2]" },
  { "1@f" TERM("1,3", 3) " train", VG_ESHAPE, "mix: training needs at least 2 values per channel, got 1" }, { 0 }
};

static const char *const GROUP_NORM_CASES[] = {
  "2,8 8@f+ 8@f groups=2", "2,8 groups=4", "2,2,2,6 6@f+ 6@f groups=3", "2,2,2,6 groups=6", "2,2,2,6 6@+ 6 groups=1",
  "3,3,3,16 16@f+ 16@f groups=4", "1,5,5,3 3@f+ 3@f groups=1", "1,5,5,3 groups=3", "2,3,17 17@f+ 17@f groups=1", "2,3,34 34@f+ 34@f groups=17",
  "2,4,4,12 12@f+ - groups=4", "2,4,4,12 - 12@f groups=4", "4,3,3,24 24@f+ 24@f groups=8", "2,2,2,6 6@f+ 6@f groups=3 eps=0.1",
  "0,2,2,6 6@f+ 6@f groups=3", "2,4,0 groups=5", "1,9,1,10 10@f+ 10@f groups=5", "1,1,1,64 64@f+ 64@f groups=2", "2,1,2,1,2,6 groups=2",
  "5,7,130 groups=10", NULL
};
static const refusal GROUP_NORM_REFUSALS[] = {
  { "4 groups=2", VG_ESHAPE, "group_norm: x needs at least 2 axes, got 1" },
  { "2,4@i3 groups=2", VG_EARG, "group_norm: x must be f32 or bf16, got i32" },
  { "2,6 groups=4", VG_ESHAPE, "group_norm: 6 channels do not divide into 4 groups" },
  { "2,0,6 groups=2", VG_ESHAPE, "group_norm: nothing to take the mean of in [2, 0, 6]" },
  { "2,6 5@f groups=2", VG_ESHAPE, "group_norm: gamma must be [6] as the channels of x, got [5]" },
  { "2,6 6@f 6@i3 groups=2", VG_EARG, "group_norm: beta must be f32, got i32" }, { 0 }
};

static const char *const LAYER_NORM_CASES[] = {
  "3,2 2@f+ 2@f", "5,10 10@f+ 10@f", "5,10", "10 10@f+ 10@f", "2,3,17 17@+ 17", "2,3,17 17@f+ -", "2,3,17 - 17@f", "4,7,64 64@f+ 64@f",
  "2,2,6 6@f+ 6@f eps=0.1", "1,33 33@f+ 33@f", "2,1,2,1,2,5 5@f+ 5@f", "0,4 4@f+ 4@f", "4,0 0@f 0@f", "2,0,4", "3,16 16@f+ 16@f", "3,15",
  "7,31 31@f+ 31@f", "130,20 20@f+ 20@f", "2,300 300@f+ 300@f", "70,500 500@f+ 500@f", NULL
};
static const refusal LAYER_NORM_REFUSALS[] = {
  { ".", VG_ESHAPE, "layer_norm: x needs at least 1 axis" }, { "4@i3", VG_EARG, "layer_norm: x must be f32 or bf16, got i32" },
  { "2,6 5@f", VG_ESHAPE, "layer_norm: gamma must be [6] as the channels of x, got [5]" },
  { "2,6 6 6@b", VG_EARG, "layer_norm: beta must be f32, got u8" }, { 0 }
};

static int64_t last_axis(const model *m) { return m->out.dim[m->out.rank - 1]; }
static void softmax(double *y, const model *m) {
  if (m->in[0].n) vg_ref_softmax(y, m->in[0].v, m->in[0].n / last_axis(m), last_axis(m), 0);
}
static void log_softmax(double *y, const model *m) {
  if (m->in[0].n) vg_ref_softmax(y, m->in[0].v, m->in[0].n / last_axis(m), last_axis(m), 1);
}
static const char *const SOFTMAX_CASES[] = {
  "7", "1", "3,7", "3,1", "2,3,10", "2,3,16@w", "2,3,17@w", "5,31", "5,33@w", "4,100", "2,1000", "1,1,1,1,1,5", "0,4", "4,0", "2,0,3", "3,2",
  "40,10@w", "2,2,64", "900,80", "1,9000", NULL
};
#define SOFTMAX_REFUSALS(name)                                                                                                      \
  static const refusal REFUSE_##name[] = { { ".", VG_ESHAPE, #name ": x needs at least 1 axis" },                                   \
                                           { "4@i3", VG_EARG, #name ": x must be f32 or bf16, got i32" }, { 0 } }
SOFTMAX_REFUSALS(softmax);
SOFTMAX_REFUSALS(log_softmax);

const proof NORM_PROOFS[] = {
  { .op = "batch_norm", .cases = BATCH_NORM_CASES, .refusals = BATCH_NORM_REFUSALS, .formula = batch_norm, .terms = all_of_it },
  { .op = "group_norm", .cases = GROUP_NORM_CASES, .refusals = GROUP_NORM_REFUSALS, .formula = group_norm, .terms = all_of_it },
  { .op = "layer_norm", .cases = LAYER_NORM_CASES, .refusals = LAYER_NORM_REFUSALS, .formula = layer_norm, .terms = all_of_it },
  { .op = "mix", .cases = MIX_CASES, .refusals = MIX_REFUSALS, .shape = mix_shape, .formula = mix, .terms = all_of_terms, .dtype = 'x' },
  { .op = "softmax", .cases = SOFTMAX_CASES, .refusals = REFUSE_softmax, .formula = softmax, .slack = 0.01 },
  { .op = "log_softmax", .cases = SOFTMAX_CASES, .refusals = REFUSE_log_softmax, .formula = log_softmax, .slack = 0.01 },
  { 0 }
};
