/* Ranks by efficient non-dominated sorting (Zhang et al. 2015): in lexicographic order nobody is dominated by a later point, so each
 * point is compared with the members of fronts already found only. With two objectives the last member of a front decides alone,
 * which makes it O(n log n). */
#include "base/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

typedef struct item {
  const double *f;
  double violation;
  size_t id, m;
} item;

static int compare_items(const void *pa, const void *pb) {
  const item *a = pa, *b = pb;
  double va = fmax(a->violation, 0), vb = fmax(b->violation, 0);
  if (va != vb) return va < vb ? -1 : 1;
  for (size_t k = 0; k < a->m; k++)
    if (a->f[k] != b->f[k]) return a->f[k] < b->f[k] ? -1 : 1;
  return a->id < b->id ? -1 : a->id > b->id;
}

/* a comes before b in lexicographic order, so equality is the only other way not to be dominated. */
static int dominates(const item *a, const item *b) {
  int differs = 0;
  for (size_t k = 0; k < a->m; k++) {
    if (a->f[k] > b->f[k]) return 0;
    differs |= a->f[k] < b->f[k];
  }
  return differs;
}

typedef struct fronts {
  size_t *last;      /* newest member of each front */
  size_t *previous;  /* chain from a member to the one before it in its front */
  size_t count;
} fronts;
#define NOBODY ((size_t)-1)

static int front_dominates(const fronts *fr, size_t front, const item *items, size_t i) {
  for (size_t j = fr->last[front]; j != NOBODY; j = fr->previous[j]) {
    if (dominates(&items[j], &items[i])) return 1;
    if (items[i].m <= 2) return 0;
  }
  return 0;
}

/* The fronts that dominate a point are a prefix, so the first that does not is found by halving. */
static size_t first_free_front(const fronts *fr, const item *items, size_t i) {
  size_t lo = 0, hi = fr->count;
  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;
    if (front_dominates(fr, mid, items, i)) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

vg_status vg_pareto_check(const char *who, const double *f, size_t n, size_t m) {
  if (m == 0) return vg_fail(VG_EARG, "%s: at least one objective is needed", who);
  for (size_t i = 0; i < n * m; i++)
    if (isnan(f[i])) return vg_fail(VG_EARG, "%s: point %zu, objective %zu is NaN", who, i / m + 1, i % m + 1);
  return VG_OK;
}

static void rank_sorted(int *rank, const item *items, size_t n, fronts *fr) {
  size_t i = 0;
  for (; i < n && !(items[i].violation > 0); i++) {
    size_t front = first_free_front(fr, items, i);
    if (front == fr->count) fr->last[fr->count++] = NOBODY;
    fr->previous[i] = fr->last[front];
    fr->last[front] = i;
    rank[items[i].id] = (int)front;
  }
  int next = (int)fr->count - 1;
  for (size_t j = i; j < n; j++) {
    if (j == i || items[j].violation != items[j - 1].violation) next++;
    rank[items[j].id] = next;
  }
}

vg_status vg_pareto_rank(int *rank, const double *f, const double *violation, size_t n, size_t m) {
  VG_TRY(vg_pareto_check("pareto rank", f, n, m));
  item *items = NULL;
  size_t *links = NULL;
  vg_status status = VG_OK;
  VG_GOTO(vg_alloc((void **)&items, n * sizeof *items));
  VG_GOTO(vg_alloc((void **)&links, 2 * n * sizeof *links));
  for (size_t i = 0; i < n; i++) items[i] = (item){ f + i * m, violation ? violation[i] : 0, i, m };
  qsort(items, n, sizeof *items, compare_items);
  fronts fr = { links, links + n, 0 };
  rank_sorted(rank, items, n, &fr);
done:
  vg_free(links);
  vg_free(items);
  return status;
}

typedef struct entry {
  double value;
  int rank;
  size_t id;
} entry;

static int compare_entries(const void *pa, const void *pb) {
  const entry *a = pa, *b = pb;
  if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
  if (a->value != b->value) return a->value < b->value ? -1 : 1;
  return a->id < b->id ? -1 : a->id > b->id;
}

/* entries lo..hi-1 are one front, sorted by one objective */
static void add_gaps(double *crowding, const entry *e, size_t lo, size_t hi) {
  double range = e[hi - 1].value - e[lo].value;
  crowding[e[lo].id] = crowding[e[hi - 1].id] = INFINITY;
  if (!(range > 0) || !isfinite(range)) return;      /* a constant objective tells nobody apart */
  for (size_t i = lo + 1; i + 1 < hi; i++) crowding[e[i].id] += (e[i + 1].value - e[i - 1].value) / range;
}

vg_status vg_pareto_crowding(double *crowding, const double *f, const int *rank, size_t n, size_t m) {
  VG_TRY(vg_pareto_check("crowding", f, n, m));
  entry *e = NULL;
  VG_TRY(vg_alloc((void **)&e, n * sizeof *e));
  memset(crowding, 0, n * sizeof *crowding);
  for (size_t k = 0; k < m; k++) {
    for (size_t i = 0; i < n; i++) e[i] = (entry){ f[i * m + k], rank[i], i };
    qsort(e, n, sizeof *e, compare_entries);
    for (size_t lo = 0, hi; lo < n; lo = hi) {
      for (hi = lo + 1; hi < n && e[hi].rank == e[lo].rank; hi++) {}
      add_gaps(crowding, e, lo, hi);
    }
  }
  vg_free(e);
  return VG_OK;
}

typedef struct place {
  double crowding;
  int rank;
  size_t id;
} place;

static int compare_places(const void *pa, const void *pb) {
  const place *a = pa, *b = pb;
  if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
  if (a->crowding != b->crowding) return a->crowding > b->crowding ? -1 : 1;
  return a->id < b->id ? -1 : a->id > b->id;
}

vg_status vg_pareto_order(size_t *order, int *rank, double *crowding, const double *f, const double *violation, size_t n, size_t m) {
  place *p = NULL;
  VG_TRY(vg_pareto_rank(rank, f, violation, n, m));
  VG_TRY(vg_pareto_crowding(crowding, f, rank, n, m));
  VG_TRY(vg_alloc((void **)&p, n * sizeof *p));
  for (size_t i = 0; i < n; i++) p[i] = (place){ crowding[i], rank[i], i };
  qsort(p, n, sizeof *p, compare_places);
  for (size_t i = 0; i < n; i++) order[i] = p[i].id;
  vg_free(p);
  return VG_OK;
}
