/* Where a store may be: URLs, network file systems (statfs is ours here), boots, settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store/store.h"
#include "store/url.h"

static unsigned long fs_kind;      /* what the next file system is said to be */
int statfs(const char *path, struct statfs *out) {
  (void)path;
  *out = (struct statfs){ .f_type = (long)fs_kind };
  return 0;
}

static char *scratch(char *path) {
  strcpy(path, "/tmp/vega-store-XXXXXX");
  close(mkstemp(path));
  return path;
}

static void drop(const char *path) {
  char name[128];
  static const char *const TAILS[] = { "", "-wal", "-shm" };
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "%s%s", path, TAILS[i]);
    unlink(name);
  }
}

static void urls(void **state) {
  (void)state;
  vg_store_url u;
  assert_int_equal(vg_store_url_parse(&u, "mem:"), VG_OK);
  assert_int_equal(u.kind, VG_STORE_MEMORY);
  assert_int_equal(vg_store_url_parse(&u, "runs/a?b.db"), VG_OK);             /* a plain path has no options */
  assert_string_equal(u.path, "runs/a?b.db");
  assert_int_equal(vg_store_url_parse(&u, "sqlite:runs/x.db?durability=normal&network_fs=allow"), VG_OK);
  assert_string_equal(u.path, "runs/x.db");
  assert_true(u.durability_normal && u.allow_network_fs);
  assert_int_equal(vg_store_url_parse(&u, "postgresql://me@host/db?sslmode=require"), VG_OK);
  assert_int_equal(u.kind, VG_STORE_POSTGRES);
  static const char *const WRONG[] = { "sqlite:x.db?durability=none", "sqlite:", "mysql://h/d", "" };
  for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
    assert_int_equal(vg_store_url_parse(&u, WRONG[i]), VG_EARG);
    assert_non_null(strstr(vg_message(), "expected"));
  }
  char *lengthy = malloc(10000);
  memset(lengthy, 'x', 9999);
  lengthy[9999] = '\0';
  assert_int_equal(vg_store_url_parse(&u, lengthy), VG_EARG);
  memcpy(lengthy, "postgresql://", 13);
  assert_int_equal(vg_store_url_parse(&u, lengthy), VG_EARG);
  free(lengthy);
}

/* However the password is written, neither the message nor what is shown has a piece of it. */
static void passwords_are_refused_and_never_shown(void **state) {
  (void)state;
  static const char *const URLS[] = { "postgresql://me:s3cret@host/db", "postgres://me:s3cret@host:5432/db?sslmode=require",
    "postgresql://:s3cret@host/db", "postgresql://me:a/s3cret@host/db", "postgresql://me:a?s3cret@host/db", "postgresql://me:a@s3cret@host/db", "postgresql://me:a:s3cret@host/db",
    "postgresql://host/db?password=s3cret", "postgresql://host/db?user=me&PASSWORD=s3cret", "postgresql://host/db?p%61ssword=s3cret",
    "postgresql://host/db?sslpassword=s3cret", "mysql://me:s3cret@host/db" };
  for (size_t i = 0; i < sizeof URLS / sizeof *URLS; i++) {
    vg_store_url u;
    vg_store *s = NULL;
    char shown[256];
    assert_int_equal(vg_store_url_parse(&u, URLS[i]), VG_EARG);
    assert_null(strstr(vg_message(), "s3cret"));
    assert_int_equal(vg_store_open(&s, URLS[i]), VG_EARG);
    assert_null(strstr(vg_message(), "s3cret"));
    vg_store_url_show(shown, sizeof shown, URLS[i]);
    assert_null(strstr(shown, "s3cret"));
    assert_non_null(strstr(shown, "://"));
  }
  char shown[256];
  vg_store_url_show(shown, sizeof shown, "postgresql://me:s3cret@host:5432/db?sslmode=require");
  assert_string_equal(shown, "postgresql://me:***@host:5432/db");
}

