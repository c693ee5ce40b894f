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

typedef struct trail {           /* the last two members of a front that a walk along one objective has met, and that front's ends */
  size_t before, last;
  double low, high;
} trail;

struct vg_crowd {
  size_t m, n, room;
  double *f, *violation, *crowding; /* [room, m], [room], [room] */
  int *rank;                        /* [room] */
  size_t *lexical, *by;             /* [room] in the order of compare_items; [m, room] by each objective, equals by index */
  item *items;                      /* scratch: [room], */
  size_t *links;                    /* [2 * room], */
  trail *trails;                    /* [room] */
};

void vg_crowd_free(vg_crowd *c) {
  if (!c) return;
  void *parts[] = { c->f, c->violation, c->crowding, c->rank, c->lexical, c->by, c->items, c->links, c->trails };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) vg_free(parts[i]);
  vg_free(c);
}

/* Room for `room` members; the number is fixed so that nothing moves later. */
static vg_status reserve(vg_crowd *c) {
  size_t room = c->room;
  VG_TRY(vg_alloc((void **)&c->f, room * c->m * sizeof *c->f));
  VG_TRY(vg_alloc((void **)&c->violation, room * sizeof *c->violation));
  VG_TRY(vg_alloc((void **)&c->crowding, room * sizeof *c->crowding));
  VG_TRY(vg_alloc((void **)&c->rank, room * sizeof *c->rank));
  VG_TRY(vg_alloc((void **)&c->lexical, room * sizeof *c->lexical));
  VG_TRY(vg_alloc((void **)&c->by, room * c->m * sizeof *c->by));
  VG_TRY(vg_alloc((void **)&c->items, room * sizeof *c->items));
  VG_TRY(vg_alloc((void **)&c->trails, room * sizeof *c->trails));
  return vg_alloc((void **)&c->links, 2 * room * sizeof *c->links);
}

vg_status vg_crowd_new(vg_crowd **out, size_t m, size_t room) {
  if (m == 0 || room == 0) return vg_fail(VG_EARG, "crowd: at least one objective and room for one member are needed");
  vg_crowd *c = NULL;
  VG_TRY(VG_NEW(&c));
  c->m = m;
  c->room = room;
  vg_status s = reserve(c);
  if (s != VG_OK) vg_crowd_free(c);
  else *out = c;
  return s;
}

size_t vg_crowd_count(const vg_crowd *c) { return c->n; }
size_t vg_crowd_objectives(const vg_crowd *c) { return c->m; }
int vg_crowd_rank(const vg_crowd *c, size_t i) { return c->rank[i]; }
double vg_crowd_distance(const vg_crowd *c, size_t i) { return c->crowding[i]; }

static item item_of(const vg_crowd *c, size_t i) { return (item){ c->f + i * c->m, c->violation[i], i, c->m }; }

static void insert_at(size_t *list, size_t n, size_t at, size_t value) {
  memmove(list + at + 1, list + at, (n - at) * sizeof *list);
  list[at] = value;
}

/* The new member has the largest index, so it goes behind its equals. */
static void insert_lexical(vg_crowd *c, size_t i) {
  item own = item_of(c, i);
  size_t lo = 0, hi = i;
  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;
    item other = item_of(c, c->lexical[mid]);
    if (compare_items(&other, &own) < 0) lo = mid + 1;
    else hi = mid;
  }
  insert_at(c->lexical, i, lo, i);
}

static void insert_by(vg_crowd *c, size_t i, size_t k) {
  size_t *by = c->by + k * c->room, lo = 0, hi = i;
  double own = c->f[i * c->m + k];
  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;
    if (c->f[by[mid] * c->m + k] <= own) lo = mid + 1;
    else hi = mid;
  }
  insert_at(by, i, lo, i);
}

