/* Ranks on one machine over one piece of shared memory:
 *
 *     head | stage of rank 0 | stage of rank 1 | ... | the sum
 *
 * A sum takes two meetings: each rank has filled its stage - meet - each adds up its part of all stages into the sum - meet - all copy the sum. The
 * next call's first meeting comes after every copy, so nothing is overwritten that somebody reads.
 * Who waits looks every WAKE_MS whether all others still run: a rank that was killed is an error, not a wait without end. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "comm/backends.h"

enum { PAGE = 4096, WAKE_MS = 50 };
static const uint64_t MAGIC = 0x314d4d4f43474556;      /* "VEGCOMM1" */

typedef struct head {
  uint64_t magic;
  int32_t ranks;
  _Atomic int32_t aborted;                             /* the rank that did, + 1 */
  _Atomic uint32_t turn, arrived;                      /* meetings over; ranks at the present one */
  _Atomic int32_t pid[VG_COMM_MAX_RANKS];              /* 0: has not joined yet */
  _Atomic int32_t left[VG_COMM_MAX_RANKS];
  unsigned char small[VG_COMM_MAX_RANKS][VG_COMM_SMALL];
} head;

typedef struct world {
  head *h;
  size_t bytes;
  int rank, size;
} world;

static size_t head_bytes(void) { return (sizeof(head) + PAGE - 1) / PAGE * PAGE; }
static size_t total_bytes(int ranks) { return head_bytes() + ((size_t)ranks + 1) * VG_COMM_BUCKET * sizeof(float); }
static float *stage_of(const world *w, int rank) { return (float *)((char *)w->h + head_bytes()) + (size_t)rank * VG_COMM_BUCKET; }
static float *sum_of(const world *w) { return stage_of(w, w->size); }

/* --- making it ---------------------------------------------------------------------------------------------------------------------- */

