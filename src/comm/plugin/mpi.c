/* The back end over MPI, any implementation of it: built as a module of its own, see backend.h. MPI promises no order of a sum, so the addition is
 * ours: each rank gets its part of everybody's stage, adds in the order of the ranks, and gives the sum to all. That moves as much as the best
 * all-reduce does. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "comm/backend.h"

typedef struct world {
  int rank, size;
  float *stage, *parts;           /* [VG_COMM_BUCKET + size] each: room for parts that do not divide */
} world;

static int check(int code, char error[VG_COMM_TEXT]) {
  char text[MPI_MAX_ERROR_STRING];
  int n;
  if (code == MPI_SUCCESS) return VG_OK;
  MPI_Error_string(code, text, &n);
  snprintf(error, VG_COMM_TEXT, "%.*s", VG_COMM_TEXT - 1, text);
  return VG_EBACKEND;
}

static void free_world(world *w) {
  free(w->stage);
  free(w->parts);
  free(w);
}

static int no_memory(char error[VG_COMM_TEXT]) {
  snprintf(error, VG_COMM_TEXT, "no memory");
  return VG_ENOMEM;
}

static int make(world **out, char error[VG_COMM_TEXT]) {
  world *w = calloc(1, sizeof *w);
  if (!w) return no_memory(error);
  MPI_Comm_rank(MPI_COMM_WORLD, &w->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &w->size);
  size_t room = VG_COMM_BUCKET + (size_t)w->size;
  w->stage = calloc(room, sizeof *w->stage);
  w->parts = malloc(room * sizeof *w->parts);
  if (w->stage && w->parts) {
    *out = w;
    return VG_OK;
  }
  free_world(w);
  return no_memory(error);
}

static int join(void **state, int *rank, int *size, float **stage, char error[VG_COMM_TEXT]) {
  int ready, provided, status;
  world *w;
  MPI_Initialized(&ready);
  if (ready) {
    snprintf(error, VG_COMM_TEXT, "MPI cannot be joined twice in a process");
    return VG_EARG;
  }
  status = check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), error);
  if (status != VG_OK) return status;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  status = make(&w, error);
  if (status != VG_OK) return status;
  if (w->size > VG_COMM_MAX_RANKS) {
    snprintf(error, VG_COMM_TEXT, "at most %d ranks, got %d", VG_COMM_MAX_RANKS, w->size);
    free_world(w);
    return VG_EARG;
  }
  *state = w;
  *rank = w->rank;
  *size = w->size;
  *stage = w->stage;
  return VG_OK;
}

static int gather(void *state, void *dst, const void *src, size_t bytes, char error[VG_COMM_TEXT]) {
  (void)state;
  return check(MPI_Allgather(src, (int)bytes, MPI_BYTE, dst, (int)bytes, MPI_BYTE, MPI_COMM_WORLD), error);
}

static int sum(void *state, size_t n, char error[VG_COMM_TEXT]) {
  world *w = state;
  const float *from[VG_COMM_MAX_RANKS];
  int each = (int)((n + (size_t)w->size - 1) / (size_t)w->size);
  int status = check(MPI_Alltoall(w->stage, each, MPI_FLOAT, w->parts, each, MPI_FLOAT, MPI_COMM_WORLD), error);
  if (status != VG_OK) return status;
  for (int r = 0; r < w->size; r++) from[r] = w->parts + (size_t)r * (size_t)each;
  vg_comm_add(w->parts, from, w->size, (size_t)each);
  return check(MPI_Allgather(w->parts, each, MPI_FLOAT, w->stage, each, MPI_FLOAT, MPI_COMM_WORLD), error);
}

static int broadcast(void *state, size_t bytes, int root, char error[VG_COMM_TEXT]) {
  world *w = state;
  return check(MPI_Bcast(w->stage, (int)bytes, MPI_BYTE, root, MPI_COMM_WORLD), error);
}

static void stop(void *state, int code) {
  (void)state;
  MPI_Abort(MPI_COMM_WORLD, code);
}

/* MPI_Finalize would wait for ranks that are not coming. */
static void leave(void *state, int broken) {
  free_world(state);
  if (broken) MPI_Abort(MPI_COMM_WORLD, 1);
  else MPI_Finalize();
}

extern const vg_comm_backend vg_comm_plugin;
const vg_comm_backend vg_comm_plugin = { VG_COMM_ABI, "mpi", join, gather, sum, broadcast, stop, leave, 1 };
