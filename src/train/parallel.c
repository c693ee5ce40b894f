/* loss = sum over the ranks of (samples of the rank / samples of all) * its loss, and so the gradients: a rank's are multiplied by its share as they
 * are packed, and added in the order of the ranks. Dropout draws other masks on each rank; batch norms have the statistics of their rank's part. (The
 * spec has an option sync_bn for those of the whole batch: each norm, and its recomputation on the way back, would wait for all ranks. Not built.) */
#include "train/parallel.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/hash.h"

/* What the ranks tell each other of a step. */
typedef struct part {
  int64_t samples;
  uint64_t paths;
  double loss;
  int32_t status;
  char message[VG_COMM_SMALL - 28];
} part;
_Static_assert(sizeof(part) <= VG_COMM_SMALL, "gather moves a part in one piece");

static uint64_t hash_paths(const vg_graph *g, const vg_paths *paths) {
  const double *slots = paths->slots ? paths->slots : g->slot;
  size_t n = (size_t)(paths->slots ? paths->n : 1) * (size_t)g->n_slots;
  return vg_hash_fnv(vg_hash_fnv(VG_FNV_START, &paths->n, sizeof paths->n), slots, n * sizeof *slots);
}

/* (The spec compares paths in debug builds only. The hash is one of a few bytes that travel anyway.) */
static vg_status check(const part *all, const vg_comm *c, int64_t step) {
  for (int r = 0; r < c->size; r++)
    if (all[r].status != VG_OK) return vg_fail((vg_status)all[r].status, "%s (rank %d)", all[r].message, r);
  for (int r = 1; r < c->size; r++)
    if (all[r].paths != all[0].paths)
      return vg_fail(VG_EARG, "train: at step %lld rank %d trains other paths than rank 0: same seed and sampler on all ranks?",
                     (long long)step + 1, r);
  return VG_OK;
}

/* The touched slices; neighbours join. */
static int64_t list_touched(vg_span *spans, const vg_graph *g) {
  int64_t n = 0;
  for (int i = 0; i < g->n; i++) {
    const vg_node *d = &g->nodes[i];
    if (d->kind != VG_NODE_PARAM || !d->tensor->wants_grad || !d->tensor->grad || d->tensor->grad_stale) continue;
    int64_t end = d->offset + vg_shape_count(&d->shape);
    if (n > 0 && spans[n - 1].end == d->offset) spans[n - 1].end = end;
    else spans[n++] = (vg_span){ d->offset, end };
  }
  return n;
}

static vg_status sum_gradients(vg_trainer *t, float share) {
  vg_span *spans;
  VG_TRY(vg_alloc((void **)&spans, (size_t)t->g->n * sizeof *spans));
  vg_status s = vg_comm_sum(t->opts.comm, vg_f32(t->g->grads), spans, list_touched(spans, t->g), share);
  vg_free(spans);
  return s;
}

vg_status vg__trainer_join_ranks(double *loss, vg_trainer *t, vg_status local, int64_t samples, const vg_paths *paths) {
  vg_comm *c = t->opts.comm;
  part all[VG_COMM_MAX_RANKS], mine = { .samples = samples, .paths = hash_paths(t->g, paths), .status = local };
  if (local == VG_OK) mine.loss = *loss;
  else snprintf(mine.message, sizeof mine.message, "%s", vg_message());
  VG_TRY(vg_comm_gather(c, all, &mine, sizeof mine));
  VG_TRY(check(all, c, t->step));
  int64_t total = 0;
  double sum = 0;
  for (int r = 0; r < c->size; r++) total += all[r].samples;
  for (int r = 0; r < c->size; r++) sum += all[r].loss * ((double)all[r].samples / (double)total);
  VG_TRY(sum_gradients(t, (float)samples / (float)total));
  *loss = sum;
  return VG_OK;
}
