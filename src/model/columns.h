/* The columns of a table of architectures: one a decision, in the order of the space. A value is in [0, 1]; of a finite column with
 * n levels it is the centre (i + 0.5) / n of its cell; VG_INACTIVE stands where the decision does not apply. */
#ifndef VG_MODEL_COLUMNS_H
#define VG_MODEL_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/sample.h"
#include "base/status.h"

#define VG_INACTIVE (-1.0)

typedef struct vg_column {
  int64_t levels;               /* 0: continuous */
  bool category;                /* levels without an order */
  size_t guard, guard_length;   /* part of the program that says, from earlier columns, whether this one is active; length 0: always */
  int group;                    /* columns with the same guard have the same number */
} vg_column;

typedef struct vg_columns {     /* all arrays borrowed */
  size_t n;
  const vg_column *at;
  const vg_guard *guards;       /* slots are columns, intervals are of values */
  const vg_interval *intervals;
} vg_columns;

/* The level of a value of a finite column, and the centre of a level. */
int64_t vg_column_level(const vg_column *c, double u);
double vg_column_centre(const vg_column *c, int64_t level);
/* The nearest value the column has. */
double vg_column_snap(const vg_column *c, double u);
bool vg_columns_is_active(const vg_columns *c, const double *row, size_t column);
/* Draws what is missing and drops what does not apply: afterwards exactly the active columns have values, all of them snapped. */
void vg_columns_complete(const vg_columns *c, double *row, vg_rng *rng);
void vg_columns_random(const vg_columns *c, double *row, vg_rng *rng);
/* rows [n, columns]: a Latin hypercube; each column takes each of n strata once (McKay et al. 1979, doi:10.2307/1268522). */
VG_CHECKED vg_status vg_columns_latin(const vg_columns *c, double *rows, size_t n, vg_rng *rng);
/* `row` with each active column changed with probability `rate` (at least one): numbers by a Gaussian step of s.d. `step`, reflected;
 * categories to another level. What becomes active is drawn. */
void vg_columns_mutate(const vg_columns *c, double *row, double rate, double step, vg_rng *rng);
bool vg_columns_equal(const vg_columns *c, const double *a, const double *b);

#endif
