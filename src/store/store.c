/* Rows of finished trials never change: triggers of the schema see to it, so no caller can forget.
 * NaN and infinities are a `kind` beside a NULL, since SQLite has no NaN. */
#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define APPLICATION_ID 0x56454741   /* "VEGA" */
#define TEXT_OF(x) #x
#define NUMBER(x) TEXT_OF(x)

static const char SCHEMA[] =
  "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
  "CREATE TABLE study(study_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at REAL NOT NULL,"
  "  status TEXT NOT NULL CHECK(status IN ('ACTIVE','PAUSED','DONE')), objectives_json TEXT NOT NULL, space_json TEXT NOT NULL,"
  "  space_hash TEXT NOT NULL, strategy TEXT NOT NULL, strategy_json TEXT NOT NULL, seed_lo INTEGER NOT NULL, seed_hi INTEGER NOT NULL,"
  "  next_number INTEGER NOT NULL DEFAULT 1, script_sha256 TEXT, env_json TEXT, budget_json TEXT) STRICT;"
  "CREATE TABLE trial(trial_id INTEGER PRIMARY KEY, study_id INTEGER NOT NULL REFERENCES study, number INTEGER NOT NULL,"
  "  parent_id INTEGER, params_json TEXT NOT NULL, arch_hash TEXT NOT NULL, fidelity REAL, priority INTEGER NOT NULL DEFAULT 0,"
  "  state TEXT NOT NULL CHECK(state IN ('WAITING','RUNNING','PAUSED','COMPLETE','PRUNED','FAILED','ABANDONED')), reason TEXT,"
  "  attempts INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL DEFAULT 3, not_before REAL, owner TEXT, epoch INTEGER NOT NULL DEFAULT 0,"
  "  created_at REAL NOT NULL, started_at REAL, finished_at REAL, UNIQUE(study_id, number)) STRICT;"
  "CREATE INDEX trial_open ON trial(study_id, state) WHERE state IN ('WAITING','RUNNING','PAUSED');"
  "CREATE TABLE attempt(trial_id INTEGER NOT NULL REFERENCES trial, epoch INTEGER NOT NULL, owner TEXT, host TEXT, started_at REAL NOT NULL,"
  "  ended_at REAL, outcome TEXT CHECK(outcome IN ('COMPLETE','PRUNED','FAILED','LOST','RELEASED','KILLED')), signal INTEGER, exit_code INTEGER,"
  "  max_rss_kb INTEGER, message TEXT, PRIMARY KEY(trial_id, epoch)) STRICT;"
  "CREATE TABLE trial_value(trial_id INTEGER NOT NULL REFERENCES trial, objective INTEGER NOT NULL,"
  "  kind TEXT NOT NULL CHECK(kind IN ('f','nan','+inf','-inf')), value REAL, PRIMARY KEY(trial_id, objective)) STRICT;"
  "CREATE TABLE metric(trial_id INTEGER NOT NULL REFERENCES trial, epoch INTEGER NOT NULL, name TEXT NOT NULL, step INTEGER NOT NULL,"
  "  kind TEXT NOT NULL CHECK(kind IN ('f','nan','+inf','-inf')), value REAL, at REAL, PRIMARY KEY(trial_id, name, step, epoch)) STRICT;"
  "CREATE TABLE artifact(trial_id INTEGER NOT NULL REFERENCES trial, epoch INTEGER NOT NULL, kind TEXT NOT NULL, sha256 TEXT, bytes INTEGER,"
  "  locator TEXT, created_at REAL) STRICT;"
  "CREATE TABLE arch(study_id INTEGER NOT NULL REFERENCES study, arch_hash TEXT NOT NULL, genotype TEXT NOT NULL, params INTEGER, macs INTEGER,"
  "  PRIMARY KEY(study_id, arch_hash)) STRICT;"
  "CREATE TABLE strategy_state(study_id INTEGER PRIMARY KEY REFERENCES study, epoch INTEGER NOT NULL DEFAULT 0, owner TEXT, lease_until REAL,"
  "  last_event INTEGER, snapshot BLOB) STRICT;"
  "CREATE TABLE event(seq INTEGER PRIMARY KEY, study_id INTEGER NOT NULL REFERENCES study, trial_id INTEGER, at REAL NOT NULL,"
  "  kind TEXT NOT NULL, payload_json TEXT NOT NULL) STRICT;"
  "CREATE TRIGGER trial_is_final BEFORE UPDATE ON trial WHEN OLD.state IN ('COMPLETE','PRUNED','FAILED','ABANDONED')"
  "  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;"
  "CREATE TRIGGER trial_is_kept BEFORE DELETE ON trial WHEN OLD.state IN ('COMPLETE','PRUNED','FAILED','ABANDONED')"
  "  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;"
  "CREATE TRIGGER value_is_final BEFORE UPDATE ON trial_value BEGIN SELECT RAISE(ABORT, 'a result never changes'); END;"
  "CREATE TRIGGER value_is_kept BEFORE DELETE ON trial_value BEGIN SELECT RAISE(ABORT, 'a result never changes'); END;"
  "CREATE TRIGGER value_of_open BEFORE INSERT ON trial_value"
  "  WHEN (SELECT state FROM trial WHERE trial_id = NEW.trial_id) IN ('COMPLETE','PRUNED','FAILED','ABANDONED')"
  "  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;"
  "CREATE TRIGGER event_is_final BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'the journal is append only'); END;"
  "CREATE TRIGGER event_is_kept BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'the journal is append only'); END;"
  "INSERT INTO meta VALUES('schema_version', '" NUMBER(VG_STORE_VERSION) "'), ('created_by', 'vega-lua " VEGA_VERSION "');";

