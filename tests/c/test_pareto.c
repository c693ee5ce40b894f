#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/niche.h"
#include "base/pareto.h"

/* cmocka's own comparison rounds to float first. */
#define assert_near(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

static void ranks(void **state) {
  (void)state;
  const double f[] = { 0, 4, 1, 2, 2, 1, 4, 0, 2, 2, 1, 2, 5, 5 };
  int rank[7];
  assert_int_equal(vg_pareto_rank(rank, f, NULL, 7, 2), VG_OK);
  const int expected[] = { 0, 0, 0, 0, 1, 0, 2 };
  for (int i = 0; i < 7; i++) assert_int_equal(rank[i], expected[i]);
  const double violation[] = { 2, 0, 0, 0, 1, 0, 1 };
  assert_int_equal(vg_pareto_rank(rank, f, violation, 7, 2), VG_OK);
  const int deb[] = { 2, 0, 0, 0, 1, 0, 1 };
  for (int i = 0; i < 7; i++) assert_int_equal(rank[i], deb[i]);
}

/* The sorted sweep against the definition, on small grids where ties abound. */
static void ranks_follow_the_definition(void **state) {
  (void)state;
  unsigned seed = 7;
  for (int round = 0; round < 60; round++) {
    size_t n = 40, m = 1 + (size_t)round % 4;
    double f[160];
    int rank[40];
    for (size_t i = 0; i < n * m; i++) f[i] = (seed = seed * 1103515245u + 12345u) >> 16 & 7;
    assert_int_equal(vg_pareto_rank(rank, f, NULL, n, m), VG_OK);
    for (size_t i = 0; i < n; i++) {
      int deepest = -1;
      for (size_t j = 0; j < n; j++) {
        int le = 1, lt = 0;
        for (size_t k = 0; k < m; k++) le &= f[j * m + k] <= f[i * m + k], lt |= f[j * m + k] < f[i * m + k];
        if (le && lt && rank[j] > deepest) deepest = rank[j];
      }
      assert_int_equal(rank[i], deepest + 1);
    }
  }
}

static void crowding(void **state) {
  (void)state;
  const double f[] = { 0, 4, 1, 2, 2, 1, 4, 0 };
  const int rank[] = { 0, 0, 0, 0 };
  double c[4];
  assert_int_equal(vg_pareto_crowding(c, f, rank, 4, 2), VG_OK);
  assert_true(isinf(c[0]) && isinf(c[3]));
  assert_near(c[1], 1.25, 1e-12);
  assert_near(c[2], 1.25, 1e-12);
}

static void hypervolume(void **state) {
  (void)state;
  double v;
  const double two[] = { 1, 3, 2, 2, 3, 1 }, r2[] = { 4, 4 };
  assert_int_equal(vg_pareto_hypervolume(&v, two, r2, 3, 2), VG_OK);
  assert_near(v, 6, 1e-12);
  const double three[] = { 1, 2, 3, 2, 1, 3, 3, 3, 1 }, r3[] = { 4, 4, 4 };
  assert_int_equal(vg_pareto_hypervolume(&v, three, r3, 3, 3), VG_OK);
  assert_near(v, 10, 1e-12);
  const double one[] = { 1, 1, 1 }, r1[] = { 2, 2, 2 };
  assert_int_equal(vg_pareto_hypervolume(&v, one, r1, 1, 3), VG_OK);
  assert_near(v, 1, 1e-12);
  const double outside[] = { 4, 0 };
  assert_int_equal(vg_pareto_hypervolume(&v, outside, r2, 1, 2), VG_OK);
  assert_near(v, 0, 0);
  assert_int_equal(vg_pareto_hypervolume(&v, two, r2, 1, 0), VG_EARG);
  const double nan[] = { 1, NAN };
  assert_int_equal(vg_pareto_hypervolume(&v, nan, r2, 1, 2), VG_EARG);
}

static unsigned seed = 11;
static double coarse(void) { return (double)((seed = seed * 1103515245u + 12345u) >> 16 & 15) / 16; }