static vg_status fill(int fd, int ranks) {
  int error = posix_fallocate(fd, 0, (off_t)total_bytes(ranks));     /* now an error, later a signal */
  if (error) return vg_fail(VG_EIO, "comm 'shm': no %zu MiB of shared memory for %d ranks: %s", total_bytes(ranks) >> 20, ranks, strerror(error));
  void *memory = mmap(NULL, head_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return vg_fail(VG_EIO, "comm 'shm': cannot map shared memory: %s", strerror(errno));
  head *h = memory;
  h->ranks = ranks;
  h->magic = MAGIC;
  munmap(memory, head_bytes());
  return VG_OK;
}

vg_status vg__comm_shm_new(int *descriptor, int ranks) {
  if (ranks < 1 || ranks > VG_COMM_MAX_RANKS) return vg_fail(VG_EARG, "comm 'shm': 1 to %d ranks, got %d", VG_COMM_MAX_RANKS, ranks);
  int fd = memfd_create("vega-comm", MFD_CLOEXEC);
  if (fd < 0) return vg_fail(VG_EIO, "comm 'shm': cannot make shared memory: %s", strerror(errno));
  vg_status s = fill(fd, ranks);
  if (s == VG_OK) *descriptor = fd;
  else close(fd);
  return s;
}

/* --- meeting ------------------------------------------------------------------------------------------------------------------------ */

static int fail(char error[VG_COMM_TEXT], const char *what, int rank) {
  snprintf(error, VG_COMM_TEXT, what, rank);
  return VG_EBACKEND;
}

static int check_others(const world *w, char error[VG_COMM_TEXT]) {
  if (w->h->aborted) return fail(error, "rank %d has aborted", w->h->aborted - 1);
  for (int r = 0; r < w->size; r++) {
    if (w->h->left[r]) return fail(error, "rank %d has left", r);
    pid_t pid = w->h->pid[r];
    if (pid && kill(pid, 0) != 0 && errno == ESRCH) return fail(error, "rank %d has ended", r);
  }
  return VG_OK;
}

static void wake_all(head *h) { syscall(SYS_futex, &h->turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }

/* Returns when all ranks are here. A request to stop (base/interrupt.h) is not looked at: the ranks would lose each other. */
static int meet(world *w, char error[VG_COMM_TEXT]) {
  const struct timespec wake = { .tv_nsec = WAKE_MS * 1000000L };
  head *h = w->h;
  uint32_t turn = h->turn;
  if (atomic_fetch_add(&h->arrived, 1) + 1 == (uint32_t)w->size) {
    h->arrived = 0;
    h->turn = turn + 1;
    wake_all(h);
    return VG_OK;
  }
  while (h->turn == turn) {
    int status = check_others(w, error);
    if (status != VG_OK && h->turn == turn) return status;        /* who left after this meeting is no failure */
    syscall(SYS_futex, &h->turn, FUTEX_WAIT, turn, &wake, NULL, 0);
  }
  return VG_OK;
}

/* --- the back end ------------------------------------------------------------------------------------------------------------------- */

static int refuse(char error[VG_COMM_TEXT], vg_status status, const char *what) {
  snprintf(error, VG_COMM_TEXT, "%s", what);
  return status;
}

static int map(world *w, int fd, char error[VG_COMM_TEXT]) {
  struct stat file;
  w->bytes = total_bytes(w->size);
  if (fstat(fd, &file) != 0 || (size_t)file.st_size != w->bytes)
    return refuse(error, VG_EBACKEND, "the shared memory of " VG_COMM_VARIABLE " is missing or of another size");
  void *memory = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return refuse(error, VG_ENOMEM, strerror(errno));
  close(fd);
  w->h = memory;
  if (w->h->magic == MAGIC && w->h->ranks == w->size) return VG_OK;
  munmap(memory, w->bytes);
  return refuse(error, VG_EBACKEND, "the shared memory of " VG_COMM_VARIABLE " is not a gang's");
}

static int join(void **state, int *rank, int *size, float **stage, char error[VG_COMM_TEXT]) {
  const char *text = getenv(VG_COMM_VARIABLE);
  world w = { 0 };
  int fd = -1;
  if (!text || sscanf(text, "shm:%d:%d:%d", &w.rank, &w.size, &fd) != 3 || w.size < 1 || w.size > VG_COMM_MAX_RANKS || w.rank < 0 || w.rank >= w.size)
    return refuse(error, VG_EARG, "this process is no rank: vega.comm.gang starts them");
  int status = map(&w, fd, error);
  if (status != VG_OK) return status;
  world *kept = malloc(sizeof *kept);
  if (!kept) {
    munmap(w.h, w.bytes);
    return refuse(error, VG_ENOMEM, "no memory");
  }
  *kept = w;
  w.h->pid[w.rank] = getpid();
  *state = kept;
  *rank = w.rank;
  *size = w.size;
  *stage = stage_of(kept, w.rank);
  return VG_OK;
}

static int gather(void *state, void *dst, const void *src, size_t bytes, char error[VG_COMM_TEXT]) {
  world *w = state;
  memcpy(w->h->small[w->rank], src, bytes);
  int status = meet(w, error);
  if (status != VG_OK) return status;
  for (int r = 0; r < w->size; r++) memcpy((char *)dst + (size_t)r * bytes, w->h->small[r], bytes);
  return meet(w, error);
}

static int sum(void *state, size_t n, char error[VG_COMM_TEXT]) {
  world *w = state;
  const float *from[VG_COMM_MAX_RANKS];
  size_t begin, end;
  int status = meet(w, error);
  if (status != VG_OK) return status;
  vg_comm_part(&begin, &end, n, w->rank, w->size);
  for (int r = 0; r < w->size; r++) from[r] = stage_of(w, r) + begin;
  vg_comm_add(sum_of(w) + begin, from, w->size, end - begin);
  status = meet(w, error);
  if (status != VG_OK) return status;
  memcpy(stage_of(w, w->rank), sum_of(w), n * sizeof(float));
  return VG_OK;
}

static int broadcast(void *state, size_t bytes, int root, char error[VG_COMM_TEXT]) {
  world *w = state;
  int status = meet(w, error);
  if (status != VG_OK) return status;
  if (w->rank != root) memcpy(stage_of(w, w->rank), stage_of(w, root), bytes);
  return meet(w, error);
}

static void stop(void *state, int code) {
  (void)code;
  world *w = state;
  w->h->aborted = w->rank + 1;
  wake_all(w->h);
}

static void leave(void *state, int broken) {
  (void)broken;
  world *w = state;
  w->h->left[w->rank] = 1;
  wake_all(w->h);
  munmap(w->h, w->bytes);
  free(w);
}

const vg_comm_backend vg__comm_shm = { VG_COMM_ABI, "shm", join, gather, sum, broadcast, stop, leave, 0 };
