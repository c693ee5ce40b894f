/* SQLite: one file, any number of processes of one machine. NaN and infinities are a `kind` beside a NULL, since SQLite has no NaN. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/interrupt.h"
#include "store/sql.h"

#define APPLICATION_ID 0x56454741   /* "VEGA" */
enum { MAX_COLUMNS = 32, MAX_SQL = 2048, BUSY_MS = 10000 };

typedef struct connection {
  vg_sql base;
  sqlite3 *db;
  sqlite3_stmt *prepared[VG__MAX_STATEMENTS];
  double busy_since;
  int64_t seen;            /* data_version of the last wait */
  char path[4096];
} connection;

static connection *of(vg_sql *c) { return (connection *)c; }

static vg_status status_of(int rc) {
  switch (rc & 0xff) {
    case SQLITE_FULL: case SQLITE_IOERR: case SQLITE_READONLY: case SQLITE_CANTOPEN: return VG_EIO;
    case SQLITE_NOMEM: return VG_ENOMEM;
    case SQLITE_CORRUPT: case SQLITE_NOTADB: return VG_EFORMAT;
    default: return VG_EBACKEND;
  }
}

static vg_status refuse(vg_sql *c, const char *what) {
  sqlite3 *db = of(c)->db;
  int rc = sqlite3_errcode(db);
  if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT) return vg_fail(VG_EFORMAT, "store: the file is no SQLite database, or damaged");
  return vg_fail(status_of(rc), "store: %s: %s", what, sqlite3_errmsg(db));
}

static vg_status sqlite_script(vg_sql *c, const char *sql) {
  return sqlite3_exec(of(c)->db, sql, NULL, NULL, NULL) == SQLITE_OK ? VG_OK : refuse(c, "cannot execute");
}

static vg_status sqlite_number(vg_sql *c, const char *sql, int64_t *out) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(of(c)->db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) *out = sqlite3_column_int64(stmt, 0);
  vg_status status = rc == SQLITE_ROW || rc == SQLITE_DONE ? VG_OK : refuse(c, "cannot read");
  sqlite3_finalize(stmt);
  return status;
}

static vg_status has_tables(vg_sql *c, int *out) {
  int64_t n = 0;
  VG_TRY(sqlite_number(c, "SELECT count(*) FROM sqlite_master", &n));
  *out = n > 0;
  return VG_OK;
}

/* Opening ---------------------------------------------------------------------------------------------------------------------------- */

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void store_now(sqlite3_context *context, int n, sqlite3_value **values) {
  (void)n, (void)values;
  sqlite3_result_double(context, seconds(CLOCK_BOOTTIME));
}

static void wall_now(sqlite3_context *context, int n, sqlite3_value **values) {
  (void)n, (void)values;
  sqlite3_result_double(context, seconds(CLOCK_REALTIME));
}

/* WAL needs memory that all its users share: over a network each machine has its own, and the file is lost. Kinds as in statfs(2). */
static int is_network_fs(unsigned long kind) {
  static const unsigned long KINDS[] = { 0x6969 /* NFS */, 0x517B /* SMB */, 0xFF534D42 /* CIFS */, 0xFE534D42 /* SMB 2 */, 0x01021997 /* 9p */,
    0x65735546 /* FUSE */, 0x0BD00BD0 /* Lustre */, 0x00C36400 /* Ceph */, 0x5346414F /* AFS */, 0x47504653 /* GPFS */ };
  for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
    if ((kind & 0xFFFFFFFF) == KINDS[i]) return 1;
  return 0;
}

static vg_status check_fs(const vg_store_url *url) {
  char folder[sizeof url->path];
  struct statfs fs;
  if (url->kind == VG_STORE_MEMORY || url->allow_network_fs) return VG_OK;
  strcpy(folder, url->path);
  char *slash = strrchr(folder, '/');
  if (slash) slash[slash == folder] = '\0';
  if (statfs(slash ? folder : ".", &fs) != 0 || !is_network_fs((unsigned long)fs.f_type)) return VG_OK;   /* no such folder: open says so */
  return vg_fail(VG_EIO, "store: '%s' is on a network file system, where SQLite's locks do not hold: use a local disk, postgresql://..., or"
                 " sqlite:PATH?network_fs=allow when only one machine uses it", url->path);
}

/* SQLite's own handler sleeps ever longer, up to 100 ms; against 8 writers that commit without a pause a sleeper then found the lock taken for
 * more than 10 s. Short sleeps of random length give every waiter the same chance. */
static int wait_for_others(void *context, int tries) {
  connection *c = context;
  double now = seconds(CLOCK_BOOTTIME);
  if (tries == 0) c->busy_since = now;
  if (now - c->busy_since > 1e-3 * BUSY_MS) return 0;
  usleep(200 + (useconds_t)((long)(1e9 * now) % 997));
  return 1;
}

