/* Invariant: the first `factored` rows of `factor` are the Cholesky factor of the kernel matrix of the first `factored` rows of `x`
 * under the parameters in place. */
#include "model/gp.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/linalg.h"
#include "model/gp_private.h"
#include "model/kernel.h"

enum { BLOCK = 256 };                      /* points predicted at once */
static const double MAX_JITTER = 1e-2, MIN_VARIANCE = 1e-12;

vg_status vg_gp_new(vg_gp **out, const vg_columns *columns, double noise) {
  vg_gp *gp;
  VG_TRY(VG_NEW(&gp));
  vg_status status = vg_alloc((void **)&gp->relevance, (columns->n + 1) * sizeof *gp->relevance);
  if (status != VG_OK) {
    vg_free(gp);
    return status;
  }
  gp->columns = columns;
  gp->fits_noise = noise < 0;
  for (size_t j = 0; j < columns->n; j++) gp->relevance[j] = 1;
  gp->scale = 1;
  gp->noise = noise < 0 ? 1e-3 : fmax(noise, VG_GP_NOISE_FLOOR);
  gp->sd = 1;
  *out = gp;
  return VG_OK;
}

static void free_arrays(vg_gp *gp) {
  void *all[] = { gp->index, gp->x, gp->factor, gp->y, gp->alpha, gp->work, gp->inverse, gp->point };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) vg_free(all[i]);
}

void vg_gp_free(vg_gp *gp) {
  if (!gp) return;
  free_arrays(gp);
  vg_free(gp->relevance);
  vg_free(gp);
}

/* Room for n rows; what was there is dropped, so that the next set_data builds all anew. */
static vg_status reserve(vg_gp *gp, size_t n) {
  if (n <= gp->capacity) return VG_OK;
  size_t capacity = 64, d = gp->columns->n;
  while (capacity < n) capacity += capacity / 2;
  vg_gp new = { 0 };
  vg_status status = VG_OK;
  VG_GOTO(vg_alloc((void **)&new.index, capacity * sizeof *new.index));
  VG_GOTO(vg_alloc((void **)&new.x, capacity * d * sizeof *new.x));
  VG_GOTO(vg_alloc((void **)&new.factor, capacity * capacity * sizeof *new.factor));
  VG_GOTO(vg_alloc((void **)&new.y, capacity * sizeof *new.y));
  VG_GOTO(vg_alloc((void **)&new.alpha, capacity * sizeof *new.alpha));
  VG_GOTO(vg_alloc((void **)&new.work, capacity * sizeof *new.work));
  VG_GOTO(vg_alloc((void **)&new.point, 5 * capacity * sizeof *new.point));
  free_arrays(gp);
  gp->index = new.index, gp->x = new.x, gp->factor = new.factor, gp->y = new.y, gp->alpha = new.alpha, gp->work = new.work;
  gp->point = new.point, gp->inverse = NULL, gp->capacity = capacity, gp->n = gp->pending = gp->factored = 0;
  return VG_OK;
done:
  free_arrays(&new);
  return status;
}

void vg__gp_kernel_row(const vg_gp *gp, double *out, const double *point, size_t n) {
  memset(out, 0, n * sizeof *out);
  for (size_t j = 0; j < gp->columns->n; j++)
    vg__add_distances(out, gp->x + j * gp->capacity, n, point[j], gp->columns->at[j].category, gp->relevance[j]);
  for (size_t i = 0; i < n; i++) {
    double t = sqrt(5 * out[i]);
    out[i] = gp->scale * (1 + t + t * t / 3) * vg__exp(-t);
  }
}

static void read_row(const vg_gp *gp, double *point, size_t i) {
  for (size_t j = 0; j < gp->columns->n; j++) point[j] = gp->x[j * gp->capacity + i];
}

