/* Hypervolume. Up to three objectives: a sweep along the last axis that keeps the staircase of the other two and its area.
 * More: sorted by the last objective, worst first, what a point dominates alone among the points behind it is a slab along that objective,
 * (ref - p) times the same question with one objective less about the others limited to the point's own box: WFG with slicing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pareto.h"

typedef struct point {
  double x, y, z;
} point;

/* One allocation serves all levels of the recursion: rows[k] holds points of k objectives. */
typedef struct work {
  const double *ref;
  double **rows;
  point *points, *stairs;
} work;

static int compare_z(const void *pa, const void *pb) {
  const point *a = pa, *b = pb;
  return a->z < b->z ? -1 : a->z > b->z;
}

/* Keeps stairs[0..*n) sorted by x ascending, y strictly descending; returns the area that p adds below (rx, ry). */
static double add_stair(point *stairs, size_t *n, point p, double rx, double ry) {
  size_t at = 0;
  while (at < *n && stairs[at].x < p.x) at++;
  double y = at > 0 ? stairs[at - 1].y : ry, x = p.x, added = 0;
  if (y <= p.y || (at < *n && stairs[at].x == p.x && stairs[at].y <= p.y)) return 0;
  size_t end = at;
  for (; end < *n && stairs[end].y >= p.y; end++) {
    added += (stairs[end].x - x) * (y - p.y);
    x = stairs[end].x;
    y = stairs[end].y;
  }
  added += ((end < *n ? stairs[end].x : rx) - x) * (y - p.y);
  memmove(stairs + at + 1, stairs + end, (*n - end) * sizeof *stairs);
  stairs[at] = p;
  *n += 1 + at - end;
  return added;
}

/* The points must be sorted by z. */
static double sweep(const work *w, const point *p, size_t n, double rx, double ry, double rz) {
  double area = 0, volume = 0;
  size_t steps = 0;
  for (size_t i = 0; i < n; i++) {
    area += add_stair(w->stairs, &steps, p[i], rx, ry);
    volume += area * ((i + 1 < n ? p[i + 1].z : rz) - p[i].z);
  }
  return volume;
}

/* With fewer than three objectives the missing axes have the points at 0 and the reference at 1. */
static double flat_volume(const work *w, const double *rows, size_t n, size_t m) {
  for (size_t i = 0; i < n; i++) {
    const double *r = rows + i * m;
    w->points[i] = (point){ r[0], m > 1 ? r[1] : 0, m > 2 ? r[2] : 0 };
  }
  if (m > 2) qsort(w->points, n, sizeof *w->points, compare_z);
  return sweep(w, w->points, n, w->ref[0], m > 1 ? w->ref[1] : 1, m > 2 ? w->ref[2] : 1);
}

static int weakly_dominates(const double *a, const double *b, size_t m) {
  for (size_t k = 0; k < m; k++)
    if (a[k] > b[k]) return 0;
  return 1;
}

/* Appends p to the mutually non-dominated rows unless one of them is as good; drops those that p beats. Returns the new count. */
static size_t add_front(double *rows, size_t n, const double *p, size_t m) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++)
    if (weakly_dominates(rows + i * m, p, m)) return n;
  for (size_t i = 0; i < n; i++) {
    if (weakly_dominates(p, rows + i * m, m)) continue;
    if (kept < i) memcpy(rows + kept * m, rows + i * m, m * sizeof *rows);
    kept++;
  }
  memcpy(rows + kept * m, p, m * sizeof *rows);
  return kept + 1;
}

static int compare_last(const void *pa, const void *pb, void *m) {
  double a = ((const double *)pa)[*(size_t *)m - 1], b = ((const double *)pb)[*(size_t *)m - 1];
  return a > b ? -1 : a < b;
}

static double box(const work *w, const double *p, size_t m) {
  double volume = 1;
  for (size_t k = 0; k < m; k++) volume *= w->ref[k] - p[k];
  return volume;
}

/* The others limited to p's box (each coordinate the worse of the two), their first m objectives; only the front of them is kept. */
static size_t limit(const work *w, const double *p, const double *others, size_t n, size_t stride, size_t m) {
  size_t count = 0;
  double limited[m];
  for (size_t j = 0; j < n; j++) {
    for (size_t k = 0; k < m; k++) limited[k] = fmax(others[j * stride + k], p[k]);
    count = add_front(w->rows[m], count, limited, m);
  }
  return count;
}

