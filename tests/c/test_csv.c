/* CSV: what RFC 4180 allows is read, what is damaged is refused with its place, and no bytes crash the reader. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/csv.h"

static char path[64] = "/tmp/vega_csv_XXXXXX";
static int make_file(void **state) {
  (void)state;
  int fd = mkstemp(path);
  return fd < 0 || close(fd);
}
static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

static void write_bytes(const void *bytes, size_t n) {       /* in place: file systems wait for the disk when a file is emptied and written anew */
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, bytes, n, 0), n);
  assert_int_equal(ftruncate(fd, (off_t)n), 0);
  assert_int_equal(close(fd), 0);
}
static vg_status read_bytes(vg_csv *csv, const void *bytes, size_t n) {
  write_bytes(bytes, n);
  return vg_csv_read(csv, path, 1 << 20);
}
static vg_status read_text(vg_csv *csv, const char *text) { return read_bytes(csv, text, strlen(text)); }

static void fields(void **state) {
  (void)state;
  vg_csv csv;
  assert_int_equal(read_text(&csv, "\xef\xbb\xbfname,\"a \"\"b\"\"\",code\r\n\r\n\"x, y\r\nz\",-1.5e3,007\r\n,,1\n\"\",nan,2"), VG_OK);
  assert_int_equal(csv.n_columns, 3);
  assert_int_equal(csv.n_rows, 3);
  assert_string_equal(vg_csv_field(&csv, 0, 0), "name");
  assert_string_equal(vg_csv_field(&csv, 0, 1), "a \"b\"");
  assert_string_equal(vg_csv_field(&csv, 1, 0), "x, y\r\nz");
  assert_string_equal(vg_csv_field(&csv, 1, 1), "-1.5e3");
  assert_string_equal(vg_csv_field(&csv, 2, 0), "");
  assert_string_equal(vg_csv_field(&csv, 2, 2), "1");
  assert_string_equal(vg_csv_field(&csv, 3, 1), "nan");
  assert_string_equal(vg_csv_field(&csv, 3, 2), "2");
  assert_int_equal(csv.kind[0], VG_CSV_TEXT);
  assert_int_equal(csv.kind[1], VG_CSV_REAL);
  assert_int_equal(csv.kind[2], VG_CSV_TEXT);          /* 007 */
  vg_csv_clear(&csv);
}

static void kinds(void **state) {
  (void)state;
  static const struct { const char *text; vg_csv_kind kind; } CASES[] = {
    { "0", VG_CSV_INTEGER }, { "-12", VG_CSV_INTEGER }, { "+3", VG_CSV_INTEGER }, { "123456789012345678", VG_CSV_INTEGER },
    { "1234567890123456789012", VG_CSV_REAL }, { "0.5", VG_CSV_REAL }, { ".5", VG_CSV_REAL }, { "5.", VG_CSV_REAL }, { "1e-3", VG_CSV_REAL },
    { "INF", VG_CSV_REAL }, { "-inf", VG_CSV_REAL }, { "NaN", VG_CSV_REAL }, { "", VG_CSV_INTEGER }, { "-", VG_CSV_TEXT }, { ".", VG_CSV_TEXT },
    { "1e", VG_CSV_TEXT }, { "0x10", VG_CSV_TEXT }, { "1 ", VG_CSV_TEXT }, { "00", VG_CSV_TEXT }, { "1,5", VG_CSV_TEXT }, { "infinity", VG_CSV_TEXT },
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    char text[128];
    vg_csv csv;
    snprintf(text, sizeof text, "k,v\na,\"%s\"\n", CASES[i].text);
    assert_int_equal(read_text(&csv, text), VG_OK);
    if (csv.kind[1] != CASES[i].kind) fail_msg("'%s': kind %d, expected %d", CASES[i].text, csv.kind[1], CASES[i].kind);
    vg_csv_clear(&csv);
  }
}

