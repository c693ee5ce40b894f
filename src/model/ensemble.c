/* Activations are [unit, BATCH]: the inner loops run over the samples of a batch, whose number is fixed, and vectorise.
 * Weights of a model: for each layer [outputs, inputs] and then [outputs] biases. */
#include "model/ensemble.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

enum { BATCH = 32 };

struct vg_ensemble {
  size_t inputs;
  vg_ensemble_opts opts;
  size_t n_weights;
  float *weights;               /* [models, n_weights] */
  float *grad, *m, *v;          /* [n_weights] of the model in training */
  float *act;                   /* [inputs + layers * width + 1, BATCH] */
  float *delta;                 /* [2, max(inputs, width), BATCH] */
};

static size_t inputs_of(const vg_ensemble *e, size_t layer) { return layer == 0 ? e->inputs : e->opts.width; }
static size_t outputs_of(const vg_ensemble *e, size_t layer) { return layer == e->opts.layers ? 1 : e->opts.width; }

vg_status vg_ensemble_new(vg_ensemble **out, size_t inputs, const vg_ensemble_opts *opts) {
  vg_ensemble *e;
  vg_status status = VG_OK;
  if (inputs < 1 || opts->models < 1 || opts->layers < 1 || opts->width < 1)
    return vg_fail(VG_EARG, "ensemble: inputs, models, layers and width must be >= 1");
  VG_TRY(VG_NEW(&e));
  e->inputs = inputs;
  e->opts = *opts;
  for (size_t l = 0; l <= opts->layers; l++) e->n_weights += (inputs_of(e, l) + 1) * outputs_of(e, l);
  size_t widest = inputs > opts->width ? inputs : opts->width;
  VG_GOTO(vg_alloc_zero((void **)&e->weights, opts->models * e->n_weights * sizeof(float)));
  VG_GOTO(vg_alloc((void **)&e->grad, 3 * e->n_weights * sizeof(float)));
  VG_GOTO(vg_alloc((void **)&e->act, (inputs + opts->layers * opts->width + 1) * BATCH * sizeof(float)));
  VG_GOTO(vg_alloc((void **)&e->delta, 2 * widest * BATCH * sizeof(float)));
  e->m = e->grad + e->n_weights;
  e->v = e->m + e->n_weights;
  *out = e;
  return VG_OK;
done:
  vg_ensemble_free(e);
  return status;
}

void vg_ensemble_free(vg_ensemble *e) {
  if (!e) return;
  vg_free(e->weights);
  vg_free(e->grad);
  vg_free(e->act);
  vg_free(e->delta);
  vg_free(e);
}

size_t vg_ensemble_weights(const vg_ensemble *e) { return e->n_weights; }
float *vg_ensemble_weights_of(vg_ensemble *e, size_t k) { return e->weights + k * e->n_weights; }

/* --- forward and backward --------------------------------------------------------------------------------------------------------- */

/* Samples pick[0 .. count) into the columns of the first activations; missing ones are 0. */
static void load(vg_ensemble *e, const float *x, const size_t *pick, size_t count) {
  for (size_t i = 0; i < e->inputs; i++)
    for (size_t b = 0; b < BATCH; b++) e->act[i * BATCH + b] = b < count ? x[pick[b] * e->inputs + i] : 0;
}

/* Returns the outputs [BATCH]. */
static const float *forward(vg_ensemble *e, const float *w) {
  const float *in = e->act;
  float *out = e->act + e->inputs * BATCH;
  for (size_t l = 0; l <= e->opts.layers; l++) {
    size_t n = inputs_of(e, l), m = outputs_of(e, l);
    const float *bias = w + n * m;
    for (size_t j = 0; j < m; j++) {
      float sum[BATCH];
      for (size_t b = 0; b < BATCH; b++) sum[b] = bias[j];
      for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < BATCH; b++) sum[b] += w[j * n + i] * in[i * BATCH + b];
      bool hidden = l < e->opts.layers;
      for (size_t b = 0; b < BATCH; b++) out[j * BATCH + b] = hidden && sum[b] < 0 ? 0 : sum[b];
    }
    w += (n + 1) * m;
    in = out;
    out += m * BATCH;
  }
  return in;
}

