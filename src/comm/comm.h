/* Processes that train one network together: each has a rank, from 0, and they exchange sums and copies.
 *
 *     single   one process alone: every call returns at once
 *     shm      the processes of a gang (gang.h) on one machine, over shared memory
 *     mpi      processes started by mpirun, on any number of machines; vega/comm_mpi.so is loaded when it is asked for
 *
 * Every function but free and abort is collective: all ranks call it, in the same order, with the same sizes. The ranks compare what they call
 * before they do it, so that a mistake is an error on all of them and no hang. After VG_EBACKEND, which says that a rank has ended or left, nothing
 * more can be exchanged. A process belongs to one world; its thread is the one that joined. */
#ifndef VG_COMM_COMM_H
#define VG_COMM_COMM_H

#include <stdint.h>

#include "comm/backend.h"

typedef struct vg_comm {
  int rank, size;
  const vg_comm_backend *backend;
  void *state;                 /* the back end's, owned */
  float *stage;                /* the back end's */
  int is_broken;
} vg_comm;

/* Joins the other ranks. `backend`: a name as above, NULL: what the process was started for, VEGA_COMM in the environment ("single" without).
 * VG_EARG for an unknown name, and for shm in a process that no gang has started; VG_EBACKEND when the library is missing or refuses. */
VG_CHECKED vg_status vg_comm_join(vg_comm **out, const char *backend);
/* Leaves: later calls of the others fail. With mpi it waits until they leave, too, or make such a call. NULL is fine. */
void vg_comm_free(vg_comm *c);
/* Ends the exchange for all ranks at once: their calls fail, and with mpi the processes end with exit code `code`, this one included. */
void vg_comm_abort(vg_comm *c, int code);

VG_CHECKED vg_status vg_comm_barrier(vg_comm *c);
/* dst [size][bytes] = src [bytes] of each rank; bytes <= VG_COMM_SMALL. */
VG_CHECKED vg_status vg_comm_gather(vg_comm *c, void *dst, const void *src, size_t bytes);

typedef enum vg_reduce { VG_SUM, VG_MIN, VG_MAX } vg_reduce;
/* *v = the sum, least or greatest of all ranks' numbers; the sum in the order of the ranks. */
VG_CHECKED vg_status vg_comm_reduce(vg_comm *c, double *v, vg_reduce how);

/* A slice of a flat buffer: elements begin to end. */
typedef struct vg_span { int64_t begin, end; } vg_span;
/* Each element of the spans = the sum over the ranks of weight * it, in the order of the ranks: the same bits on all ranks and in every run. Spans
 * are packed into buckets of 4 MiB. On failure the elements are undefined. */
VG_CHECKED vg_status vg_comm_sum(vg_comm *c, float *v, const vg_span *spans, int64_t n_spans, float weight);
/* data [bytes] of all ranks = that of rank `root`. */
VG_CHECKED vg_status vg_comm_broadcast(vg_comm *c, void *data, size_t bytes, int root);

#endif