/* The union of boxes by inclusion and exclusion. */
static double by_inclusion(const double *f, const double *ref, size_t n, size_t m) {
  double sum = 0;
  for (unsigned set = 1; set < 1u << n; set++) {
    double box = 1;
    for (size_t k = 0; k < m; k++) {
      double worst = -INFINITY;
      for (size_t i = 0; i < n; i++)
        if (set >> i & 1) worst = fmax(worst, f[i * m + k]);
      box *= fmax(0, ref[k] - worst);
    }
    sum += __builtin_popcount(set) % 2 ? box : -box;
  }
  return sum;
}

static void hypervolume_of_any_dimension(void **state) {
  (void)state;
  for (int round = 0; round < 70; round++) {
    size_t m = 1 + (size_t)round % 7, n = 9;
    double f[63], ref[7], v, c[9];
    for (size_t i = 0; i < n * m; i++) f[i] = coarse();
    for (size_t k = 0; k < m; k++) ref[k] = 0.9;             /* some points lie outside */
    double whole = by_inclusion(f, ref, n, m);
    assert_int_equal(vg_pareto_hypervolume(&v, f, ref, n, m), VG_OK);
    assert_near(v, whole, 1e-12);
    assert_int_equal(vg_pareto_contributions(c, f, ref, n, m), VG_OK);
    for (size_t i = 0; i < n; i++) {
      double rest[63];
      memcpy(rest, f, i * m * sizeof *f);
      memcpy(rest + i * m, f + (i + 1) * m, (n - i - 1) * m * sizeof *f);
      assert_near(c[i], whole - by_inclusion(rest, ref, n - 1, m), 1e-12);
    }
  }
}

static void contributions_along_a_front(void **state) {
  (void)state;
  const double f[] = { 2, 1, 0, 4, 1, 2, 4, 0 }, ref[] = { 5, 5 };
  double c[4];
  assert_int_equal(vg_pareto_contributions(c, f, ref, 4, 2), VG_OK);
  const double expected[] = { 2, 1, 2, 1 };
  for (int i = 0; i < 4; i++) assert_near(c[i], expected[i], 1e-12);
}

static void distances(void **state) {
  (void)state;
  vg_distance d;
  const double target[] = { 0, 2, 1, 1, 2, 0 }, shifted[] = { 0.5, 2, 1.5, 1, 2.5, 0 }, ahead[] = { 0, 1, 1, 0 };
  assert_int_equal(vg_pareto_distance(&d, target, 3, target, 3, 2), VG_OK);
  assert_near(d.igd, 0, 0);
  assert_near(d.spread, 0, 1e-12);
  assert_int_equal(vg_pareto_distance(&d, shifted, 3, target, 3, 2), VG_OK);
  assert_near(d.igd, 0.5, 1e-12);
  assert_near(d.igd_plus, 0.5, 1e-12);
  assert_near(d.epsilon, 0.5, 1e-12);
  assert_near(d.spread, 1 / (1 + 3 * sqrt(2)), 1e-12);
  assert_int_equal(vg_pareto_distance(&d, ahead, 2, target, 3, 2), VG_OK);
  assert_near(d.igd, 1, 1e-12);
  assert_near(d.igd_plus, 0, 1e-12);
  assert_near(d.epsilon, 0, 1e-12);
  assert_int_equal(vg_pareto_distance(&d, ahead, 0, target, 3, 2), VG_EARG);
}

