/* The frame: the ideal point is a running minimum, the nadir comes from the hyperplane through the extreme points, or from the worst of
 * the first front where that plane is of no use. Distances to the directions are taken in the frame [0, 1]^m. */
#include "base/niche.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

struct vg_niche {
  size_t n, m;
  double *direction, *along;     /* [m, n], unit length, coordinate by coordinate; [n], scratch */
  double *ideal, *worst, *nadir; /* [m] */
  double *extreme;               /* [m, m], row k: the point that lies farthest along axis k */
  int has_extreme, has_frame;
};

enum { AXIS_PENALTY = 1000000 };
static const double TINY = 1e-6;

size_t vg_das_dennis_count(size_t m, size_t divisions) {
  size_t count = 1;
  for (size_t i = 1; i < m; i++) {
    if (count > SIZE_MAX / (divisions + i)) return SIZE_MAX;
    count = count * (divisions + i) / i;
  }
  return count;
}

static double *fill_directions(double *row, double *prefix, size_t k, size_t m, size_t left, size_t divisions) {
  if (k + 1 == m) {
    prefix[k] = (double)left / (double)divisions;
    memcpy(row, prefix, m * sizeof *row);
    return row + m;
  }
  for (size_t take = left + 1; take-- > 0;) {
    prefix[k] = (double)take / (double)divisions;
    row = fill_directions(row, prefix, k + 1, m, left - take, divisions);
  }
  return row;
}

void vg_das_dennis(double *points, size_t m, size_t divisions) {
  double prefix[m];
  fill_directions(points, prefix, 0, m, divisions, divisions);
}

void vg_niche_free(vg_niche *niche) {
  if (niche) vg_free(niche->direction);
  vg_free(niche);
}

size_t vg_niche_objectives(const vg_niche *niche) { return niche->m; }

vg_status vg_niche_new(vg_niche **out, const double *direction, size_t n, size_t m) {
  if (n == 0 || m == 0) return vg_fail(VG_EARG, "niching: at least 1 objective and 1 direction are needed, got %zu and %zu", m, n);
  vg_niche *niche = NULL;
  vg_status status = VG_OK;
  VG_GOTO(VG_NEW(&niche));
  VG_GOTO(vg_alloc_zero((void **)&niche->direction, ((n + 3 + m) * m + n) * sizeof(double)));
  *niche = (vg_niche){ .n = n, .m = m, .direction = niche->direction, .ideal = niche->direction + n * m };
  niche->worst = niche->ideal + m;
  niche->nadir = niche->worst + m;
  niche->extreme = niche->nadir + m;
  niche->along = niche->extreme + m * m;
  for (size_t i = 0; i < n; i++) {
    double square = 0;
    for (size_t k = 0; k < m; k++) square += direction[i * m + k] * direction[i * m + k];
    if (!(square > 0) || !isfinite(square)) VG_GOTO(vg_fail(VG_EARG, "niching: direction %zu has no length", i + 1));
    for (size_t k = 0; k < m; k++) niche->direction[k * n + i] = direction[i * m + k] / sqrt(square);
  }
  for (size_t k = 0; k < m; k++) {
    niche->ideal[k] = INFINITY;
    niche->worst[k] = -INFINITY;
  }
  *out = niche;
  niche = NULL;
done:
  vg_niche_free(niche);
  return status;
}

/* Small where p lies along `axis` as seen from the ideal point. */
static double achievement(const vg_niche *niche, const double *p, size_t axis) {
  double most = -INFINITY;
  for (size_t k = 0; k < niche->m; k++) {
    double gap = p[k] - niche->ideal[k];
    if (gap < 1e-3) gap = 0;
    most = fmax(most, k == axis ? gap : gap * AXIS_PENALTY);
  }
  return most;
}

/* Old extremes stay candidates, so that a point lost to the population does not move the frame. */
static void update_extremes(vg_niche *niche, const double *f, const int *rank, size_t n) {
  size_t m = niche->m;
  for (size_t axis = 0; axis < m; axis++) {
    double *row = niche->extreme + axis * m;
    double least = niche->has_extreme ? achievement(niche, row, axis) : INFINITY;
    for (size_t i = 0; i < n; i++) {
      if (rank[i] != 0) continue;
      double a = achievement(niche, f + i * m, axis);
      if (!(a < least)) continue;
      least = a;
      memcpy(row, f + i * m, m * sizeof *row);
    }
  }
  niche->has_extreme = 1;
}

