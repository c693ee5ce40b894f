#include "model/minimise.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

enum { MEMORY = 8, TRIES = 20 };

typedef struct state {
  size_t n;
  const double *lo, *hi;
  double *x, *g, *d, *x_new, *g_new;
  double *s[MEMORY], *y[MEMORY], rho[MEMORY];
  int stored, newest;
} state;

static double dot(const double *a, const double *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

static bool is_frozen(const state *m, size_t i) { return (m->x[i] <= m->lo[i] && m->g[i] > 0) || (m->x[i] >= m->hi[i] && m->g[i] < 0); }

static double slope_of_free(const state *m) {
  double most = 0;
  for (size_t i = 0; i < m->n; i++)
    if (!is_frozen(m, i)) most = fmax(most, fabs(m->g[i]));
  return most;
}

/* d = -H g on the free variables, by the two loops over the stored pairs. */
static void direction(state *m) {
  double a[MEMORY];
  for (size_t i = 0; i < m->n; i++) m->d[i] = is_frozen(m, i) ? 0 : -m->g[i];
  for (int k = 0; k < m->stored; k++) {
    int j = (m->newest - k + MEMORY) % MEMORY;
    a[j] = m->rho[j] * dot(m->s[j], m->d, m->n);
    for (size_t i = 0; i < m->n; i++) m->d[i] -= a[j] * m->y[j][i];
  }
  if (m->stored) {
    double gamma = 1 / (m->rho[m->newest] * dot(m->y[m->newest], m->y[m->newest], m->n));
    for (size_t i = 0; i < m->n; i++) m->d[i] *= gamma;
  }
  for (int k = m->stored - 1; k >= 0; k--) {
    int j = (m->newest - k + MEMORY) % MEMORY;
    double b = a[j] - m->rho[j] * dot(m->y[j], m->d, m->n);
    for (size_t i = 0; i < m->n; i++) m->d[i] += b * m->s[j][i];
  }
  for (size_t i = 0; i < m->n; i++)
    if (is_frozen(m, i)) m->d[i] = 0;
}

static void steepest(state *m) {
  double longest = 0;
  m->stored = 0;
  for (size_t i = 0; i < m->n; i++) {
    m->d[i] = is_frozen(m, i) ? 0 : -m->g[i];
    longest = fmax(longest, fabs(m->d[i]));
  }
  if (longest > 1)
    for (size_t i = 0; i < m->n; i++) m->d[i] /= longest;
}

static void remember(state *m) {
  int j = (m->newest + 1) % MEMORY;
  for (size_t i = 0; i < m->n; i++) {
    m->s[j][i] = m->x_new[i] - m->x[i];
    m->y[j][i] = m->g_new[i] - m->g[i];
  }
  double sy = dot(m->s[j], m->y[j], m->n);
  if (sy <= 1e-12 * sqrt(dot(m->s[j], m->s[j], m->n) * dot(m->y[j], m->y[j], m->n))) return;   /* no curvature here: not used */
  m->rho[j] = 1 / sy;
  m->newest = j;
  if (m->stored < MEMORY) m->stored++;
}

/* One accepted step along d, clipped to the box; false when none is found. */
static bool step(state *m, double *value, vg_objective f, void *ctx) {
  double t = 1;
  for (int k = 0; k < TRIES; k++) {
    double fall = 0;
    for (size_t i = 0; i < m->n; i++) {
      m->x_new[i] = fmin(m->hi[i], fmax(m->lo[i], m->x[i] + t * m->d[i]));
      fall += m->g[i] * (m->x_new[i] - m->x[i]);
    }
    if (!(fall < 0)) return false;
    double v = f(m->g_new, m->x_new, ctx);
    if (isfinite(v) && v <= *value + 1e-4 * fall) {
      remember(m);
      memcpy(m->x, m->x_new, m->n * sizeof *m->x);
      memcpy(m->g, m->g_new, m->n * sizeof *m->g);
      *value = v;
      return true;
    }
    double fitted = isfinite(v) ? -0.5 * fall / (v - *value - fall) : 0.1;      /* the minimum of the parabola through what is known */
    t *= fmin(0.5, fmax(0.1, fitted));
  }
  return false;
}

vg_status vg_minimise(double *x, double *value, const double *lo, const double *hi, size_t n, int max_iterations, double tolerance,
                      vg_objective f, void *ctx) {
  double *work;
  VG_TRY(vg_alloc((void **)&work, (4 + 2 * MEMORY) * (n + 1) * sizeof *work));
  state m = { .n = n, .lo = lo, .hi = hi, .x = x, .g = work, .d = work + n, .x_new = work + 2 * n, .g_new = work + 3 * n };
  for (int j = 0; j < MEMORY; j++) m.s[j] = work + (4 + 2 * (size_t)j) * n, m.y[j] = m.s[j] + n;
  for (size_t i = 0; i < n; i++) x[i] = fmin(hi[i], fmax(lo[i], x[i]));
  *value = f(m.g, x, ctx);
  for (int k = 0; k < max_iterations && isfinite(*value) && slope_of_free(&m) > tolerance; k++) {
    double before = *value;
    bool quasi = m.stored > 0;
    direction(&m);
    if (!quasi || !(dot(m.d, m.g, n) < 0)) steepest(&m);
    if (!step(&m, value, f, ctx)) {
      if (!quasi) break;
      steepest(&m);
      if (!step(&m, value, f, ctx)) break;
    }
    if (before - *value < 1e-9 * fmax(1, fabs(*value))) break;
  }
  vg_free(work);
  return VG_OK;
}
