#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

static vg_value text(const char *s) { return (vg_value){ .kind = VG_TEXT, .s = s, .length = strlen(s) }; }
static vg_value integer(int64_t i) { return (vg_value){ .kind = VG_INTEGER, .i = i }; }
static vg_value real(double f) { return (vg_value){ .kind = VG_REAL, .f = f }; }

static void fill(vg_store *s) {
  vg_value study[] = { text("a"), text("[]"), text("{}"), text("0"), text("random"), text("{}"), integer(1), integer(0), text("{}"), text("{}") };
  assert_int_equal(vg_store_run(s, "study_create", study, 10, NULL, NULL), VG_OK);
  vg_value trial[] = { integer(1), integer(1), text("{}"), text("ff") };
  assert_int_equal(vg_store_run(s, "trial_create", trial, 4, NULL, NULL), VG_OK);
}

static vg_status count_row(void *context, int n, const char *const *names, const vg_value *values) {
  (void)n, (void)names, (void)values;
  ++*(int *)context;
  return VG_OK;
}

static void finished_trials_never_change(void **state) {
  (void)state;
  vg_store *s = NULL;
  assert_int_equal(vg_store_open(&s, ":memory:"), VG_OK);
  fill(s);
  vg_value value[] = { integer(1), integer(1), text("f"), real(0.5) };
  assert_int_equal(vg_store_run(s, "value_add", value, 4, NULL, NULL), VG_OK);
  vg_value finish[] = { integer(1), text("COMPLETE"), { .kind = VG_NULL } };
  assert_int_equal(vg_store_run(s, "trial_finish", finish, 3, NULL, NULL), VG_OK);
  assert_int_equal(vg_store_run(s, "trial_finish", finish, 3, NULL, NULL), VG_EBACKEND);
  assert_non_null(strstr(vg_message(), "never changes"));
  value[1] = integer(2);
  assert_int_equal(vg_store_run(s, "value_add", value, 4, NULL, NULL), VG_EBACKEND);
  assert_int_equal(vg_store_run(s, "nothing", NULL, 0, NULL, NULL), VG_EARG);
  assert_int_equal(vg_store_run(s, "trial_list", NULL, 0, NULL, NULL), VG_EARG);
  vg_store_close(s);
}

static void rolled_back_is_gone(void **state) {
  (void)state;
  char path[] = "/tmp/vega-store-XXXXXX";
  int fd = mkstemp(path), rows = 0;
  assert_true(fd >= 0);
  close(fd);
  vg_store *s = NULL;
  assert_int_equal(vg_store_open(&s, path), VG_OK);
  assert_int_equal(vg_store_begin(s), VG_OK);
  fill(s);
  vg_store_close(s);
  assert_int_equal(vg_store_open(&s, path), VG_OK);
  assert_int_equal(vg_store_run(s, "study_list", NULL, 0, count_row, &rows), VG_OK);
  assert_int_equal(rows, 0);
  fill(s);
  vg_store_close(s);
  assert_int_equal(vg_store_open(&s, path), VG_OK);
  assert_int_equal(vg_store_run(s, "study_list", NULL, 0, count_row, &rows), VG_OK);
  assert_int_equal(rows, 1);
  vg_store_close(s);
  unlink(path);
}

static void other_files_are_refused(void **state) {
  (void)state;
  char path[] = "/tmp/vega-store-XXXXXX";
  int fd = mkstemp(path);
  static const char junk[] = "this is certainly no database, and long enough to be looked at as if it were one, a hundred bytes and more....";
  assert_true(write(fd, junk, sizeof junk) == sizeof junk);
  close(fd);
  vg_store *s = NULL;
  assert_int_equal(vg_store_open(&s, path), VG_EFORMAT);
  assert_null(s);
  unlink(path);
  assert_int_equal(vg_store_open(&s, "/nowhere/at/all.db"), VG_EIO);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(finished_trials_never_change), cmocka_unit_test(rolled_back_is_gone),
                                      cmocka_unit_test(other_files_are_refused) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