/* Gaussian elimination with row pivoting, in place; 0 when the system is singular. x holds the right side and receives the solution. */
static int solve(double *a, double *x, size_t m) {
  for (size_t c = 0; c < m; c++) {
    size_t pivot = c;
    for (size_t r = c + 1; r < m; r++)
      if (fabs(a[r * m + c]) > fabs(a[pivot * m + c])) pivot = r;
    if (!(fabs(a[pivot * m + c]) > 1e-12)) return 0;
    for (size_t k = 0; k < m; k++) {
      double t = a[c * m + k];
      a[c * m + k] = a[pivot * m + k];
      a[pivot * m + k] = t;
    }
    double t = x[c];
    x[c] = x[pivot];
    x[pivot] = t;
    for (size_t r = c + 1; r < m; r++) {
      double factor = a[r * m + c] / a[c * m + c];
      for (size_t k = c; k < m; k++) a[r * m + k] -= factor * a[c * m + k];
      x[r] -= factor * x[c];
    }
  }
  for (size_t c = m; c-- > 0;) {
    for (size_t k = c + 1; k < m; k++) x[c] -= a[c * m + k] * x[k];
    x[c] /= a[c * m + c];
  }
  return 1;
}

/* The plane through the extremes cuts axis k at 1 / x[k] from the ideal point. */
static int nadir_from_plane(vg_niche *niche) {
  size_t m = niche->m;
  double a[m * m], x[m];
  for (size_t i = 0; i < m; i++) {
    x[i] = 1;
    for (size_t k = 0; k < m; k++) a[i * m + k] = niche->extreme[i * m + k] - niche->ideal[k];
  }
  if (!solve(a, x, m)) return 0;
  for (size_t k = 0; k < m; k++)
    if (!(1 / x[k] > TINY) || !isfinite(1 / x[k])) return 0;
  for (size_t k = 0; k < m; k++) niche->nadir[k] = fmin(niche->ideal[k] + 1 / x[k], niche->worst[k]);
  return 1;
}

static void nadir_from_front(vg_niche *niche, const double *f, const int *rank, const double *violation, size_t n) {
  size_t m = niche->m;
  for (size_t k = 0; k < m; k++) {
    double front = -INFINITY, all = -INFINITY;
    for (size_t i = 0; i < n; i++) {
      if (violation && violation[i] > 0) continue;
      all = fmax(all, f[i * m + k]);
      if (rank[i] == 0) front = fmax(front, f[i * m + k]);
    }
    niche->nadir[k] = front - niche->ideal[k] > TINY ? front : all;
  }
}

static void update_frame(vg_niche *niche, const double *f, const int *rank, const double *violation, size_t n) {
  size_t m = niche->m, feasible = 0;
  for (size_t i = 0; i < n; i++) {
    if (violation && violation[i] > 0) continue;
    feasible++;
    for (size_t k = 0; k < m; k++) {
      niche->ideal[k] = fmin(niche->ideal[k], f[i * m + k]);
      niche->worst[k] = fmax(niche->worst[k], f[i * m + k]);
    }
  }
  if (feasible == 0) return;
  update_extremes(niche, f, rank, n);
  if (!nadir_from_plane(niche)) nadir_from_front(niche, f, rank, violation, n);
  niche->has_frame = 1;
}

/* The direction whose line is nearest to p, and the squared distance. */
static size_t associate(double *distance, vg_niche *niche, const double *p) {
  size_t n = niche->n, best = 0;
  double square = 0, *along = niche->along;
  memset(along, 0, n * sizeof *along);
  for (size_t k = 0; k < niche->m; k++) {
    double q = (p[k] - niche->ideal[k]) / fmax(niche->nadir[k] - niche->ideal[k], 1e-12);
    square += q * q;
    for (size_t d = 0; d < n; d++) along[d] += q * niche->direction[k * n + d];
  }
  for (size_t d = 1; d < n; d++)
    if (along[d] > along[best]) best = d;
  *distance = square - along[best] * along[best];
  return best;
}

