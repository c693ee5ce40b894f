/* A gang: processes that live and die together. They are started with posix_spawn (never forked: OpenMP's and OpenBLAS's threads do not survive that)
 * in a process group of their own, without standard input; when one ends badly all are ended, and when the starter ends they do, too. */
#ifndef VG_COMM_GANG_H
#define VG_COMM_GANG_H

#include "base/status.h"

typedef struct vg_gang vg_gang;

typedef struct vg_gang_opts {
  char *const *argv;           /* ends with NULL; argv[0] is looked for in PATH */
  int ranks;                   /* of them, over shared memory; 0: one program that starts the ranks itself (mpirun) */
  int threads;                 /* of each: OMP_NUM_THREADS */
  double patience_s;           /* between the request to end and the end by force; 0: by force at once */
} vg_gang_opts;

/* VG_EIO when a program cannot be started; those started before it are ended then. */
VG_CHECKED vg_status vg_gang_start(vg_gang **out, const vg_gang_opts *opts);
/* Waits for the end of all. *process: the one that ended badly first, from 0, -1 when all ended well; *code: its exit code, 128 + the signal that
 * ended it, or 0. VG_ETIMEDOUT after `seconds` (0: no limit), VG_EINTR when vg_interrupted is set. However it returns, no process of the gang is
 * left. */
VG_CHECKED vg_status vg_gang_wait(int *process, int *code, vg_gang *g, double seconds);
void vg_gang_free(vg_gang *g);                  /* ends what still runs; NULL is fine */

#endif