static float dot(const float *a, const float *b) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t k = 0; k < BATCH; k++) sum += a[k] * b[k];
  return sum;
}

/* Adds to `grad` from the slopes by the outputs, which stand in e->delta. */
static void backward(vg_ensemble *e, float *grad, const float *w) {
  size_t widest = e->inputs > e->opts.width ? e->inputs : e->opts.width;
  const float *in = e->act + (e->inputs + (e->opts.layers - 1) * e->opts.width) * BATCH;
  float *out_delta = e->delta, *in_delta = e->delta + widest * BATCH;
  size_t at = e->n_weights;
  for (size_t l = e->opts.layers + 1; l-- > 0;) {
    size_t n = inputs_of(e, l), m = outputs_of(e, l);
    at -= (n + 1) * m;
    memset(in_delta, 0, n * BATCH * sizeof *in_delta);
    for (size_t j = 0; j < m; j++) {
      const float *d = out_delta + j * BATCH;
      for (size_t b = 0; b < BATCH; b++) grad[at + n * m + j] += d[b];
      for (size_t i = 0; i < n; i++) {
        grad[at + j * n + i] += dot(d, in + i * BATCH);
        for (size_t b = 0; b < BATCH && l > 0; b++) in_delta[i * BATCH + b] += w[at + j * n + i] * d[b];
      }
    }
    if (l == 0) break;
    for (size_t i = 0; i < n * BATCH; i++) in_delta[i] = in[i] > 0 ? in_delta[i] : 0;     /* through the ReLU that made `in` */
    float *swap = out_delta;
    out_delta = in_delta, in_delta = swap;
    in -= inputs_of(e, l - 1) * BATCH;
  }
}

/* Loss of up to BATCH samples as a part of `total`; adds to grad unless it is NULL. */
static double batch_loss(vg_ensemble *e, float *grad, const float *w, const float *x, const float *y, const size_t *pick, size_t count,
                         size_t total) {
  double loss = 0;
  load(e, x, pick, count);
  const float *out = forward(e, w);
  for (size_t b = 0; b < BATCH; b++) {
    e->delta[b] = 0;
    if (b >= count) continue;
    float target = y[pick[b]], error = out[b] - target;
    loss += fabsf(error) / target;
    e->delta[b] = (error > 0 ? 1 : error < 0 ? -1 : 0) / (target * (float)total);
  }
  if (grad) backward(e, grad, w);
  return loss / (double)total;
}

static double output_penalty(const vg_ensemble *e, float *grad, const float *w) {
  double sum = 0;
  size_t first = e->n_weights - e->opts.width - 1;
  for (size_t i = first; i < first + e->opts.width; i++) {
    sum += e->opts.l1 * fabsf(w[i]);
    if (grad) grad[i] += (float)e->opts.l1 * (w[i] > 0 ? 1 : w[i] < 0 ? -1 : 0);
  }
  return sum;
}

vg_status vg_ensemble_loss(vg_ensemble *e, size_t k, double *loss, float *grad, const float *x, const float *y, size_t n) {
  const float *w = vg_ensemble_weights_of(e, k);
  if (k >= e->opts.models || n < 1) return vg_fail(VG_EARG, "ensemble: model %zu of %zu and at least one sample expected", k + 1, e->opts.models);
  if (grad) memset(grad, 0, e->n_weights * sizeof *grad);
  *loss = output_penalty(e, grad, w);
  for (size_t from = 0; from < n; from += BATCH) {
    size_t pick[BATCH], count = n - from < BATCH ? n - from : BATCH;
    for (size_t b = 0; b < count; b++) pick[b] = from + b;
    *loss += batch_loss(e, grad, w, x, y, pick, count, n);
  }
  return VG_OK;
}

/* --- training --------------------------------------------------------------------------------------------------------------------- */