/* Row i of the factor from the rows above it: O(i^2). Fails where the new row adds nothing but rounding. */
static bool extend(vg_gp *gp, double *point, size_t i) {
  double *row = gp->factor + i * gp->capacity, rest = gp->scale + gp->noise + gp->jitter;
  read_row(gp, point, i);
  vg__gp_kernel_row(gp, row, point, i);
  vg_lower_solve(row, gp->factor, (int64_t)i, (int64_t)gp->capacity, 0);
#pragma omp simd reduction(+ : rest)
  for (size_t k = 0; k < i; k++) rest -= row[k] * row[k];
  if (!(rest > 0.1 * gp->noise)) return false;
  row[i] = sqrt(rest);
  return true;
}

static bool factor_all(vg_gp *gp, double *point, size_t n) {
  for (size_t i = 0; i < n; i++) {
    double *row = gp->factor + i * gp->capacity;
    read_row(gp, point, i);
    vg__gp_kernel_row(gp, row, point, i);
    row[i] = gp->scale + gp->noise + gp->jitter;
  }
  return vg_cholesky(gp->factor, (int64_t)n, (int64_t)gp->capacity) == VG_OK;
}

static vg_status factor_rows(vg_gp *gp) {
  size_t n = gp->n + gp->pending, begun = gp->factored;
  double *point;
  VG_TRY(vg_alloc((void **)&point, (gp->columns->n + 1) * sizeof *point));
  bool good = n - begun <= begun / 3;                 /* few new rows: one at a time costs less than all at once */
  for (size_t i = begun; i < n && good; i++) good = extend(gp, point, i);
  if (!good) {
    gp->jitter = 0;
    good = factor_all(gp, point, n);
    for (double jitter = 1e-10; !good && jitter <= MAX_JITTER; jitter *= 10) {
      gp->jitter = jitter * gp->scale;
      good = factor_all(gp, point, n);
    }
  }
  vg_free(point);
  gp->factored = good ? n : 0;
  return good ? VG_OK : vg_fail(VG_ENAN, "gp: the kernel matrix of %zu rows cannot be factored", n);
}

static void standardise(vg_gp *gp, const double *y) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < gp->n; i++) sum += y[i];
  gp->mean = gp->n ? sum / (double)gp->n : 0;
  for (size_t i = 0; i < gp->n; i++) squares += (y[i] - gp->mean) * (y[i] - gp->mean);
  gp->sd = gp->n ? sqrt(squares / (double)gp->n) : 1;
  if (!(gp->sd > 1e-12)) gp->sd = 1;
  for (size_t i = 0; i < gp->n; i++) gp->y[i] = (y[i] - gp->mean) / gp->sd;
}

static void solve_alpha(vg_gp *gp) {
  for (size_t i = gp->n; i < gp->n + gp->pending; i++) gp->alpha[i] = 0;
  memcpy(gp->alpha, gp->y, gp->n * sizeof *gp->y);
  vg_lower_solve(gp->alpha, gp->factor, (int64_t)gp->n, (int64_t)gp->capacity, 0);
  vg_lower_solve(gp->alpha, gp->factor, (int64_t)gp->n, (int64_t)gp->capacity, 1);
}

vg_status vg_gp_set_data(vg_gp *gp, const vg_rows *rows, const uint32_t *index, size_t n, size_t pending, const double *y) {
  size_t all = n + pending, same = 0;
  VG_TRY(reserve(gp, all + 1));
  while (same < all && same < gp->factored && gp->index[same] == index[same]) same++;
  for (size_t i = same; i < all; i++) {
    const double *row = vg_rows_at(rows, index[i]);
    gp->index[i] = index[i];
    for (size_t j = 0; j < gp->columns->n; j++) gp->x[j * gp->capacity + i] = row[j];
  }
  gp->factored = same;
  gp->n = n;
  gp->pending = pending;
  standardise(gp, y);
  VG_TRY(factor_rows(gp));
  solve_alpha(gp);
  return VG_OK;
}

void vg_gp_get_parameters(const vg_gp *gp, double *p) {
  size_t d = gp->columns->n;
  for (size_t j = 0; j < d; j++) p[j] = log(gp->relevance[j]);
  p[d] = log(gp->scale);
  p[d + 1] = log(gp->noise);
}