/* The change to WAL does not wait for others that open the file at this moment, whatever the busy timeout. */
static vg_status use_wal(vg_sql *c) {
  for (int waited_ms = 0; ; waited_ms += 20) {
    vg_status status = sqlite_script(c, "PRAGMA journal_mode = WAL");
    if (status == VG_OK || (sqlite3_errcode(of(c)->db) & 0xff) != SQLITE_BUSY || waited_ms > BUSY_MS) return status;
    usleep(20000);
  }
}

/* Another kind of file is refused before WAL mode would write to it. The tables first: another process may be making ours, both in one commit. */
static vg_status check_kind(vg_sql *c) {
  int64_t id = 0;
  int any = 0;
  VG_TRY(has_tables(c, &any));
  VG_TRY(sqlite_number(c, "PRAGMA application_id", &id));
  return any && id != APPLICATION_ID ? vg_fail(VG_EFORMAT, "store: the file is a database of another program") : VG_OK;
}

static vg_status set_up(vg_sql *c, const vg_store_url *url) {
  sqlite3 *db = of(c)->db;
  sqlite3_busy_handler(db, wait_for_others, c);
  if (sqlite3_create_function(db, "store_now", 0, SQLITE_UTF8, NULL, store_now, NULL, NULL) != SQLITE_OK) return refuse(c, "cannot configure");
  if (sqlite3_create_function(db, "wall_now", 0, SQLITE_UTF8, NULL, wall_now, NULL, NULL) != SQLITE_OK) return refuse(c, "cannot configure");
  VG_TRY(sqlite_script(c, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON"));
  VG_TRY(check_kind(c));
  VG_TRY(use_wal(c));
  return sqlite_script(c, url->durability_normal ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL");
}

static void sqlite_close(vg_sql *c) {
  for (int i = 0; i < VG__MAX_STATEMENTS; i++) sqlite3_finalize(of(c)->prepared[i]);
  sqlite3_close(of(c)->db);
  vg_free(c);
}

static vg_status sqlite_open(vg_sql **out, const vg_store_url *url) {
  connection *c = NULL;
  VG_TRY(check_fs(url));
  VG_TRY(VG_NEW(&c));
  c->base.driver = &vg__sqlite;
  strcpy(c->path, url->path);
  int rc = sqlite3_open_v2(url->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  vg_status status = rc == SQLITE_OK ? set_up(&c->base, url) : vg_fail(VG_EIO, "store: cannot open '%s': %s", url->path, sqlite3_errmsg(c->db));
  if (status != VG_OK) {
    sqlite_close(&c->base);
    return status;
  }
  *out = &c->base;
  return VG_OK;
}

/* Running ---------------------------------------------------------------------------------------------------------------------------- */

/* Our statements write parameters as $1; for SQLite that is a name, numbered as it comes, and ?1 the number that is meant. */
static vg_status prepare(connection *c, int id, const char *sql) {
  char text[MAX_SQL];
  size_t n = strlen(sql);
  if (n >= sizeof text) return vg_fail(VG_EARG, "store: statement '%s' is too long", vg__statements[id].name);
  for (size_t i = 0; i <= n; i++) text[i] = sql[i] == '$' ? '?' : sql[i];
  if (sqlite3_prepare_v3(c->db, text, -1, SQLITE_PREPARE_PERSISTENT, &c->prepared[id], NULL) != SQLITE_OK)
    return refuse(&c->base, vg__statements[id].name);
  return VG_OK;
}

static int bind_value(sqlite3_stmt *stmt, int at, const vg_value *v) {
  switch (v->kind) {
    case VG_INTEGER: return sqlite3_bind_int64(stmt, at, v->i);
    case VG_REAL: return sqlite3_bind_double(stmt, at, v->f);
    case VG_TEXT: return sqlite3_bind_text64(stmt, at, v->s, v->length, SQLITE_TRANSIENT, SQLITE_UTF8);
    default: return sqlite3_bind_null(stmt, at);
  }
}

static vg_value column(sqlite3_stmt *stmt, int at) {
  switch (sqlite3_column_type(stmt, at)) {
    case SQLITE_INTEGER: return (vg_value){ .kind = VG_INTEGER, .i = sqlite3_column_int64(stmt, at) };
    case SQLITE_FLOAT: return (vg_value){ .kind = VG_REAL, .f = sqlite3_column_double(stmt, at) };
    case SQLITE_NULL: return (vg_value){ .kind = VG_NULL };
    default: return (vg_value){ .kind = VG_TEXT, .s = (const char *)sqlite3_column_text(stmt, at), .length = (size_t)sqlite3_column_bytes(stmt, at) };
  }
}

static vg_status hand_out_row(sqlite3_stmt *stmt, vg_row_fn *each, void *context) {
  const char *names[MAX_COLUMNS];
  vg_value values[MAX_COLUMNS];
  int n = sqlite3_column_count(stmt);
  for (int i = 0; i < n && i < MAX_COLUMNS; i++) {
    names[i] = sqlite3_column_name(stmt, i);
    values[i] = column(stmt, i);
  }
  return each(context, n, names, values);
}

static vg_status sqlite_run(vg_sql *base, int id, const char *sql, const vg_value *values, int n, vg_row_fn *each, void *context, int64_t *changed) {
  connection *c = of(base);
  if (!c->prepared[id]) VG_TRY(prepare(c, id, sql));
  sqlite3_stmt *stmt = c->prepared[id];
  if (sqlite3_bind_parameter_count(stmt) != n)
    return vg_fail(VG_EARG, "store: '%s' takes %d values, got %d", vg__statements[id].name, sqlite3_bind_parameter_count(stmt), n);
  vg_status status = VG_OK;
  int rc = SQLITE_OK;
  sqlite3_reset(stmt);                         /* a callback that raised may have left it in the middle */
  for (int i = 0; i < n && rc == SQLITE_OK; i++) rc = bind_value(stmt, i + 1, &values[i]);
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && each) VG_GOTO(hand_out_row(stmt, each, context));
  }
  if (rc != SQLITE_DONE) status = refuse(base, vg__statements[id].name);
  else if (changed) *changed = sqlite3_changes64(c->db);
done:
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
  return status;
}

/* Waits for other writers here, never half way through: a transaction that reads first and writes later would fail at once instead. */
static vg_status sqlite_begin(vg_sql *c) {
  VG_TRY(sqlite_script(c, "BEGIN IMMEDIATE"));
  c->in_transaction = 1;
  return VG_OK;
}

static vg_status sqlite_commit(vg_sql *c) {
  VG_TRY(sqlite_script(c, "COMMIT"));
  c->in_transaction = 0;
  return VG_OK;
}

static void sqlite_rollback(vg_sql *c) {
  sqlite3_exec(of(c)->db, "ROLLBACK", NULL, NULL, NULL);
  c->in_transaction = 0;
}

/* data_version changes with each commit of another connection. Looks often at first: who has just written is often answered soon. */
static vg_status sqlite_wait(vg_sql *c, double longest, int *changed) {
  static const double LONGEST_S = 0.2;
  double step = 0.005;
  int64_t before = of(c)->seen, now = 0;
  double until = seconds(CLOCK_BOOTTIME) + longest;
  for (;;) {
    VG_TRY(sqlite_number(c, "PRAGMA data_version", &now));
    double left = until - seconds(CLOCK_BOOTTIME);
    of(c)->seen = now;
    *changed = now != before;
    if (*changed || left <= 0 || vg_interrupted) return VG_OK;
    usleep((useconds_t)(1e6 * (left < step ? left : step)));
    step = step < LONGEST_S / 1.5 ? 1.5 * step : LONGEST_S;
  }
}

/* Upgrades --------------------------------------------------------------------------------------------------------------------------- */

static vg_status sqlite_define(vg_sql *c, const char *ddl) {
  char pragma[64];
  snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", APPLICATION_ID);
  VG_TRY(sqlite_script(c, pragma));
  return sqlite_script(c, ddl);
}

/* A whole copy, under its name only when it is complete. One that is there already is of an upgrade that was cut short: it stays. */
static vg_status sqlite_backup(vg_sql *c, int version) {
  char copy[sizeof of(c)->path + 32], temporary[sizeof copy + 32];
  snprintf(copy, sizeof copy, "%s.bak-v%d", of(c)->path, version);
  if (access(copy, F_OK) == 0) return VG_OK;
  snprintf(temporary, sizeof temporary, "%s.%d.tmp", copy, (int)getpid());
  char *sql = sqlite3_mprintf("VACUUM INTO %Q", temporary);
  if (!sql) return vg_fail(VG_ENOMEM, "store: no memory for the name of a copy");
  vg_status status = sqlite_script(c, sql);
  sqlite3_free(sql);
  if (status == VG_OK && rename(temporary, copy) != 0) status = vg_fail(VG_EIO, "store: cannot make the copy '%s' before the upgrade", copy);
  if (status != VG_OK) unlink(temporary);
  return status;
}

const vg_sql_driver vg__sqlite = { .open = sqlite_open, .close = sqlite_close, .run = sqlite_run, .script = sqlite_script, .number = sqlite_number,
  .begin = sqlite_begin, .commit = sqlite_commit, .rollback = sqlite_rollback, .has_tables = has_tables, .define = sqlite_define,
  .backup = sqlite_backup, .wait = sqlite_wait };
