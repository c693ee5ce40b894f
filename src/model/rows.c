#include "model/rows.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

void vg_rows_init(vg_rows *t, const vg_columns *columns) { *t = (vg_rows){ .columns = columns }; }

void vg_rows_deinit(vg_rows *t) {
  vg_free(t->value);
  vg_free(t->order);
  vg_free(t->slot);
  vg_rows_init(t, t->columns);
}

/* FNV-1a over whole numbers instead of bytes: it stays in memory, and searches look up thousands of rows. */
static size_t hash(const vg_rows *t, const double *row) {
  uint64_t h = VG_FNV_START;
  for (size_t j = 0; j < t->columns->n; j++) {
    uint64_t bits;
    memcpy(&bits, &row[j], sizeof bits);
    h = (h ^ bits) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
  }
  return (size_t)h;
}

static void link_row(vg_rows *t, size_t i) {
  size_t s = hash(t, vg_rows_at(t, i)) & (t->n_slots - 1);
  while (t->slot[s]) s = (s + 1) & (t->n_slots - 1);
  t->slot[s] = (uint32_t)i + 1;
}

bool vg_rows_has(const vg_rows *t, const double *row) {
  if (t->n == 0) return false;
  for (size_t s = hash(t, row) & (t->n_slots - 1); t->slot[s]; s = (s + 1) & (t->n_slots - 1))
    if (vg_columns_equal(t->columns, row, vg_rows_at(t, t->slot[s] - 1))) return true;
  return false;
}

static vg_status grow(vg_rows *t) {
  size_t capacity = t->capacity ? 2 * t->capacity : 64, d = t->columns->n;
  vg_rows new = { .columns = t->columns, .n = t->n, .capacity = capacity, .n_slots = 2 * capacity };
  vg_status status = VG_OK;
  VG_GOTO(vg_alloc((void **)&new.value, capacity * d * sizeof *new.value));
  VG_GOTO(vg_alloc((void **)&new.order, capacity * d * sizeof *new.order));
  VG_GOTO(vg_alloc_zero((void **)&new.slot, new.n_slots * sizeof *new.slot));
  if (t->n) memcpy(new.value, t->value, t->n * d * sizeof *new.value);
  for (size_t j = 0; j < d && t->n; j++) memcpy(new.order + j * capacity, t->order + j * t->capacity, t->n * sizeof *new.order);
  for (size_t i = 0; i < t->n; i++) link_row(&new, i);
  vg_rows_deinit(t);
  *t = new;
  return VG_OK;
done:
  vg_rows_deinit(&new);
  return status;
}

static void insert_sorted(vg_rows *t, size_t column, size_t i) {
  size_t d = t->columns->n, lo = 0, hi = i;
  uint32_t *order = t->order + column * t->capacity;
  double v = t->value[i * d + column];
  while (lo < hi) {
    size_t mid = (lo + hi) / 2;
    if (t->value[order[mid] * d + column] <= v) lo = mid + 1;
    else hi = mid;
  }
  memmove(order + lo + 1, order + lo, (i - lo) * sizeof *order);
  order[lo] = (uint32_t)i;
}

vg_status vg_rows_add(vg_rows *t, const double *row) {
  size_t d = t->columns->n, i = t->n;
  if (i == t->capacity) VG_TRY(grow(t));
  for (size_t j = 0; j < d; j++) t->value[i * d + j] = row[j] == VG_INACTIVE ? VG_INACTIVE : vg_column_snap(&t->columns->at[j], row[j]);
  for (size_t j = 0; j < d; j++) insert_sorted(t, j, i);
  link_row(t, i);
  t->n++;
  return VG_OK;
}
