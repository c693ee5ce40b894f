/* The block allocator: large blocks join again when freed, and nothing overlaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/region.h"
#include "base/rng.h"

enum { SLOTS = 40, ROUNDS = 4000 };

typedef struct slot { unsigned char *p; size_t bytes; unsigned char mark; } slot;

static void drop(slot *s) {
  if (!s->p) return;
  assert_int_equal(s->p[0], s->mark);
  assert_int_equal(s->p[s->bytes / 2], s->mark);
  assert_int_equal(s->p[s->bytes - 1], s->mark);
  vg_block_put(s->p);
  s->p = NULL;
}

static void blocks_never_overlap(void **state) {
  (void)state;
  slot slots[SLOTS] = { { 0 } };
  vg_rng rng = vg_rng_at(1, 2);
  for (int round = 0; round < ROUNDS; round++) {
    slot *s = &slots[vg_rng_u64(&rng) % SLOTS];
    drop(s);
    s->bytes = (size_t)1 << (vg_rng_u64(&rng) % 23);
    s->bytes += vg_rng_u64(&rng) % s->bytes;
    s->mark = (unsigned char)round;
    assert_int_equal(vg_block_get((void **)&s->p, s->bytes), VG_OK);
    assert_int_equal((uintptr_t)s->p % 64, 0);
    memset(s->p, s->mark, s->bytes);
  }
  for (int i = 0; i < SLOTS; i++) drop(&slots[i]);
  assert_int_equal(vg_alloc_get_stats().live_bytes, 0);
  vg_block_trim();
}

/* Three neighbours freed in every order leave one range: a block of their joint size finds room without touching new memory. */
static void neighbours_join(void **state) {
  (void)state;
  static const int ORDER[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
  size_t size = 1 << 20, all = 3 << 20;
  for (int k = 0; k < 6; k++) {
    char *p[3];
    for (int i = 0; i < 3; i++) assert_non_null(p[i] = vg_region_get(&size));
    for (int i = 0; i < 3; i++) vg_region_put(p[ORDER[k][i]], size);
    assert_true(vg_region_cached() >= all);
    char *joint = vg_region_get(&all);
    assert_ptr_equal(joint, p[0]);
    vg_region_put(joint, all);
  }
  size_t odd = 5000;
  void *p = vg_region_get(&odd);
  assert_int_equal(odd, 8192);
  vg_region_put(p, odd);
  vg_region_trim();
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(blocks_never_overlap), cmocka_unit_test(neighbours_join) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
