/* Between the callers and a back end: the comparison of what the ranks call, and buckets. Invariant: a back end's function runs only after all ranks
 * have agreed on the call and its size, so that none waits for one that is elsewhere. */
#include "comm/comm.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/process.h"
#include "comm/backends.h"

typedef enum call { LEAVE, BARRIER, GATHER, REDUCE, SUM, BROADCAST } call;
static const char *const CALLS[] = { "leaves", "waits in a barrier", "gathers", "reduces a number", "sums", "broadcasts" };

typedef struct intent { int64_t call, n, detail; } intent;

static vg_status backend_failed(vg_comm *c, int status, const char *error) {
  c->is_broken = 1;
  return vg_fail((vg_status)status, "comm '%s': rank %d of %d: %s", c->backend->name, c->rank, c->size, error);
}

static vg_status disagree(vg_comm *c, const intent *mine, const intent *theirs, int rank) {
  if (theirs->call == LEAVE) {
    c->is_broken = 1;
    return vg_fail(VG_EBACKEND, "comm: rank %d has left, rank %d %s", rank, c->rank, CALLS[mine->call]);
  }
  if (theirs->call != mine->call)
    return vg_fail(VG_EARG, "comm: rank %d %s, rank %d %s", c->rank, CALLS[mine->call], rank, CALLS[theirs->call]);
  if (theirs->n != mine->n)
    return vg_fail(VG_EARG, "comm: rank %d %s %lld elements or bytes, rank %d %lld", c->rank, CALLS[mine->call], (long long)mine->n, rank,
                   (long long)theirs->n);
  return vg_fail(VG_EARG, "comm: rank %d %s with the option %lld, rank %d with %lld", c->rank, CALLS[mine->call], (long long)mine->detail, rank,
                 (long long)theirs->detail);
}

/* All ranks are about to do the same, or it is an error on each of them. */
static vg_status agree(vg_comm *c, call what, int64_t n, int64_t detail) {
  intent mine = { what, n, detail }, all[VG_COMM_MAX_RANKS];
  char error[VG_COMM_TEXT];
  if (c->is_broken) return vg_fail(VG_EBACKEND, "comm: rank %d %s, but a rank has ended or left before", c->rank, CALLS[what]);
  int status = c->backend->gather(c->state, all, &mine, sizeof mine, error);
  if (status != VG_OK) return backend_failed(c, status, error);
  for (int r = 0; r < c->size; r++)
    if (memcmp(&all[r], &mine, sizeof mine) != 0) return disagree(c, &mine, &all[r], r);
  return VG_OK;
}

/* --- joining and leaving ---------------------------------------------------------------------------------------------------------- */

static vg_status find_backend(const vg_comm_backend **out, const char *name) {
  const char *launched = getenv(VG_COMM_VARIABLE);
  if (!name) name = !launched ? "single" : strncmp(launched, "shm", 3) == 0 ? "shm" : launched;
  if (strcmp(name, "mpi") == 0) return vg__comm_load_mpi(out);
  *out = strcmp(name, "single") == 0 ? &vg__comm_single : &vg__comm_shm;
  return strcmp(name, (*out)->name) == 0 ? VG_OK : vg_fail(VG_EARG, "comm: unknown back end '%s' (known: single, shm, mpi)", name);
}

/* The variable goes, so that programs which this one starts do not take themselves for its rank. */
static void be_rank(void) {
  unsetenv(VG_COMM_VARIABLE);
  vg_process_follow_parent();
}

vg_status vg_comm_join(vg_comm **out, const char *backend) {
  char error[VG_COMM_TEXT];
  const vg_comm_backend *b;
  vg_comm *c;
  VG_TRY(find_backend(&b, backend));
  VG_TRY(VG_NEW(&c));
  c->backend = b;
  int status = b->join(&c->state, &c->rank, &c->size, &c->stage, error);
  if (status != VG_OK) {
    vg_free(c);
    return vg_fail((vg_status)status, "comm '%s': %s", b->name, error);
  }
  if (b != &vg__comm_single) be_rank();
  *out = c;
  return VG_OK;
}

void vg_comm_free(vg_comm *c) {
  if (!c) return;
  if (c->backend->leaves_together && !c->is_broken && agree(c, LEAVE, 0, 0) != VG_OK) c->is_broken = 1;
  c->backend->leave(c->state, c->is_broken);
  vg_free(c);
}

void vg_comm_abort(vg_comm *c, int code) {
  c->is_broken = 1;
  c->backend->abort(c->state, code);
}

/* --- small things ----------------------------------------------------------------------------------------------------------------- */

