/* Gangs over shared memory. The test starts itself as the ranks: "test_comm JOB" is a rank that does JOB. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "comm/comm.h"
#include "comm/gang.h"

/* --- what ranks do ------------------------------------------------------------------------------------------------------------------ */

enum { RIGHT = 0, WRONG = 9 };
#define EXPECT(condition)                                                              \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      fprintf(stderr, "# rank %d: %s: %s\n", c->rank, #condition, vg_message());       \
      return WRONG;                                                                    \
    }                                                                                  \
  } while (0)

static float value(int64_t i, int rank) { return (float)((i * 7 + rank * 13) % 101) * 0.37f - 11.1f; }

/* Three buckets in spans of odd lengths with gaps: the sum is that of a loop over the ranks, to the bit; what lies between is as before. */
static int sum(vg_comm *c) {
  const vg_span spans[] = { { 3, 5 }, { 5, 5 }, { 9, VG_COMM_BUCKET + 20 }, { VG_COMM_BUCKET + 21, 2 * VG_COMM_BUCKET + 1000 } };
  const int64_t n = 2 * VG_COMM_BUCKET + 1001;
  float *v = malloc((size_t)n * sizeof *v);
  for (int64_t i = 0; i < n; i++) v[i] = value(i, c->rank);
  EXPECT(vg_comm_sum(c, v, spans, 4, 0.3f) == VG_OK);
  for (int64_t i = 0, k = 0; i < n; i++) {
    while (k < 4 && i >= spans[k].end) k++;
    float want = value(i, c->rank);
    if (k < 4 && i >= spans[k].begin) {
      volatile float total = 0.3f * value(i, 0);
      for (int r = 1; r < c->size; r++) {
        volatile float term = 0.3f * value(i, r);
        total = total + term;
      }
      want = total;
    }
    EXPECT(memcmp(&v[i], &want, sizeof want) == 0);
  }
  free(v);
  return RIGHT;
}

static int copy(vg_comm *c) {
  const size_t n = (VG_COMM_BUCKET + 5) * sizeof(float) + 3;
  char *data = malloc(n);
  for (int root = 0; root < c->size; root++) {
    memset(data, 'a' + c->rank, n);
    EXPECT(vg_comm_broadcast(c, data, n, root) == VG_OK);
    EXPECT(data[0] == 'a' + root && data[n / 2] == 'a' + root && data[n - 1] == 'a' + root);
  }
  EXPECT(vg_comm_broadcast(c, data, 0, 0) == VG_OK);
  EXPECT(vg_comm_broadcast(c, data, 1, c->size) == VG_EARG);
  free(data);
  return RIGHT;
}

static int small(vg_comm *c) {
  for (int round = 0; round < 500; round++) {
    int all[VG_COMM_MAX_RANKS], mine = 1000 * round + c->rank;
    EXPECT(vg_comm_gather(c, all, &mine, sizeof mine) == VG_OK);
    for (int r = 0; r < c->size; r++) EXPECT(all[r] == 1000 * round + r);
  }
  double v = c->rank - 1.5;
  EXPECT(vg_comm_reduce(c, &v, VG_MIN) == VG_OK && v == -1.5);
  v = c->rank;
  EXPECT(vg_comm_reduce(c, &v, VG_MAX) == VG_OK && v == c->size - 1);
  char large[VG_COMM_SMALL + 1] = { 0 };
  EXPECT(vg_comm_gather(c, large, large, sizeof large) == VG_EARG);
  return RIGHT;
}

/* A mistake is an error on every rank, and they can go on. */
static int disagree(vg_comm *c) {
  float v[4] = { 0 };
  EXPECT(vg_comm_sum(c, v, &(vg_span){ 0, c->rank == 0 ? 3 : 4 }, 1, 1) == VG_EARG);
  EXPECT(strstr(vg_message(), "3") && strstr(vg_message(), "4"));
  EXPECT((c->rank == 0 ? vg_comm_barrier(c) : vg_comm_broadcast(c, v, sizeof v, 0)) == VG_EARG);
  EXPECT(strstr(vg_message(), "waits in a barrier") && strstr(vg_message(), "broadcasts"));
  EXPECT(vg_comm_broadcast(c, v, sizeof v, c->rank) == VG_EARG);
  double x = 0;
  EXPECT(vg_comm_reduce(c, &x, c->rank == 0 ? VG_SUM : VG_MAX) == VG_EARG);
  EXPECT(vg_comm_barrier(c) == VG_OK);
  return RIGHT;
}

/* Rank 1 ends well without a word: the others get an error, not a wait, and the same for every later call. */
static int vanish(vg_comm *c) {
  if (c->rank == 1) _exit(0);
  EXPECT(vg_comm_barrier(c) == VG_EBACKEND);
  EXPECT(strstr(vg_message(), "rank 1 has ended"));
  EXPECT(vg_comm_barrier(c) == VG_EBACKEND);
  return RIGHT;
}

static int part(vg_comm *c) {
  if (c->rank == 1) return RIGHT;                       /* and leaves */
  EXPECT(vg_comm_barrier(c) == VG_EBACKEND);
  EXPECT(strstr(vg_message(), "rank 0 of 2: rank 1 has left"));
  return RIGHT;
}

static int stop(vg_comm *c) {
  if (c->rank == 1) vg_comm_abort(c, 5);
  EXPECT(vg_comm_barrier(c) == VG_EBACKEND);
  EXPECT(c->rank == 1 || strstr(vg_message(), "rank 1 has aborted"));
  return RIGHT;
}

static int wait_long(vg_comm *c) {
  (void)c;
  pause();
  return WRONG;
}

static int die(vg_comm *c) { return c->rank == 1 ? raise(SIGKILL) : wait_long(c); }