/* Sorts rows in place. */
static double volume_of(const work *w, double *rows, size_t n, size_t m) {
  if (m <= 3) return flat_volume(w, rows, n, m);
  double sum = 0;
  qsort_r(rows, n, m * sizeof *rows, compare_last, &m);
  for (size_t i = 0; i < n; i++) {
    const double *p = rows + i * m;
    size_t count = limit(w, p, p + m, n - i - 1, m, m - 1);
    sum += (w->ref[m - 1] - p[m - 1]) * (box(w, p, m - 1) - volume_of(w, w->rows[m - 1], count, m - 1));
  }
  return sum;
}

static int is_below(const double *p, const double *ref, size_t m) {
  for (size_t k = 0; k < m; k++)
    if (!(p[k] < ref[k])) return 0;
  return 1;
}

static void work_deinit(work *w, size_t m) {
  if (w->rows)
    for (size_t k = 0; k <= m; k++) vg_free(w->rows[k]);
  vg_free(w->rows);
  vg_free(w->points);
}

static vg_status work_init(work *w, const double *ref, size_t n, size_t m) {
  *w = (work){ .ref = ref };
  VG_TRY(vg_alloc_zero((void **)&w->rows, (m + 1) * sizeof *w->rows));
  VG_TRY(vg_alloc((void **)&w->points, 2 * (n + 1) * sizeof *w->points));
  w->stairs = w->points + n + 1;
  for (size_t k = m < 3 ? m : 3; k <= m; k++) VG_TRY(vg_alloc((void **)&w->rows[k], (n + 1) * k * sizeof(double)));
  return VG_OK;
}

/* With two or three objectives the sweep itself ignores what is dominated; above, only the front enters the recursion. */
static size_t gather(const work *w, const double *f, size_t n, size_t m) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (!is_below(f + i * m, w->ref, m)) continue;
    if (m > 3) count = add_front(w->rows[m], count, f + i * m, m);
    else memcpy(w->rows[m] + count++ * m, f + i * m, m * sizeof *f);
  }
  return count;
}

vg_status vg_pareto_hypervolume(double *volume, const double *f, const double *ref, size_t n, size_t m) {
  work w;
  vg_status status = VG_OK;
  VG_TRY(vg_pareto_check("hypervolume", f, n, m));
  VG_TRY(vg_pareto_check("hypervolume, reference", ref, 1, m));
  VG_GOTO(work_init(&w, ref, n, m));
  *volume = volume_of(&w, w.rows[m], gather(&w, f, n, m), m);
done:
  work_deinit(&w, m);
  return status;
}

/* What the others leave of p's box, from points sorted by z: limiting keeps that order, so one sort serves all. */
static double exclusive_flat(const work *w, const point *sorted, size_t n, size_t skip, const double *ref) {
  point p = sorted[skip];
  size_t count = 0;
  for (size_t j = 0; j < n; j++)
    if (j != skip) w->points[count++] = (point){ fmax(sorted[j].x, p.x), fmax(sorted[j].y, p.y), fmax(sorted[j].z, p.z) };
  return (ref[0] - p.x) * (ref[1] - p.y) * (ref[2] - p.z) - sweep(w, w->points, count, ref[0], ref[1], ref[2]);
}

typedef struct tagged {
  point p;                      /* first, so that compare_x and compare_z see it */
  size_t id;
} tagged;

/* Two objectives, nobody dominated, sorted by x: each point's own corner between its two neighbours. 0 when somebody is dominated. */
static int contributions_chain(double *contribution, tagged *t, size_t n, const double *ref) {
  for (size_t i = 0; i + 1 < n; i++)
    if (!(t[i].p.x < t[i + 1].p.x && t[i].p.y > t[i + 1].p.y)) return 0;
  for (size_t i = 0; i < n; i++)
    contribution[t[i].id] = ((i + 1 < n ? t[i + 1].p.x : ref[0]) - t[i].p.x) * ((i > 0 ? t[i - 1].p.y : ref[1]) - t[i].p.y);
  return 1;
}

static int compare_x(const void *pa, const void *pb) {
  const point *a = pa, *b = pb;
  return a->x < b->x ? -1 : a->x > b->x;
}

static vg_status contributions_flat(double *contribution, const work *w, const double *f, size_t n, size_t m) {
  double ref[3] = { 1, 1, 1 };
  tagged *t = NULL;
  point *sorted = NULL;
  vg_status status = VG_OK;
  size_t count = 0;
  VG_GOTO(vg_alloc((void **)&t, n * sizeof *t));
  VG_GOTO(vg_alloc((void **)&sorted, n * sizeof *sorted));
  memcpy(ref, w->ref, m * sizeof *ref);
  for (size_t i = 0; i < n; i++) {
    const double *r = f + i * m;
    if (is_below(r, w->ref, m)) t[count++] = (tagged){ { r[0], m > 1 ? r[1] : 0, m > 2 ? r[2] : 0 }, i };
  }
  qsort(t, count, sizeof *t, m == 2 ? compare_x : compare_z);
  if (m == 2 && contributions_chain(contribution, t, count, ref)) goto done;
  for (size_t i = 0; i < count; i++) sorted[i] = t[i].p;
  for (size_t i = 0; i < count; i++) contribution[t[i].id] = fmax(0, exclusive_flat(w, sorted, count, i, ref));
done:
  vg_free(sorted);
  vg_free(t);
  return status;
}