/* Whatever comes and goes, the sorted population says what a computation from scratch says. */
static void crowd_is_exact(void **state) {
  (void)state;
  enum { ROOM = 31, CAPACITY = 20 };
  for (size_t m = 1; m <= 4; m++) {
    vg_crowd *c = NULL;
    double f[ROOM * 4], violation[ROOM], distance[ROOM];
    int rank[ROOM];
    size_t n = 0, removed[ROOM];
    assert_int_equal(vg_crowd_new(&c, m, ROOM), VG_OK);
    for (int step = 0; step < 200; step++) {
      size_t add = step % 10 == 0 ? 10 : 1;
      for (size_t j = 0; j < add && n < ROOM; j++, n++) {
        for (size_t k = 0; k < m; k++) f[n * m + k] = coarse();
        violation[n] = coarse() < 0.7 ? 0 : coarse();
        assert_int_equal(vg_crowd_add(c, f + n * m, violation[n]), VG_OK);
      }
      assert_int_equal(vg_crowd_cut(removed, c, n), 0);
      assert_int_equal(vg_pareto_rank(rank, f, violation, n, m), VG_OK);
      assert_int_equal(vg_pareto_crowding(distance, f, rank, n, m), VG_OK);
      for (size_t i = 0; i < n; i++) {
        assert_int_equal(vg_crowd_rank(c, i), rank[i]);
        assert_true(isinf(distance[i]) ? isinf(vg_crowd_distance(c, i)) : fabs(vg_crowd_distance(c, i) - distance[i]) < 1e-12);
      }
      size_t gone = vg_crowd_cut(removed, c, CAPACITY);
      assert_int_equal(gone, n > CAPACITY ? n - CAPACITY : 0);
      for (size_t g = 0; g < gone; g++) {
        size_t at = removed[g];
        for (size_t i = 0; i < n; i++)                       /* nobody left is worse than who goes */
          assert_true(rank[i] < rank[at] || (rank[i] == rank[at] && distance[i] >= distance[at] - 1e-12));
        size_t after = n - at - 1;
        memmove(f + at * m, f + (at + 1) * m, after * m * sizeof *f);
        memmove(violation + at, violation + at + 1, after * sizeof *violation);
        memmove(rank + at, rank + at + 1, after * sizeof *rank);
        memmove(distance + at, distance + at + 1, after * sizeof *distance);
        n--;
      }
    }
    vg_crowd_free(c);
  }
}

static void crowd_refuses(void **state) {
  (void)state;
  vg_crowd *c = NULL;
  const double nan[] = { NAN, 0 }, good[] = { 0, 0 };
  assert_int_equal(vg_crowd_new(&c, 0, 5), VG_EARG);
  assert_int_equal(vg_crowd_new(&c, 2, 1), VG_OK);
  assert_int_equal(vg_crowd_add(c, nan, 0), VG_EARG);
  assert_int_equal(vg_crowd_add(c, good, 0), VG_OK);
  assert_int_equal(vg_crowd_add(c, good, 0), VG_EARG);
  assert_string_equal(vg_message(), "crowd: there is room for 1 members");
  vg_crowd_free(c);
}

static void das_dennis(void **state) {
  (void)state;
  const size_t known[][3] = { { 2, 99, 100 }, { 3, 12, 91 }, { 3, 13, 105 }, { 5, 6, 210 }, { 8, 3, 120 }, { 1, 4, 1 } };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) assert_int_equal(vg_das_dennis_count(known[i][0], known[i][1]), known[i][2]);
  double w[91 * 3];
  vg_das_dennis(w, 3, 12);
  for (int i = 0; i < 91; i++) {
    assert_near(w[3 * i] + w[3 * i + 1] + w[3 * i + 2], 1, 1e-12);
    for (int j = 0; j < i; j++) assert_true(w[3 * i] != w[3 * j] || w[3 * i + 1] != w[3 * j + 1]);
  }
  assert_true(vg_das_dennis_count(60, 60) == SIZE_MAX);
}

/* Points on the simplex beside the directions: one survivor for each direction, the nearest, where there are as many places as directions. */
static void niches(void **state) {
  (void)state;
  enum { H = 15, N = 3 * H };
  double w[H * 3], f[N * 3];
  int rank[N];
  unsigned char keep[N];
  vg_niche *niche = NULL;
  vg_rng rng = vg_rng_at(3, 0);
  vg_das_dennis(w, 3, 4);
  for (int i = 0; i < N; i++) {
    int from = 0, to;                                        /* the first H lie on the directions, the others beside them */
    while (w[3 * (i % H) + from] == 0) from++;
    to = (from + 1) % 3;
    for (int k = 0; k < 3; k++) {
      double off = 0.02 * (i / H) * ((k == to) - (k == from));
      f[3 * i + k] = 10 * (w[3 * (i % H) + k] + off) * (k + 1);
    }
    rank[i] = 0;
  }
  assert_int_equal(vg_niche_new(&niche, w, H, 3), VG_OK);
  assert_int_equal(vg_niche_select(keep, niche, f, rank, NULL, H, H, &rng), VG_OK);
  double ideal[3], nadir[3];
  vg_niche_frame(ideal, nadir, niche);
  for (int k = 0; k < 3; k++) {
    assert_near(ideal[k], 0, 1e-12);
    assert_near(nadir[k], 10 * (k + 1), 1e-9);        /* the plane through the three corners */
  }
  assert_int_equal(vg_niche_select(keep, niche, f, rank, NULL, N, H, &rng), VG_OK);
  int count = 0, on_direction = 0;
  for (int i = 0; i < N; i++) {
    count += keep[i];
    on_direction += keep[i] && i < H;
  }
  assert_int_equal(count, H);
  assert_int_equal(on_direction, H);
  vg_niche_free(niche);
  const double none[] = { 0, 0 };
  assert_int_equal(vg_niche_new(&niche, none, 1, 2), VG_EARG);
}

