/* A growing table of architectures (rows of vg_columns), with what models ask of it: the sorted order of each column, and whether a row
 * is already in it. Row numbers count from 0 and never change. */
#ifndef VG_MODEL_ROWS_H
#define VG_MODEL_ROWS_H

#include "model/columns.h"

typedef struct vg_rows {
  const vg_columns *columns;   /* borrowed */
  size_t n, capacity;
  double *value;               /* [capacity, columns] */
  uint32_t *order;             /* [columns, capacity]: row numbers by (value, number) */
  uint32_t *slot;              /* hash table of row numbers + 1; 0 = empty; n_slots is a power of two >= 2 * capacity */
  size_t n_slots;
} vg_rows;

void vg_rows_init(vg_rows *t, const vg_columns *columns);
void vg_rows_deinit(vg_rows *t);
/* Adds a row (copied, snapped to the columns' values); equal rows may be added again. VG_ENOMEM leaves the table as it was. */
VG_CHECKED vg_status vg_rows_add(vg_rows *t, const double *row);
bool vg_rows_has(const vg_rows *t, const double *row);
static inline const double *vg_rows_at(const vg_rows *t, size_t i) { return t->value + i * t->columns->n; }

#endif