typedef struct seat {            /* a candidate of the rank that is cut */
  size_t point, niche;
  double distance;
} seat;

/* Of the niches that still have a candidate, one with the fewest members; among equals a random one (one draw). */
static size_t emptiest(const size_t *members, const size_t *waiting, size_t n, vg_rng *rng) {
  size_t least = SIZE_MAX, ties = 0, pick = 0;
  for (size_t d = 0; d < n; d++) {
    if (waiting[d] == 0 || members[d] > least) continue;
    if (members[d] < least) ties = 0;
    least = members[d];
    ties++;
  }
  size_t nth = (size_t)vg_rng_below(rng, (int64_t)ties);
  for (size_t d = 0; d < n; d++)
    if (waiting[d] > 0 && members[d] == least && nth-- == 0) pick = d;
  return pick;
}

/* An empty niche takes its nearest candidate, another a random one. Returns the place in seats. */
static size_t choose_seat(const seat *seats, size_t n, size_t niche, int nearest, size_t waiting, vg_rng *rng) {
  size_t pick = SIZE_MAX, nth = nearest ? 0 : (size_t)vg_rng_below(rng, (int64_t)waiting);
  for (size_t i = 0; i < n; i++) {
    if (seats[i].niche != niche) continue;
    if (nearest ? pick == SIZE_MAX || seats[i].distance < seats[pick].distance : nth-- == 0) pick = i;
  }
  return pick;
}

static void fill(unsigned char *keep, seat *seats, size_t n, size_t wanted, size_t *members, size_t *waiting, size_t n_niches, vg_rng *rng) {
  for (; wanted > 0; wanted--) {
    size_t niche = emptiest(members, waiting, n_niches, rng);
    size_t i = choose_seat(seats, n, niche, members[niche] == 0, waiting[niche], rng);
    keep[seats[i].point] = 1;
    members[niche]++;
    waiting[niche]--;
    seats[i] = seats[--n];
  }
}

/* Keeps whole ranks while they fit; returns the rank to be cut and in *wanted what is still free. */
static int keep_whole_ranks(unsigned char *keep, size_t *wanted, const int *rank, size_t n, size_t capacity) {
  size_t kept = 0;
  for (int r = 0;; r++) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += rank[i] == r;
    if (kept + count > capacity) {
      *wanted = capacity - kept;
      return r;
    }
    for (size_t i = 0; i < n; i++) keep[i] |= rank[i] == r;
    kept += count;
  }
}

vg_status vg_niche_select(unsigned char *keep, vg_niche *niche, const double *f, const int *rank, const double *violation, size_t n, size_t capacity,
                          vg_rng *rng) {
  vg_status status = VG_OK;
  seat *seats = NULL;
  size_t *members = NULL, *waiting, wanted = 0, count = 0;
  VG_GOTO(vg_alloc((void **)&seats, n * sizeof *seats));
  VG_GOTO(vg_alloc_zero((void **)&members, 2 * niche->n * sizeof *members));
  waiting = members + niche->n;
  update_frame(niche, f, rank, violation, n);
  memset(keep, n <= capacity, n);
  if (n <= capacity) goto done;
  int cut = keep_whole_ranks(keep, &wanted, rank, n, capacity);
  for (size_t i = 0; i < n && wanted > 0; i++) {
    if (rank[i] > cut) continue;
    int placed = niche->has_frame && !(violation && violation[i] > 0);
    seat s = { i, 0, 0 };
    if (placed) s.niche = associate(&s.distance, niche, f + i * niche->m);
    if (keep[i]) members[s.niche] += 1;
    else {
      waiting[s.niche]++;
      seats[count++] = s;
    }
  }
  fill(keep, seats, count, wanted, members, waiting, niche->n, rng);
done:
  vg_free(members);
  vg_free(seats);
  return status;
}

void vg_niche_frame(double *ideal, double *nadir, const vg_niche *niche) {
  memcpy(ideal, niche->ideal, niche->m * sizeof *ideal);
  memcpy(nadir, niche->nadir, niche->m * sizeof *nadir);
}