/* Whole ranks stay, nobody infeasible before a feasible one, and the frame ignores the infeasible. */
static void niches_follow_debs_rule(void **state) {
  (void)state;
  const double w[] = { 1, 0, 0.5, 0.5, 0, 1 }, f[] = { 0, 4, 4, 0, 2, 3, -9, -9, -8, -8 }, violation[] = { 0, 0, 0, 1, 1 };
  int rank[5];
  unsigned char keep[5];
  double ideal[2], nadir[2];
  vg_niche *niche = NULL;
  vg_rng rng = vg_rng_at(1, 0);
  assert_int_equal(vg_pareto_rank(rank, f, violation, 5, 2), VG_OK);
  assert_int_equal(vg_niche_new(&niche, w, 3, 2), VG_OK);
  assert_int_equal(vg_niche_select(keep, niche, f, rank, violation, 5, 4, &rng), VG_OK);
  assert_true(keep[0] && keep[1] && keep[2] && keep[3] + keep[4] == 1);
  vg_niche_frame(ideal, nadir, niche);
  assert_near(ideal[0], 0, 0);
  assert_near(nadir[1], 4, 1e-12);
  vg_niche_free(niche);
}

/* Everything of this folder that allocates, once. */
static vg_status use_all(void) {
  const double f[] = { 0, 0, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 0, 0 }, ref[] = { 4, 4, 4, 4 }, w[] = { 1, 0, 0, 0, 0, 0, 0, 1 };
  vg_rng rng = vg_rng_at(1, 0);
  vg_status status = VG_OK;
  vg_crowd *crowd = NULL;
  vg_niche *niche = NULL;
  double v, c[8];
  int rank[8];
  unsigned char keep[8];
  VG_GOTO(vg_pareto_rank(rank, f, NULL, 4, 4));
  VG_GOTO(vg_pareto_crowding(c, f, rank, 4, 4));
  VG_GOTO(vg_pareto_hypervolume(&v, f, ref, 4, 4));
  VG_GOTO(vg_pareto_contributions(c, f, ref, 4, 4));
  VG_GOTO(vg_pareto_contributions(c, f, ref, 8, 2));
  VG_GOTO(vg_crowd_new(&crowd, 4, 5));
  VG_GOTO(vg_niche_new(&niche, w, 2, 4));
  VG_GOTO(vg_niche_select(keep, niche, f, rank, NULL, 4, 2, &rng));
done:
  vg_niche_free(niche);
  vg_crowd_free(crowd);
  return status;
}

static void memory_runs_out(void **state) {
  (void)state;
  long n = 1;
  for (;; n++) {
    vg_alloc_fail_at(n, 0);
    vg_status s = use_all();
    vg_alloc_fail_at(0, 0);
    if (s == VG_OK) break;
    assert_int_equal(s, VG_ENOMEM);
  }
  assert_true(n > 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(ranks), cmocka_unit_test(ranks_follow_the_definition), cmocka_unit_test(crowding), cmocka_unit_test(hypervolume),
    cmocka_unit_test(hypervolume_of_any_dimension), cmocka_unit_test(contributions_along_a_front), cmocka_unit_test(distances),
    cmocka_unit_test(crowd_is_exact), cmocka_unit_test(crowd_refuses), cmocka_unit_test(das_dennis), cmocka_unit_test(niches),
    cmocka_unit_test(niches_follow_debs_rule), cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