vg_status vg_comm_barrier(vg_comm *c) { return agree(c, BARRIER, 0, 0); }

static vg_status gather(vg_comm *c, void *dst, const void *src, size_t bytes) {
  char error[VG_COMM_TEXT];
  int status = c->backend->gather(c->state, dst, src, bytes, error);
  return status == VG_OK ? VG_OK : backend_failed(c, status, error);
}

vg_status vg_comm_gather(vg_comm *c, void *dst, const void *src, size_t bytes) {
  if (bytes > VG_COMM_SMALL) return vg_fail(VG_EARG, "comm: at most %d bytes can be gathered, got %zu", VG_COMM_SMALL, bytes);
  VG_TRY(agree(c, GATHER, (int64_t)bytes, 0));
  return gather(c, dst, src, bytes);
}

static double join(double a, double b, vg_reduce how) { return how == VG_SUM ? a + b : (how == VG_MIN ? b < a : b > a) ? b : a; }

vg_status vg_comm_reduce(vg_comm *c, double *v, vg_reduce how) {
  double all[VG_COMM_MAX_RANKS];
  VG_TRY(agree(c, REDUCE, 1, how));
  VG_TRY(gather(c, all, v, sizeof *v));
  *v = all[0];
  for (int r = 1; r < c->size; r++) *v = join(*v, all[r], how);
  return VG_OK;
}

/* --- buckets ---------------------------------------------------------------------------------------------------------------------- */

/* Where packing stands: element `at` of span `span`. */
typedef struct cursor { int64_t span, at; } cursor;
typedef void move(float *stage, float *v, int64_t n, float weight);

static void pack(float *stage, float *v, int64_t n, float weight) {
  for (int64_t i = 0; i < n; i++) stage[i] = weight * v[i];
}

static void unpack(float *stage, float *v, int64_t n, float weight) {
  (void)weight;
  memcpy(v, stage, (size_t)n * sizeof *v);
}

/* Moves between the stage and the spans until the stage is full or the spans end. @return the floats that the bucket has */
static int64_t walk(cursor *p, float *stage, float *v, const vg_span *spans, int64_t n_spans, float weight, move *one) {
  int64_t filled = 0;
  while (p->span < n_spans && filled < VG_COMM_BUCKET) {
    const vg_span *s = &spans[p->span];
    int64_t from = s->begin + p->at, n = s->end - from;
    if (n > VG_COMM_BUCKET - filled) n = VG_COMM_BUCKET - filled;
    one(stage + filled, v + from, n, weight);
    filled += n;
    p->at += n;
    if (from + n == s->end) *p = (cursor){ p->span + 1, 0 };
  }
  return filled;
}

/* One bucket after the other, once the whole backward pass is over. (The spec overlaps the two: with several paths a step a gradient is complete only
 * at the end, and where ranks share one machine's cores there is nothing to gain.) */
vg_status vg_comm_sum(vg_comm *c, float *v, const vg_span *spans, int64_t n_spans, float weight) {
  char error[VG_COMM_TEXT];
  int64_t total = 0, n;
  for (int64_t i = 0; i < n_spans; i++) total += spans[i].end - spans[i].begin;
  VG_TRY(agree(c, SUM, total, 0));
  cursor from = { 0 }, to = { 0 };
  if (c->size == 1 && weight == 1) return VG_OK;
  while ((n = walk(&from, c->stage, v, spans, n_spans, weight, pack)) > 0) {
    int status = c->backend->sum(c->state, (size_t)n, error);
    if (status != VG_OK) return backend_failed(c, status, error);
    walk(&to, c->stage, v, spans, n_spans, weight, unpack);
  }
  return VG_OK;
}

vg_status vg_comm_broadcast(vg_comm *c, void *data, size_t bytes, int root) {
  const size_t room = VG_COMM_BUCKET * sizeof(float);
  char error[VG_COMM_TEXT], *at = data;
  if (root < 0 || root >= c->size) return vg_fail(VG_EARG, "comm: broadcast from rank %d of %d", root, c->size);
  VG_TRY(agree(c, BROADCAST, (int64_t)bytes, root));
  if (c->size == 1) return VG_OK;
  for (size_t n; bytes > 0; at += n, bytes -= n) {
    n = bytes < room ? bytes : room;
    if (c->rank == root) memcpy(c->stage, at, n);
    int status = c->backend->broadcast(c->state, n, root, error);
    if (status != VG_OK) return backend_failed(c, status, error);
    memcpy(at, c->stage, n);
  }
  return VG_OK;
}