static const struct { const char *name, *sql; } STATEMENTS[] = {
  { "study_create", "INSERT INTO study(name, created_at, status, objectives_json, space_json, space_hash, strategy, strategy_json, seed_lo,"
                    " seed_hi, budget_json, env_json) VALUES(?, ?, 'ACTIVE', ?, ?, ?, ?, ?, ?, ?, ?, ?)" },
  { "study_find", "SELECT * FROM study WHERE name = ?" },
  { "study_list", "SELECT * FROM study ORDER BY study_id" },
  { "study_status", "UPDATE study SET status = ? WHERE study_id = ?" },
  { "study_next", "UPDATE study SET next_number = ? WHERE study_id = ?" },
  { "trial_create", "INSERT INTO trial(study_id, number, params_json, arch_hash, state, attempts, epoch, created_at, started_at)"
                    " VALUES(?1, ?2, ?3, ?4, 'RUNNING', 1, 1, ?5, ?5)" },
  { "trial_retry", "UPDATE trial SET attempts = attempts + 1, epoch = epoch + 1, started_at = ?2 WHERE trial_id = ?1" },
  { "trial_parent", "UPDATE trial SET parent_id = ?2 WHERE trial_id = ?1" },
  { "trial_move", "UPDATE trial SET state = ?2, fidelity = ?3 WHERE trial_id = ?1" },
  { "trial_finish", "UPDATE trial SET state = ?2, reason = ?3, finished_at = ?4 WHERE trial_id = ?1" },
  { "trial_list", "SELECT trial.*, arch.params, arch.macs FROM trial LEFT JOIN arch USING(study_id, arch_hash) WHERE study_id = ? ORDER BY number" },
  { "attempt_start", "INSERT INTO attempt(trial_id, epoch, started_at) SELECT trial_id, epoch, ?2 FROM trial WHERE trial_id = ?1" },
  { "attempt_end", "UPDATE attempt SET outcome = ?2, message = ?3, ended_at = ?4 WHERE trial_id = ?1 AND outcome IS NULL" },
  { "attempt_list", "SELECT attempt.* FROM attempt JOIN trial USING(trial_id) WHERE study_id = ? ORDER BY trial_id, attempt.epoch" },
  { "value_add", "INSERT OR REPLACE INTO trial_value VALUES(?, ?, ?, ?)" },
  { "value_list", "SELECT trial_value.* FROM trial_value JOIN trial USING(trial_id) WHERE study_id = ? ORDER BY trial_id, objective" },
  { "metric_add", "INSERT OR REPLACE INTO metric SELECT trial_id, epoch, ?2, ?3, ?4, ?5, ?6 FROM trial WHERE trial_id = ?1" },
  /* Of a step that several attempts have reported the last counts: the columns beside max() are those of its row. */
  { "metric_list", "SELECT trial_id, max(metric.epoch) AS epoch, metric.name, step, kind, value, at FROM metric JOIN trial USING(trial_id)"
                   " WHERE study_id = ? GROUP BY trial_id, step, metric.name ORDER BY trial_id, step, metric.name" },
  { "arch_add", "INSERT INTO arch VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET params = coalesce(excluded.params, params),"
                " macs = coalesce(excluded.macs, macs)" },
  { "arch_list", "SELECT * FROM arch WHERE study_id = ? ORDER BY arch_hash" },
  { "event_add", "INSERT INTO event(study_id, trial_id, at, kind, payload_json) VALUES(?, ?, ?, ?, ?)" },
  { "event_list", "SELECT * FROM event WHERE study_id = ? ORDER BY seq" },
};
enum { N_STATEMENTS = sizeof STATEMENTS / sizeof *STATEMENTS, MAX_COLUMNS = 32 };

struct vg_store {
  sqlite3 *db;
  sqlite3_stmt *prepared[N_STATEMENTS];
};

static vg_status status_of(int rc) {
  switch (rc & 0xff) {
    case SQLITE_FULL: case SQLITE_IOERR: case SQLITE_READONLY: case SQLITE_CANTOPEN: return VG_EIO;
    case SQLITE_NOMEM: return VG_ENOMEM;
    case SQLITE_CORRUPT: case SQLITE_NOTADB: return VG_EFORMAT;
    default: return VG_EBACKEND;
  }
}

