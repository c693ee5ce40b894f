/* Many paths of a supernet on one batch, in evaluation mode, each value that several of them have in common computed once.
 *
 * The paths are taken in an order in which those with equal beginnings are neighbours, so that what is kept at one time is about the
 * activations of one path ("memos"); a memo goes when its last reader has run. When more than `memory` is kept, the oldest memos go that the
 * path at work does not read, and are computed again when a later one does. Outputs are those of vg_graph_run, to the bit.
 *
 * With `fold`, each convolution is run as a layer with the batch norm and activation behind it (vg_graph_fold does that for one network), its
 * weights made ready once for the population. That rounds otherwise than vg_graph_run, but which nodes make a layer depends on the graph alone:
 * a path has the same output, to the bit, in whatever population it stands, also alone. */
#ifndef VG_GRAPH_POPULATION_H
#define VG_GRAPH_POPULATION_H

#include "graph/graph.h"

typedef struct vg_population vg_population;

typedef struct vg_population_opts {
  size_t memory;               /* bytes of activations kept, beyond those that one path needs at a time; 0: no bound */
  bool recalibrates;           /* vg_population_calibrate will be called: batch norms have statistics of their own, and nothing is folded */
  bool fold;                   /* only in f32, and while all parameters and statistics are finite, or a NaN could be lost on its way */
} vg_population_opts;

/* slots [n][g->n_slots] is copied; `g` outlives the population, and its parameters and statistics do not change meanwhile. opts NULL: zeros.
 * VG_EARG: no paths, or one that the slots do not settle. */
VG_CHECKED vg_status vg_population_new(vg_population **out, vg_graph *g, const double *slots, int n, const vg_population_opts *opts);
void vg_population_free(vg_population *p);       /* NULL is fine */

/* Paths that compute the same are one network: these are numbered from 0. */
int vg_population_n_networks(const vg_population *p);
int vg_population_n_paths(const vg_population *p);
int vg_population_network_of(const vg_population *p, int path);

/* Gets each network's output, [N, ...], borrowed until it returns. */
typedef vg_status (*vg_population_reader)(void *to, int network, const vg_tensor *output);
/* Calls `read` once a network, in any order, with its output for the batch x [N, ...input]. VG_EINTR when interrupted; what `read` fails with. */
VG_CHECKED vg_status vg_population_run(vg_population *p, vg_tensor *x, vg_population_reader read, void *to);

/* Batch-norm statistics of each path, as a supernet that had run it alone would have them (arXiv:1904.00420): a run in training mode, batch k = 1,
 * 2, ... weighing 1/k, so that they are the plain mean over the batches. The statistics of a norm depend on what comes before it alone, so paths
 * with equal beginnings share them. They are the population's; those of the graph stay. The runs from then on read them. After a
 * failure they are undefined. */
VG_CHECKED vg_status vg_population_calibrate(vg_population *p, vg_tensor *x, int64_t k);

typedef struct vg_population_counts {
  int64_t distinct;            /* operators, additions and layers that a run without bound computes */
  int64_t alone;               /* the same, were each path run by itself */
  int64_t computed;            /* in the last run */
  int64_t macs;                /* multiply-adds of the last run, for its whole batch */
  size_t peak_bytes;           /* activations at one time in the last run, without the input */
  size_t fixed_bytes;          /* of what depends on no input and is kept: parts of weights, layers, statistics */
} vg_population_counts;
vg_population_counts vg_population_count(const vg_population *p);

#endif