vg_status vg_gp_set_parameters(vg_gp *gp, const double *p) {
  size_t d = gp->columns->n;
  for (size_t j = 0; j < d; j++) gp->relevance[j] = exp(p[j]);
  gp->scale = exp(p[d]);
  gp->noise = exp(p[d + 1]);
  gp->factored = 0;
  gp->jitter = 0;
  VG_TRY(factor_rows(gp));
  solve_alpha(gp);
  return VG_OK;
}

vg_status vg_gp_predict(vg_gp *gp, double *mean, double *sd, const double *points, size_t m) {
  size_t n = gp->n + gp->pending, d = gp->columns->n;
  double *k;
  VG_TRY(vg_alloc((void **)&k, (BLOCK * n + 1) * sizeof *k));
  for (size_t from = 0; from < m; from += BLOCK) {
    size_t block = m - from < BLOCK ? m - from : BLOCK;
    for (size_t i = 0; i < block; i++) {
      double sum = 0, *row = k + i * n;
      vg__gp_kernel_row(gp, row, points + (from + i) * d, n);
#pragma omp simd reduction(+ : sum)
      for (size_t j = 0; j < gp->n; j++) sum += row[j] * gp->alpha[j];
      mean[from + i] = gp->mean + gp->sd * sum;
    }
    if (!sd) continue;
    vg_lower_solve_rows(k, (int64_t)block, gp->factor, (int64_t)n, (int64_t)gp->capacity);
    for (size_t i = 0; i < block; i++) {
      double rest = gp->scale, *row = k + i * n;
#pragma omp simd reduction(+ : rest)
      for (size_t j = 0; j < n; j++) rest -= row[j] * row[j];
      sd[from + i] = gp->sd * sqrt(fmax(rest, MIN_VARIANCE));
    }
  }
  vg_free(k);
  return VG_OK;
}

/* With v = K^-1 k: d mean = alpha . dk, d variance = -2 v . dk, and dk_i / dx_j = -(5/3) scale (1 + t) exp(-t) relevance_j (x_j - x_ij). */
void vg_gp_predict_slope(vg_gp *gp, double *mean, double *sd, double *mean_slope, double *sd_slope, const double *point) {
  size_t n = gp->n + gp->pending, d = gp->columns->n, ld = gp->capacity;
  double *t = gp->point, *v = t + ld, *k = v + ld, *e = k + ld, sum = 0, rest = gp->scale;
  memset(t, 0, n * sizeof *t);
  for (size_t j = 0; j < d; j++) vg__add_distances(t, gp->x + j * ld, n, point[j], gp->columns->at[j].category, gp->relevance[j]);
  for (size_t i = 0; i < n; i++) {
    double root = sqrt(5 * t[i]), decay = gp->scale * vg__exp(-root);
    k[i] = decay * (1 + root + root * root / 3);
    e[i] = decay * (1 + root) * (-5.0 / 3);
  }
  memcpy(v, k, n * sizeof *v);
  vg_lower_solve(v, gp->factor, (int64_t)n, (int64_t)ld, 0);
#pragma omp simd reduction(+ : rest)
  for (size_t i = 0; i < n; i++) rest -= v[i] * v[i];
  vg_lower_solve(v, gp->factor, (int64_t)n, (int64_t)ld, 1);
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < gp->n; i++) sum += k[i] * gp->alpha[i];
  double deviation = sqrt(fmax(rest, MIN_VARIANCE));
  *mean = gp->mean + gp->sd * sum;
  *sd = gp->sd * deviation;
  for (size_t j = 0; j < d; j++) {
    double dm = 0, dv = 0;
    const double *x = gp->x + j * ld;
    if (!gp->columns->at[j].category && point[j] != VG_INACTIVE) {
#pragma omp simd reduction(+ : dm, dv)
      for (size_t i = 0; i < n; i++) {
        double step = x[i] == VG_INACTIVE ? 0 : e[i] * (point[j] - x[i]);
        dm += step * gp->alpha[i];                           /* 0 for pending rows */
        dv += step * v[i];
      }
    }
    mean_slope[j] = gp->sd * gp->relevance[j] * dm;
    sd_slope[j] = rest > MIN_VARIANCE ? -gp->sd * gp->relevance[j] * dv / deviation : 0;
  }
}