static vg_status refuse(vg_store *s, const char *what) {
  return vg_fail(status_of(sqlite3_errcode(s->db)), "store: %s: %s", what, sqlite3_errmsg(s->db));
}

static vg_status execute(vg_store *s, const char *sql, const char *what) {
  return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? VG_OK : refuse(s, what);
}

static vg_status read_number(vg_store *s, const char *sql, int64_t *out) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) *out = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT) return vg_fail(VG_EFORMAT, "store: the file is no SQLite database, or damaged");
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? VG_OK : refuse(s, "cannot read");
}

/* A new file gets the schema, in one transaction; a known one is checked before anything is written to it. */
static vg_status prepare_schema(vg_store *s) {
  int64_t id = 0, objects = 0, version = 0;
  VG_TRY(read_number(s, "PRAGMA application_id", &id));
  VG_TRY(read_number(s, "SELECT count(*) FROM sqlite_master", &objects));
  if (objects == 0) {
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", APPLICATION_ID);
    VG_TRY(execute(s, pragma, "cannot create"));
    return execute(s, SCHEMA, "cannot create the tables");
  }
  if (id != APPLICATION_ID) return vg_fail(VG_EFORMAT, "store: the file is a database of another program");
  VG_TRY(read_number(s, "SELECT value FROM meta WHERE key = 'schema_version'", &version));
  if (version > VG_STORE_VERSION)
    return vg_fail(VG_EFORMAT, "store: written by a newer version (schema %d, this program knows %d)", (int)version, VG_STORE_VERSION);
  return VG_OK;
}

static vg_status set_up(vg_store *s) {
  VG_TRY(execute(s, "PRAGMA busy_timeout = 10000; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON", "cannot configure"));
  int64_t id = 0;
  VG_TRY(read_number(s, "PRAGMA application_id", &id));   /* another kind of file is refused before WAL mode would write to it */
  int64_t objects = 0;
  VG_TRY(read_number(s, "SELECT count(*) FROM sqlite_master", &objects));
  if (objects > 0 && id != APPLICATION_ID) return vg_fail(VG_EFORMAT, "store: the file is a database of another program");
  VG_TRY(execute(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", "cannot configure"));
  VG_TRY(vg_store_begin(s));
  vg_status status = prepare_schema(s);
  if (status == VG_OK) return vg_store_commit(s);
  vg_store_rollback(s);
  return status;
}

vg_status vg_store_open(vg_store **out, const char *path) {
  vg_store *s = NULL;
  VG_TRY(VG_NEW(&s));
  int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  vg_status status = rc == SQLITE_OK ? set_up(s) : vg_fail(VG_EIO, "store: cannot open '%s': %s", path, sqlite3_errmsg(s->db));
  if (status != VG_OK) {
    vg_store_close(s);
    return status;
  }
  *out = s;
  return VG_OK;
}

void vg_store_close(vg_store *s) {
  if (!s) return;
  for (int i = 0; i < N_STATEMENTS; i++) sqlite3_finalize(s->prepared[i]);
  sqlite3_close(s->db);
  vg_free(s);
}

vg_status vg_store_begin(vg_store *s) { return execute(s, "BEGIN IMMEDIATE", "cannot begin"); }
vg_status vg_store_commit(vg_store *s) { return execute(s, "COMMIT", "cannot commit"); }
void vg_store_rollback(vg_store *s) { sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); }
int64_t vg_store_last_id(const vg_store *s) { return sqlite3_last_insert_rowid(s->db); }

static vg_status find_statement(vg_store *s, const char *name, sqlite3_stmt **out) {
  for (int i = 0; i < N_STATEMENTS; i++) {
    if (strcmp(STATEMENTS[i].name, name) != 0) continue;
    if (!s->prepared[i] && sqlite3_prepare_v3(s->db, STATEMENTS[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &s->prepared[i], NULL) != SQLITE_OK)
      return refuse(s, name);
    *out = s->prepared[i];
    return VG_OK;
  }
  return vg_fail(VG_EARG, "store: no statement '%s'", name);
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

vg_status vg_store_run(vg_store *s, const char *statement, const vg_value *values, int n, vg_row_fn *each, void *context) {
  sqlite3_stmt *stmt = NULL;
  VG_TRY(find_statement(s, statement, &stmt));
  if (sqlite3_bind_parameter_count(stmt) != n)
    return vg_fail(VG_EARG, "store: '%s' takes %d values, got %d", statement, sqlite3_bind_parameter_count(stmt), n);
  vg_status status = VG_OK;
  int rc = SQLITE_OK;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) rc = bind_value(stmt, i + 1, &values[i]);
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && each) VG_GOTO(hand_out_row(stmt, each, context));
  }
  if (rc != SQLITE_DONE) status = refuse(s, statement);
done:
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
  return status;
}