static void network_file_systems_are_refused(void **state) {
  (void)state;
  static const unsigned long NETWORK[] = { 0x6969, 0xFF534D42, 0x65735546, 0x01021997, 0x0BD00BD0 };
  char path[64], url[128];
  vg_store *s = NULL;
  snprintf(url, sizeof url, "sqlite:%s?network_fs=allow", scratch(path));
  for (size_t i = 0; i < sizeof NETWORK / sizeof *NETWORK; i++) {
    fs_kind = NETWORK[i];
    assert_int_equal(vg_store_open(&s, path), VG_EIO);
    assert_non_null(strstr(vg_message(), "network file system"));
    assert_non_null(strstr(vg_message(), path));
    assert_int_equal(vg_store_open(&s, url), VG_OK);
    vg_store_close(s);
  }
  fs_kind = 0xEF53;                                     /* ext4 */
  assert_int_equal(vg_store_open(&s, path), VG_OK);
  vg_store_close(s);
  drop(path);
}

static vg_status first_number(void *context, int n, const char *const *names, const vg_value *values) {
  (void)names;
  *(double *)context = values[n - 1].kind == VG_REAL ? values[n - 1].f : -2;
  return VG_OK;
}

static void execute(const char *path, const char *sql) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  sqlite3_close(db);
}

/* A lease that another boot gave has run out, whatever its clock said; one of this boot stays. */
static void leases_end_with_the_boot(void **state) {
  (void)state;
  char path[64];
  vg_store *s = NULL;
  fs_kind = 0xEF53;
  assert_int_equal(vg_store_open(&s, scratch(path)), VG_OK);
  vg_store_close(s);
  execute(path, "INSERT INTO study(study_id, name, created_at, status, objectives_json, space_json, space_hash, strategy, strategy_json, seed_lo,"
                " seed_hi) VALUES(1, 's', 0, 'ACTIVE', '[]', '{}', '0', 'x', '{}', 0, 0);"
                "INSERT INTO strategy_state(study_id, epoch, owner, lease_until) VALUES(1, 1, 'me', 1e15);");
  vg_value study = { .kind = VG_INTEGER, .i = 1 };
  double left = 0;
  assert_int_equal(vg_store_open(&s, path), VG_OK);
  assert_int_equal(vg_store_run(s, "lead_get", &study, 1, first_number, &left), VG_OK);
  assert_true(left > 1e14);
  vg_store_close(s);
  execute(path, "UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'");
  assert_int_equal(vg_store_open(&s, path), VG_OK);
  assert_int_equal(vg_store_run(s, "lead_get", &study, 1, first_number, &left), VG_OK);
  assert_true(left < 0);
  vg_store_close(s);
  drop(path);
}

static void newer_stores_are_refused_untouched(void **state) {
  (void)state;
  char path[64];
  vg_store *s = NULL;
  assert_int_equal(vg_store_open(&s, scratch(path)), VG_OK);
  vg_store_close(s);
  s = NULL;
  execute(path, "UPDATE meta SET value = '99' WHERE key = 'schema_version'; UPDATE meta SET value = 'vega-lua 7.7' WHERE key = 'written_by'");
  assert_int_equal(vg_store_open(&s, path), VG_EFORMAT);
  assert_null(s);
  assert_non_null(strstr(vg_message(), "vega-lua 7.7 (schema 99, this program knows 2)"));
  execute(path, "UPDATE meta SET value = '2' WHERE key = 'schema_version'");
  assert_int_equal(vg_store_open(&s, path), VG_OK);
  vg_store_close(s);
  drop(path);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(urls), cmocka_unit_test(passwords_are_refused_and_never_shown),
                                      cmocka_unit_test(network_file_systems_are_refused), cmocka_unit_test(leases_end_with_the_boot),
                                      cmocka_unit_test(newer_stores_are_refused_untouched) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