static void contributions_wfg(double *contribution, const work *w, const double *f, size_t n, size_t m) {
  double limited[m];
  for (size_t i = 0; i < n; i++) {
    const double *p = f + i * m;
    if (!is_below(p, w->ref, m)) continue;
    size_t count = 0;
    for (size_t j = 0; j < n; j++) {
      if (j == i || !is_below(f + j * m, w->ref, m)) continue;
      for (size_t k = 0; k < m; k++) limited[k] = fmax(f[j * m + k], p[k]);
      count = add_front(w->rows[m], count, limited, m);
    }
    contribution[i] = fmax(0, box(w, p, m) - volume_of(w, w->rows[m], count, m));
  }
}

vg_status vg_pareto_contributions(double *contribution, const double *f, const double *ref, size_t n, size_t m) {
  work w;
  vg_status status = VG_OK;
  VG_TRY(vg_pareto_check("contributions", f, n, m));
  VG_TRY(vg_pareto_check("contributions, reference", ref, 1, m));
  VG_GOTO(work_init(&w, ref, n, m));
  memset(contribution, 0, n * sizeof *contribution);
  if (m <= 3) VG_GOTO(contributions_flat(contribution, &w, f, n, m));
  else contributions_wfg(contribution, &w, f, n, m);
done:
  work_deinit(&w, m);
  return status;
}

static double square_distance(const double *a, const double *b, size_t m) {
  double sum = 0;
  for (size_t k = 0; k < m; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

/* The distance from p to the nearest of the points, itself (place `skip`) apart. */
static double nearest(const double *p, const double *f, size_t n, size_t m, size_t skip) {
  double least = INFINITY;
  for (size_t i = 0; i < n; i++)
    if (i != skip) least = fmin(least, square_distance(p, f + i * m, m));
  return sqrt(least);
}

/* Generalised spread: uneven gaps between neighbours, and how far the ends of the target are from the points. */
static double spread(const double *f, size_t n, const double *target, size_t n_target, size_t m) {
  double ends = 0, mean = 0, uneven = 0;
  for (size_t k = 0; k < m; k++) {
    size_t end = 0;
    for (size_t t = 1; t < n_target; t++)
      if (target[t * m + k] > target[end * m + k]) end = t;
    ends += nearest(target + end * m, f, n, m, n);
  }
  if (n < 2) return 1;
  for (size_t i = 0; i < n; i++) mean += nearest(f + i * m, f, n, m, i) / (double)n;
  for (size_t i = 0; i < n; i++) uneven += fabs(nearest(f + i * m, f, n, m, i) - mean);
  double all = ends + (double)n * mean;
  return all > 0 ? (ends + uneven) / all : 0;
}

vg_status vg_pareto_distance(vg_distance *d, const double *f, size_t n, const double *target, size_t n_target, size_t m) {
  if (n == 0 || n_target == 0) return vg_fail(VG_EARG, "distance to a front: no %s given", n == 0 ? "points are" : "target is");
  VG_TRY(vg_pareto_check("distance to a front", f, n, m));
  VG_TRY(vg_pareto_check("distance to a front, targets", target, n_target, m));
  vg_distance sum = { .epsilon = -INFINITY };
  for (size_t t = 0; t < n_target; t++) {
    double near = INFINITY, near_plus = INFINITY, shift = INFINITY;
    for (size_t i = 0; i < n; i++) {
      double square = 0, square_plus = 0, worst = -INFINITY;
      for (size_t k = 0; k < m; k++) {
        double gap = f[i * m + k] - target[t * m + k];
        square += gap * gap;
        if (gap > 0) square_plus += gap * gap;
        worst = fmax(worst, gap);
      }
      near = fmin(near, square);
      near_plus = fmin(near_plus, square_plus);
      shift = fmin(shift, worst);
    }
    sum.igd += sqrt(near);
    sum.igd_plus += sqrt(near_plus);
    sum.epsilon = fmax(sum.epsilon, shift);
  }
  *d = (vg_distance){ sum.igd / (double)n_target, sum.igd_plus / (double)n_target, sum.epsilon, spread(f, n, target, n_target, m) };
  return VG_OK;
}
