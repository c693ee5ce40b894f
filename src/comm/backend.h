/* What a back end of the communicator offers: one table of functions. The plug-in for MPI sees this file and nothing else of the engine, so that it
 * loads into the program and into a stock Lua alike.
 *
 * Every function returns a vg_status; on failure `error` has the reason. All are collective: every rank calls them, in the same order and with the
 * same sizes, which comm.c has made sure of. Large things pass through the rank's own stage:
 *
 *     stage  | up to VG_COMM_BUCKET floats | */
#ifndef VG_COMM_BACKEND_H
#define VG_COMM_BACKEND_H

#include <stddef.h>

#include "base/status.h"

enum {
  VG_COMM_ABI = 1,
  VG_COMM_BUCKET = 1 << 20,     /* floats: 4 MiB */
  VG_COMM_SMALL = 256,          /* bytes that gather moves at most */
  VG_COMM_MAX_RANKS = 64,
  VG_COMM_TEXT = 256
};

typedef struct vg_comm_backend {
  int abi;                      /* VG_COMM_ABI */
  const char *name;
  /* *state is passed to the others; *stage lives until leave. */
  int (*join)(void **state, int *rank, int *size, float **stage, char error[VG_COMM_TEXT]);
  /* dst [size][bytes] = src [bytes] of each rank. */
  int (*gather)(void *state, void *dst, const void *src, size_t bytes, char error[VG_COMM_TEXT]);
  /* The first n floats of every stage = their sum over the ranks, added in the order of the ranks. */
  int (*sum)(void *state, size_t n, char error[VG_COMM_TEXT]);
  /* The first `bytes` of every stage = those of root's. */
  int (*broadcast)(void *state, size_t bytes, int root, char error[VG_COMM_TEXT]);
  /* Makes calls of the other ranks that wait, and later ones, fail. May end this process with `code`. */
  void (*abort)(void *state, int code);
  /* Frees the state. broken: the ranks are not all here any more. Calls of ranks that stay fail, unless leaves_together is set: then all leave, or
   * one is broken. */
  void (*leave)(void *state, int broken);
  int leaves_together;
} vg_comm_backend;

/* dst [n] = the sum of src[0..n_src-1] [n], from left to right: the same bits whoever computes it. dst may be one of the sources. */
static inline void vg_comm_add(float *dst, const float *const *src, int n_src, size_t n) {
  enum { BLOCK = 1024 };
  float sum[BLOCK];
  for (size_t at = 0; at < n; at += BLOCK) {
    size_t m = n - at < BLOCK ? n - at : BLOCK;
    for (size_t i = 0; i < m; i++) sum[i] = src[0][at + i];
    for (int k = 1; k < n_src; k++)
      for (size_t i = 0; i < m; i++) sum[i] += src[k][at + i];
    for (size_t i = 0; i < m; i++) dst[at + i] = sum[i];
  }
}

/* The part of n elements that `rank` adds up: *begin to *end. */
static inline void vg_comm_part(size_t *begin, size_t *end, size_t n, int rank, int size) {
  size_t each = (n + (size_t)size - 1) / (size_t)size;
  *begin = each * (size_t)rank < n ? each * (size_t)rank : n;
  *end = *begin + each < n ? *begin + each : n;
}

#endif