/* He et al. 2015, arXiv:1502.01852; biases 0 but the last, which starts at the median-like 1 of the targets. */
static void initialise(const vg_ensemble *e, float *w, vg_rng *rng) {
  for (size_t l = 0; l <= e->opts.layers; l++) {
    size_t n = inputs_of(e, l), m = outputs_of(e, l);
    float sd = sqrtf((l < e->opts.layers ? 2.0f : 1.0f) / (float)n);
    for (size_t i = 0; i < n * m; i++) w[i] = sd * (float)vg_rng_normal(rng);
    for (size_t j = 0; j < m; j++) w[n * m + j] = l < e->opts.layers ? 0 : 1;
    w += (n + 1) * m;
  }
}

static void adam(vg_ensemble *e, float *w, double rate, size_t step) {
  float b1 = 1 - powf(0.9f, (float)step), b2 = 1 - powf(0.999f, (float)step), lr = (float)rate;
  for (size_t i = 0; i < e->n_weights; i++) {
    e->m[i] = 0.9f * e->m[i] + 0.1f * e->grad[i];
    e->v[i] = 0.999f * e->v[i] + 0.001f * e->grad[i] * e->grad[i];
    w[i] -= lr * (e->m[i] / b1) / (sqrtf(e->v[i] / b2) + 1e-8f);
  }
}

static void train_model(vg_ensemble *e, float *w, const float *x, const float *y, size_t *order, size_t n, vg_rng *rng) {
  size_t step = 0, batches = (n + BATCH - 1) / BATCH, steps = batches * e->opts.epochs;
  initialise(e, w, rng);
  memset(e->m, 0, 2 * e->n_weights * sizeof *e->m);
  for (size_t epoch = 0; epoch < e->opts.epochs; epoch++) {
    vg_rng_shuffle(rng, (int64_t *)order, n);
    for (size_t from = 0; from < n; from += BATCH) {
      size_t count = n - from < BATCH ? n - from : BATCH;
      double rate = e->opts.rate * 0.5 * (1 + cos(M_PI * (double)step / (double)steps));
      memset(e->grad, 0, e->n_weights * sizeof *e->grad);
      batch_loss(e, e->grad, w, x, y, order + from, count, count);
      output_penalty(e, e->grad, w);
      adam(e, w, rate, ++step);
    }
  }
}

_Static_assert(sizeof(size_t) == sizeof(int64_t), "orders of samples are shuffled as int64_t");

vg_status vg_ensemble_fit(vg_ensemble *e, const float *x, const float *y, size_t n, vg_rng *rng) {
  size_t *order;
  for (size_t i = 0; i < n; i++)
    if (!(y[i] > 0)) return vg_fail(VG_EARG, "ensemble: target %zu is %g, a number above 0 expected", i + 1, (double)y[i]);
  VG_TRY(vg_alloc((void **)&order, (n + 1) * sizeof *order));
  for (size_t i = 0; i < n; i++) order[i] = i;
  for (size_t k = 0; k < e->opts.models && n > 0; k++) train_model(e, vg_ensemble_weights_of(e, k), x, y, order, n, rng);
  vg_free(order);
  return VG_OK;
}

vg_status vg_ensemble_predict(const vg_ensemble *const_e, double *mean, double *sd, const float *x, size_t m) {
  vg_ensemble *e = (vg_ensemble *)const_e;             /* activations are scratch */
  double models = (double)e->opts.models;
  memset(mean, 0, m * sizeof *mean);
  memset(sd, 0, m * sizeof *sd);
  for (size_t from = 0; from < m; from += BATCH) {
    size_t pick[BATCH], count = m - from < BATCH ? m - from : BATCH;
    for (size_t b = 0; b < count; b++) pick[b] = from + b;
    load(e, x, pick, count);
    for (size_t k = 0; k < e->opts.models; k++) {
      const float *out = forward(e, vg_ensemble_weights_of(e, k));
      for (size_t b = 0; b < count; b++) {             /* Welford's update of mean and sum of squares */
        double before = out[b] - mean[from + b];
        mean[from + b] += before / (double)(k + 1);
        sd[from + b] += before * (out[b] - mean[from + b]);
      }
    }
  }
  for (size_t i = 0; i < m; i++) sd[i] = models > 1 ? sqrt(fmax(0, sd[i] / (models - 1))) : 0;
  return VG_OK;
}
