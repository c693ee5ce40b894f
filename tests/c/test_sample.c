#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/sample.h"

/* a in 0..2 (weights 1, 2, 1); b active where a > 0; c a subset, active where not (a = 1 and b = 0). */
static void draws_follow_guards_and_weights(void **state) {
  (void)state;
  const double cumulative[] = { 1, 3, 4, 1, 3 };       /* weights of a; one subset of 0 members, two of 1 of two candidates */
  const vg_interval intervals[] = { { 1, 2 }, { 1, 1 }, { 0, 0 } };
  const vg_guard guards[] = { { VG_GUARD_WITHIN, 0, 0, 1 }, { VG_GUARD_WITHIN, 0, 1, 1 }, { VG_GUARD_WITHIN, 1, 2, 1 }, { VG_GUARD_AND, 0, 0, 0 },
    { VG_GUARD_NOT, 0, 0, 0 } };
  const vg_draw draws[] = {
    { .kind = VG_DRAW_WEIGHTED, .n = 3, .cumulative = cumulative, .slot = 0 },
    { .kind = VG_DRAW_INDEX, .n = 2, .slot = 1, .guard = 0, .guard_length = 1 },
    { .kind = VG_DRAW_SUBSET, .n = 2, .low = 0, .high = 1, .cumulative = cumulative + 3, .slot = 2, .guard = 1, .guard_length = 4 },
  };
  const vg_sampler s = { draws, guards, intervals, 3, 4 };
  vg_rng rng = vg_rng_at(1, 2);
  int count[3] = { 0 }, empty = 0, subsets = 0, n = 40000;
  for (int i = 0; i < n; i++) {
    double codes[4];
    vg_sample(codes, &s, &rng);
    count[(int)codes[0]]++;
    assert_int_equal(!isnan(codes[1]), codes[0] > 0);
    assert_int_equal(!isnan(codes[2]), !(codes[0] == 1 && codes[1] == 0));
    if (!isnan(codes[2])) subsets++, empty += codes[2] == 0;
  }
  assert_true(abs(count[0] - n / 4) < 500 && abs(count[1] - n / 2) < 500);
  assert_true(abs(empty - subsets / 3) < 500);
}

static void permutations_and_subsets_are_whole(void **state) {
  (void)state;
  const double cumulative[] = { 1 };
  const vg_draw draws[] = { { .kind = VG_DRAW_PERMUTATION, .n = 6, .slot = 0 },
    { .kind = VG_DRAW_SUBSET, .n = 9, .low = 4, .high = 4, .cumulative = cumulative, .slot = 6 },
      { .kind = VG_DRAW_SEQUENCE, .n = 3, .high = 5, .slot = 11 } };
  const vg_sampler s = { draws, NULL, NULL, 3, 16 };
  vg_rng rng = vg_rng_at(3, 4);
  int first[6] = { 0 };
  for (int i = 0; i < 6000; i++) {
    double codes[16];
    unsigned seen = 0;
    vg_sample(codes, &s, &rng);
    for (int j = 0; j < 6; j++) seen |= 1u << (int)codes[j];
    assert_int_equal(seen, 63);
    first[(int)codes[0]]++;
    assert_int_equal((int)codes[6], 4);
    for (int j = 7; j < 11; j++) assert_true(codes[j] >= 0 && codes[j] < 9 && (j == 7 || codes[j] > codes[j - 1]));
    for (int j = 11; j < 16; j++) assert_true(codes[j] >= 0 && codes[j] < 3);
  }
  for (int j = 0; j < 6; j++) assert_true(abs(first[j] - 1000) < 150);
}

static void normal_quantiles(void **state) {
  (void)state;
  /* scipy.stats.norm.ppf; truncnorm.ppf and cdf */
  const double known[][2] = { { 0.5, 0 }, { 0.975, 1.959963984540054 }, { 1e-10, -6.361340902404056 }, { 0.25, -0.6744897501960817 },
    { 1e-300, -8.292361075813597 } };   /* the last as 2^-54 */
  for (size_t i = 0; i < 5; i++) assert_true(fabs(vg_normal_cut_quantile(known[i][0], 0, 1, -INFINITY, INFINITY) - known[i][1]) < 1e-9);
  const double cut[][4] = { { 0.3, 10, 11, 10.03525897907927 }, { 0.7, -12, -10, -10.03526003958893 }, { 0.7, -1, 2, 0.6178760730114088 } };
  for (size_t i = 0; i < 3; i++) assert_true(fabs(vg_normal_cut_quantile(cut[i][0], 0, 1, cut[i][1], cut[i][2]) - cut[i][3]) < 1e-9);
  for (double p = 0.05; p < 1; p += 0.05) {
    for (double lo = -12; lo < 12; lo += 3) {
      double x = vg_normal_cut_quantile(p, 0, 1, lo, lo + 2);
      assert_true(x >= lo && x <= lo + 2);
      assert_true(fabs(vg_normal_cut_share(x, 0, 1, lo, lo + 2) - p) < 1e-6);
    }
  }
}

static void permute_is_a_permutation(void **state) {
  (void)state;
  const uint64_t sizes[] = { 1, 2, 3, 5, 64, 1000, 4097 };
  for (size_t k = 0; k < 7; k++) {
    uint64_t n = sizes[k];
    char *seen = calloc(n, 1);
    for (uint64_t i = 0; i < n; i++) {
      uint64_t j = vg_permute(i, n, 99);
      assert_true(j < n);
      assert_int_equal(seen[j]++, 0);
    }
    free(seen);
  }
  assert_true(vg_permute(12345, UINT64_C(9000000000000000000), 1) < UINT64_C(9000000000000000000));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(draws_follow_guards_and_weights), cmocka_unit_test(permutations_and_subsets_are_whole),
    cmocka_unit_test(normal_quantiles), cmocka_unit_test(permute_is_a_permutation) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