static void refusals(void **state) {
  (void)state;
  static const struct { const char *text, *message; } CASES[] = {
    { "", "is empty" },
    { "\n\n", "is empty" },
    { "a,b\n1,2\n3\n", "row 2 (line 3) has 1 fields, the header names 2 columns" },
    { "a,b\n1,2,3\n", "row 1 (line 2) has 3 fields" },
    { "a,\n1,2\n", "column 2 has no name" },
    { "a,b,a\n", "columns 1 and 3 are both named 'a'" },
    { "a,b\n1,\"2\n3,4\n", "line 2: a quote is opened and never closed" },
    { "a,b\n1,\"2\"3\n", "line 2: text after a closing quote" },
    { "a,b\n1,2\"3\n", "line 2: a quote inside a field" },
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    vg_csv csv = { 0 };
    assert_int_equal(read_text(&csv, CASES[i].text), VG_EFORMAT);
    assert_null(csv.text);
    if (!strstr(vg_message(), CASES[i].message)) fail_msg("'%s' does not say '%s'", vg_message(), CASES[i].message);
  }
  vg_csv csv = { 0 };
  assert_int_equal(read_bytes(&csv, "a,b\n1\0,2\n", 9), VG_EFORMAT);
  assert_non_null(strstr(vg_message(), "zero bytes"));
  assert_int_equal(vg_csv_read(&csv, "/nowhere/x.csv", 100), VG_EIO);
  assert_int_equal(read_text(&csv, "a\n1\n"), VG_OK);
  vg_csv_clear(&csv);
  assert_int_equal(vg_csv_read(&csv, path, 3), VG_EFORMAT);
  assert_non_null(strstr(vg_message(), "more than 3 bytes"));
}

static void gzipped(void **state) {
  (void)state;
  gzFile f = gzopen(path, "wb");
  assert_true(gzprintf(f, "a,b\n") > 0);
  for (int i = 0; i < 30000; i++) gzprintf(f, "%d,%d.5\n", i, i);
  assert_int_equal(gzclose(f), Z_OK);
  vg_csv csv;
  assert_int_equal(vg_csv_read(&csv, path, 1 << 22), VG_OK);
  assert_int_equal(csv.n_rows, 30000);
  assert_string_equal(vg_csv_field(&csv, 30000, 1), "29999.5");
  assert_int_equal(csv.kind[0], VG_CSV_INTEGER);
  vg_csv_clear(&csv);
  uint64_t size;                                        /* cut short: refused, not read in part */
  assert_int_equal(vg_file_size(&size, path), VG_OK);
  assert_int_equal(truncate(path, (off_t)size / 2), 0);
  assert_int_equal(vg_csv_read(&csv, path, 1 << 22), VG_EFORMAT);
}

static uint32_t next(uint32_t *s) { return *s = *s * 1664525u + 1013904223u, *s >> 8; }

static void any_bytes(void **state) {
  (void)state;
  static const char SOME[] = "\"\",,\r\n\n1.e-+a0";
  char text[64];
  uint32_t seed = 1;
  int good = 0;
  for (int i = 0; i < 4000; i++) {
    size_t n = next(&seed) % sizeof text;
    for (size_t k = 0; k < n; k++) text[k] = SOME[next(&seed) % (sizeof SOME - 1)];
    vg_csv csv;
    if (read_bytes(&csv, text, n) != VG_OK) continue;
    for (size_t row = 0; row <= csv.n_rows; row++) {
      for (size_t c = 0; c < csv.n_columns; c++) assert_true(strlen(vg_csv_field(&csv, row, c)) <= n);
    }
    vg_csv_clear(&csv);
    good++;
  }
  assert_true(good > 0);
}

static void lost_memory(void **state) {
  (void)state;
  vg_csv csv;
  vg_status s = VG_ENOMEM;
  for (long n = 1; s != VG_OK; n++) {
    write_bytes("a,b\n1,x\n", 8);
    vg_alloc_fail_at(n, 0);
    s = vg_csv_read(&csv, path, 100);
    vg_alloc_fail_at(0, 0);
    assert_true(s == VG_OK || s == VG_ENOMEM);
  }
  vg_csv_clear(&csv);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(fields), cmocka_unit_test(kinds), cmocka_unit_test(refusals), cmocka_unit_test(gzipped),
    cmocka_unit_test(any_bytes), cmocka_unit_test(lost_memory) };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
