/* Draws from search spaces: a row of codes for each configuration, decision after decision, in an order in which conditions look back only.
 *
 * A code is a double: the index of the value (from 0) for a finite decision, the value itself for a continuous one, NaN for an inactive
 * one. Subsets, sequences and permutations own several slots: a subset the number of its members and then their indices, ascending.
 *
 *   row:  | width | depth | stages[1].op | ... |          one slot for a single value
 *         | n | i1 | i2 | .. |                            1 + high slots for a subset, `high` for a sequence, n for a permutation  */
#ifndef VG_BASE_SAMPLE_H
#define VG_BASE_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

typedef enum vg_draw_kind {
  VG_DRAW_INDEX,        /* uniform in [0, n) */
  VG_DRAW_WEIGHTED,     /* index by cumulative weights */
  VG_DRAW_LOG_STEP,     /* index of lo + i*step, log-uniform over the cells around the values */
  VG_DRAW_FLOAT,        /* uniform in [lo, hi] */
  VG_DRAW_LOG_FLOAT,    /* log-uniform in [lo, hi] */
  VG_DRAW_NORMAL,       /* normal (mean, sd) cut to [lo, hi] */
  VG_DRAW_LOG_NORMAL,   /* exp of a normal; mean, sd, lo, hi are those of the logarithm */
  VG_DRAW_SUBSET,       /* low..high distinct of n, every subset as likely as any other */
  VG_DRAW_SEQUENCE,     /* high of n with repetition */
  VG_DRAW_PERMUTATION   /* all n in some order */
} vg_draw_kind;

typedef struct vg_draw {
  vg_draw_kind kind;
  int64_t n;
  int low, high;                  /* members of a subset; high = length of a sequence */
  double lo, hi, step, mean, sd;
  const double *cumulative;       /* borrowed: [n] for weighted, [high - low + 1] for the sizes of a subset; ascending */
  size_t slot;                    /* first code in the row */
  size_t guard, guard_length;     /* part of the program that says whether the decision is active; length 0: always */
} vg_draw;

typedef enum vg_guard_op { VG_GUARD_WITHIN, VG_GUARD_AND, VG_GUARD_OR, VG_GUARD_NOT } vg_guard_op;

typedef struct vg_interval {
  double low, high;               /* both included */
} vg_interval;

/* One step of a postfix program. WITHIN pushes whether the code in `slot` lies in one of the intervals (false for an inactive one). */
typedef struct vg_guard {
  vg_guard_op op;
  size_t slot, first, count;
} vg_guard;

enum { VG_GUARD_DEPTH = 64 };     /* values a guard's program may hold at once; checked by the builder of the program */
/* What a program of `length` steps, at least one, says of the codes. */
int vg_guard_holds(const vg_guard *program, size_t length, const vg_interval *intervals, const double *codes);

typedef struct vg_sampler {       /* all arrays borrowed */
  const vg_draw *draws;
  const vg_guard *guards;
  const vg_interval *intervals;
  size_t n_draws, n_slots;
} vg_sampler;

/* One configuration: codes [n_slots], written. */
void vg_sample(double *codes, const vg_sampler *s, vg_rng *rng);

/* The quantile of the normal (mean, sd) cut to [lo, hi] (either may be infinite), and the share of it below x. p and the share in [0, 1]. */
double vg_normal_cut_quantile(double p, double mean, double sd, double lo, double hi);
double vg_normal_cut_share(double x, double mean, double sd, double lo, double hi);

/* A permutation of [0, n) named by key: the image of i < n, without memory: a Feistel network walked until it stays inside. */
uint64_t vg_permute(uint64_t i, uint64_t n, uint64_t key);

#endif