vg_status vg_crowd_add(vg_crowd *c, const double *f, double violation) {
  VG_TRY(vg_pareto_check("crowd", f, 1, c->m));
  if (c->n == c->room) return vg_fail(VG_EARG, "crowd: there is room for %zu members", c->room);
  size_t i = c->n;
  memcpy(c->f + i * c->m, f, c->m * sizeof *f);
  c->violation[i] = violation;
  insert_lexical(c, i);
  for (size_t k = 0; k < c->m; k++) insert_by(c, i, k);
  c->rank[i] = 0;
  c->crowding[i] = 0;
  c->n++;
  return VG_OK;
}

static void forget(size_t *list, size_t n, size_t i) {
  size_t kept = 0;
  for (size_t j = 0; j < n; j++)
    if (list[j] != i) list[kept++] = list[j] - (list[j] > i);
}

static void crowd_remove(vg_crowd *c, size_t i) {
  size_t after = c->n - i - 1;
  forget(c->lexical, c->n, i);
  for (size_t k = 0; k < c->m; k++) forget(c->by + k * c->room, c->n, i);
  memmove(c->f + i * c->m, c->f + (i + 1) * c->m, after * c->m * sizeof *c->f);
  memmove(c->violation + i, c->violation + i + 1, after * sizeof *c->violation);
  memmove(c->crowding + i, c->crowding + i + 1, after * sizeof *c->crowding);
  memmove(c->rank + i, c->rank + i + 1, after * sizeof *c->rank);
  c->n--;
}

/* One objective of all fronts at once: the members come in its order, each front remembers where it was. */
static void add_front_gaps(vg_crowd *c, size_t k, int n_fronts) {
  const size_t *by = c->by + k * c->room;
  const double *f = c->f + k;
  for (int r = 0; r < n_fronts; r++) c->trails[r] = (trail){ NOBODY, NOBODY, 0, 0 };
  for (size_t j = 0; j < c->n; j++) {
    trail *t = &c->trails[c->rank[by[j]]];
    t->high = f[by[j] * c->m];
    if (t->last == NOBODY) {
      t->low = t->high;
      c->crowding[by[j]] = INFINITY;
    }
    t->last = by[j];
  }
  for (int r = 0; r < n_fronts; r++) {
    c->crowding[c->trails[r].last] = INFINITY;
    c->trails[r].last = NOBODY;
  }
  for (size_t j = 0; j < c->n; j++) {
    trail *t = &c->trails[c->rank[by[j]]];
    double range = t->high - t->low;
    if (t->before != NOBODY && range > 0 && isfinite(range)) c->crowding[t->last] += (f[by[j] * c->m] - f[t->before * c->m]) / range;
    t->before = t->last;
    t->last = by[j];
  }
}

static void appraise(vg_crowd *c) {
  fronts fr = { c->links, c->links + c->room, 0 };
  for (size_t j = 0; j < c->n; j++) c->items[j] = item_of(c, c->lexical[j]);
  rank_sorted(c->rank, c->items, c->n, &fr);
  int n_fronts = 0;
  for (size_t i = 0; i < c->n; i++) {
    if (c->rank[i] >= n_fronts) n_fronts = c->rank[i] + 1;
    c->crowding[i] = 0;
  }
  for (size_t k = 0; k < c->m; k++) add_front_gaps(c, k, n_fronts);
}

int vg_crowd_before(const vg_crowd *c, size_t i, size_t j) {
  if (c->rank[i] != c->rank[j]) return c->rank[i] < c->rank[j];
  if (c->crowding[i] != c->crowding[j]) return c->crowding[i] > c->crowding[j];
  return i < j;
}

size_t vg_crowd_cut(size_t *removed, vg_crowd *c, size_t capacity) {
  size_t count = 0;
  appraise(c);
  while (c->n > capacity) {
    size_t worst = 0;
    for (size_t i = 1; i < c->n; i++)
      if (vg_crowd_before(c, worst, i)) worst = i;
    crowd_remove(c, worst);
    removed[count++] = worst;
  }
  return count;
}
