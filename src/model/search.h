/* Maximising an acquisition over the rows of a space: a pool of random rows and perturbed good ones is scored, the best of it climb, by
 * projected L-BFGS over the continuous columns where there is a slope and by one-column exchanges over the others. */
#ifndef VG_MODEL_SEARCH_H
#define VG_MODEL_SEARCH_H

#include "model/rows.h"

typedef struct vg_acquisition {
  /* out [m]: the scores of rows [m, columns], larger is better. */
  vg_status (*score)(void *ctx, double *out, const double *rows, size_t m);
  /* The score of one row and its gradient by the columns, or NULL: there is none. */
  double (*slope)(void *ctx, double *grad, const double *row);
  void *ctx;
} vg_acquisition;

typedef struct vg_search_opts {
  size_t n_random;     /* uniform rows in the pool */
  size_t n_local;      /* mutated elite rows in the pool */
  double step;         /* s.d. of a mutation's Gaussian steps in the unit interval */
  size_t n_starts;     /* rows of the pool that climb, beside the elite */
  int rounds;          /* exchanges a climb may make */
} vg_search_opts;

/* out [keep, columns]: up to `keep` rows by descending score, none of them in `seen`, no two equal; *found of them.
 *   elite [n_elite]: numbers of good rows of `seen`, the best first; they also climb.
 *   extra [n_extra, columns]: further rows for the pool (those that clauses allow), used as they are. */
VG_CHECKED vg_status vg_search_maximise(double *out, size_t *found, size_t keep, const vg_acquisition *acquisition, const vg_rows *seen,
                                        const uint32_t *elite, size_t n_elite, const double *extra, size_t n_extra,
                                        const vg_search_opts *opts, vg_rng *rng);

#endif