static int end_badly(vg_comm *c) { return c->rank == 2 ? 3 : wait_long(c); }

static int once(vg_comm *c) {
  vg_comm *again;
  EXPECT(getenv("VEGA_COMM") == NULL);
  EXPECT(vg_comm_join(&again, "shm") == VG_EARG);
  EXPECT(strcmp(getenv("OMP_NUM_THREADS"), "3") == 0);
  return RIGHT;
}

static const struct job { const char *name; int (*run)(vg_comm *); } JOBS[] = {
  { "sum", sum }, { "copy", copy }, { "small", small }, { "disagree", disagree }, { "vanish", vanish }, { "part", part }, { "stop", stop },
  { "die", die }, { "end_badly", end_badly }, { "wait_long", wait_long }, { "once", once },
};
enum { N_JOBS = sizeof JOBS / sizeof *JOBS };

static int be_rank(const char *name) {
  vg_comm *c;
  if (vg_comm_join(&c, NULL) != VG_OK) return WRONG;
  int code = WRONG;
  for (int i = 0; i < N_JOBS; i++)
    if (strcmp(JOBS[i].name, name) == 0) code = JOBS[i].run(c);
  vg_comm_free(c);
  return code;
}

/* --- who starts them ---------------------------------------------------------------------------------------------------------------- */

static vg_status run(int *process, int *code, const char *job, int ranks, double seconds) {
  char *argv[] = { (char *)"/proc/self/exe", (char *)job, NULL };
  vg_gang *g;
  vg_status s = vg_gang_start(&g, &(vg_gang_opts){ .argv = argv, .ranks = ranks, .threads = 3 });
  if (s != VG_OK) return s;
  s = vg_gang_wait(process, code, g, seconds);
  vg_gang_free(g);
  return s;
}

static void goes_well(const char *job, int ranks) {
  int process, code;
  assert_int_equal(VG_OK, run(&process, &code, job, ranks, 0));
  assert_int_equal(0, code);
  assert_int_equal(-1, process);
}

static void test_exchange(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 4; ranks += ranks) {
    goes_well("sum", ranks);
    goes_well("copy", ranks);
    goes_well("small", ranks);
  }
  goes_well("sum", 3);                                  /* parts that do not divide */
  goes_well("once", 2);
}

static void test_mistakes(void **state) {
  (void)state;
  goes_well("disagree", 2);
  goes_well("vanish", 2);
  goes_well("part", 2);
  goes_well("stop", 2);
}

static void test_ends_together(void **state) {
  (void)state;
  int process, code;
  double began = vg_clock_s();
  assert_int_equal(VG_OK, run(&process, &code, "die", 3, 0));
  assert_int_equal(1, process);
  assert_int_equal(128 + SIGKILL, code);
  assert_int_equal(VG_OK, run(&process, &code, "end_badly", 3, 0));
  assert_int_equal(2, process);
  assert_int_equal(3, code);
  assert_int_equal(VG_ETIMEDOUT, run(&process, &code, "wait_long", 2, 0.2));
  vg_interrupted = SIGINT;
  assert_int_equal(VG_EINTR, run(&process, &code, "wait_long", 2, 0));
  vg_interrupted = 0;
  assert_true(vg_clock_s() - began < 60);               /* they pause for ever: nobody waited for them */
}

static void test_refusals(void **state) {
  (void)state;
  char *argv[] = { (char *)"/nowhere/program", NULL };
  vg_gang *g;
  vg_comm *c;
  assert_int_equal(VG_EIO, vg_gang_start(&g, &(vg_gang_opts){ .argv = argv, .ranks = 2, .threads = 1 }));
  assert_non_null(strstr(vg_message(), "/nowhere/program"));
  assert_int_equal(VG_EARG, vg_gang_start(&g, &(vg_gang_opts){ .argv = argv, .ranks = VG_COMM_MAX_RANKS + 1, .threads = 1 }));
  static const char *const BAD[] = { "shm", "shm:0:2", "shm:2:2:3", "shm:-1:2:3", "shm:0:2:77", "shm:0:65:3", "nothing" };
  for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
    setenv("VEGA_COMM", BAD[i], 1);
    assert_int_not_equal(VG_OK, vg_comm_join(&c, NULL));
  }
  int files[2];
  assert_int_equal(0, pipe(files));                     /* a descriptor of something else */
  char text[32];
  snprintf(text, sizeof text, "shm:0:2:%d", files[0]);
  setenv("VEGA_COMM", text, 1);
  assert_int_equal(VG_EBACKEND, vg_comm_join(&c, NULL));
  unsetenv("VEGA_COMM");
  close(files[0]);
  close(files[1]);
}

static void test_no_memory(void **state) {
  (void)state;
  vg_comm *c;
  char *argv[] = { (char *)"/proc/self/exe", (char *)"wait_long", NULL };
  vg_gang *g;
  long long before = vg_alloc_get_stats().live_small;
  vg_alloc_fail_at(1, 0);
  assert_int_equal(VG_ENOMEM, vg_comm_join(&c, "single"));
  for (int n = 1; n <= 3; n++) {                        /* the gang itself, the environment of each rank */
    vg_alloc_fail_at(n, 0);
    assert_int_equal(VG_ENOMEM, vg_gang_start(&g, &(vg_gang_opts){ .argv = argv, .ranks = 2, .threads = 1 }));
  }
  vg_alloc_fail_at(0, 0);
  assert_int_equal(before, vg_alloc_get_stats().live_small);
}

int main(int argc, char **argv) {
  if (argc > 1) return be_rank(argv[1]);
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_exchange), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_ends_together),
                                      cmocka_unit_test(test_refusals), cmocka_unit_test(test_no_memory) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
