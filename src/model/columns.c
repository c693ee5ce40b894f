#include "model/columns.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

int64_t vg_column_level(const vg_column *c, double u) {
  int64_t level = (int64_t)(u * (double)c->levels);
  return level < 0 ? 0 : level >= c->levels ? c->levels - 1 : level;
}

double vg_column_centre(const vg_column *c, int64_t level) { return ((double)level + 0.5) / (double)c->levels; }

double vg_column_snap(const vg_column *c, double u) {
  if (c->levels > 0) return vg_column_centre(c, vg_column_level(c, u));
  return u < 0 ? 0 : u > 1 ? 1 : u;
}

bool vg_columns_is_active(const vg_columns *c, const double *row, size_t column) {
  const vg_column *d = &c->at[column];
  return d->guard_length == 0 || vg_guard_holds(c->guards + d->guard, d->guard_length, c->intervals, row);
}

void vg_columns_complete(const vg_columns *c, double *row, vg_rng *rng) {
  for (size_t j = 0; j < c->n; j++) {
    if (!vg_columns_is_active(c, row, j)) row[j] = VG_INACTIVE;
    else row[j] = vg_column_snap(&c->at[j], row[j] == VG_INACTIVE ? vg_rng_uniform(rng) : row[j]);
  }
}

void vg_columns_random(const vg_columns *c, double *row, vg_rng *rng) {
  for (size_t j = 0; j < c->n; j++) row[j] = VG_INACTIVE;
  vg_columns_complete(c, row, rng);
}

vg_status vg_columns_latin(const vg_columns *c, double *rows, size_t n, vg_rng *rng) {
  int64_t *stratum;
  VG_TRY(vg_alloc((void **)&stratum, n * sizeof *stratum));
  for (size_t j = 0; j < c->n; j++) {
    for (size_t i = 0; i < n; i++) stratum[i] = (int64_t)i;
    vg_rng_shuffle(rng, stratum, n);
    for (size_t i = 0; i < n; i++) rows[i * c->n + j] = ((double)stratum[i] + vg_rng_uniform(rng)) / (double)n;
  }
  vg_free(stratum);
  for (size_t i = 0; i < n; i++) vg_columns_complete(c, rows + i * c->n, rng);
  return VG_OK;
}

static double reflect(double u) {
  u = fabs(u);
  u = fmod(u, 2.0);
  return u > 1 ? 2 - u : u;
}

static double changed(const vg_column *c, double u, double step, vg_rng *rng) {
  if (c->levels == 1) return u;
  if (c->levels > 1 && c->category) {
    int64_t level = vg_rng_below(rng, c->levels - 1), old = vg_column_level(c, u);
    return vg_column_centre(c, level < old ? level : level + 1);
  }
  double moved = reflect(u + step * vg_rng_normal(rng));
  if (c->levels == 0) return moved;
  double snapped = vg_column_snap(c, moved);
  if (snapped != u) return snapped;
  int64_t level = vg_column_level(c, u);                /* a step too small to leave the cell: to a neighbour */
  bool up = level == 0 || (level < c->levels - 1 && moved >= u);
  return vg_column_centre(c, up ? level + 1 : level - 1);
}

void vg_columns_mutate(const vg_columns *c, double *row, double rate, double step, vg_rng *rng) {
  size_t active = 0, changes = 0;
  for (size_t j = 0; j < c->n; j++) active += row[j] != VG_INACTIVE && c->at[j].levels != 1;
  if (active == 0) return;
  size_t forced = (size_t)vg_rng_below(rng, (int64_t)active), seen = 0, fallback = 0;
  for (size_t j = 0; j < c->n; j++) {
    if (row[j] == VG_INACTIVE || c->at[j].levels == 1) continue;
    if (seen++ == forced) fallback = j;
    if (vg_rng_uniform(rng) >= rate) continue;
    row[j] = changed(&c->at[j], row[j], step, rng);
    changes++;
  }
  if (changes == 0) row[fallback] = changed(&c->at[fallback], row[fallback], step, rng);
  vg_columns_complete(c, row, rng);
}

bool vg_columns_equal(const vg_columns *c, const double *a, const double *b) { return memcmp(a, b, c->n * sizeof *a) == 0; }
