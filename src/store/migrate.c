/* The tables, as numbered migrations: a new store runs through all of them, so there is one way to get to a version and the tests see it.
 * A released migration never changes. Tables are written in SQLite's words; a driver's `define` puts them into its own.
 * Departures from specs/dependencies-and-ux.md 2.3: on PostgreSQL, too, JSON is text (jsonb would give back another text than it was given, and a
 * study is compared by its text) and times are seconds; trial_need and study.script are there for capabilities and --trust-store. */
#include <stdio.h>
#include <string.h>

#include "store/sql.h"

#define FINISHED "('COMPLETE','PRUNED','FAILED','ABANDONED')"

static const char TABLES_1[] =
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
  "  kind TEXT NOT NULL, payload_json TEXT NOT NULL) STRICT;";

/* The triggers of SQLite stores of version 1; version 2 puts others in their place. */
static const char SQLITE_1[] =
  "CREATE TRIGGER trial_is_final BEFORE UPDATE ON trial WHEN OLD.state IN " FINISHED
  "  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;"
  "CREATE TRIGGER trial_is_kept BEFORE DELETE ON trial WHEN OLD.state IN " FINISHED
  "  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;"
  "CREATE TRIGGER value_is_final BEFORE UPDATE ON trial_value BEGIN SELECT RAISE(ABORT, 'a result never changes'); END;"
  "CREATE TRIGGER value_is_kept BEFORE DELETE ON trial_value BEGIN SELECT RAISE(ABORT, 'a result never changes'); END;"
  "CREATE TRIGGER value_of_open BEFORE INSERT ON trial_value WHEN (SELECT state FROM trial WHERE trial_id = NEW.trial_id) IN " FINISHED
  "  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;"
  "CREATE TRIGGER event_is_final BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'the journal is append only'); END;"
  "CREATE TRIGGER event_is_kept BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'the journal is append only'); END;";

static const char TABLES_2[] =
  "CREATE TABLE lease(trial_id INTEGER PRIMARY KEY REFERENCES trial, epoch INTEGER NOT NULL, lease_until REAL NOT NULL) STRICT;"
  "CREATE TABLE trial_need(trial_id INTEGER NOT NULL REFERENCES trial, capability TEXT NOT NULL, PRIMARY KEY(trial_id, capability)) STRICT;"
  "CREATE TABLE worker(worker_id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, boot_id TEXT, version TEXT, caps_json TEXT,"
  "  started_at REAL NOT NULL, last_seen REAL NOT NULL) STRICT;"
  "ALTER TABLE study ADD COLUMN script TEXT;"
  "DROP INDEX trial_open;"                          /* SQLite's planner never took it: it does not prove IN from = */
  "CREATE INDEX trial_waiting ON trial(study_id, priority DESC, number) WHERE state = 'WAITING';"
  "CREATE INDEX trial_running ON trial(study_id) WHERE state = 'RUNNING';";

/* meta 'removing' names the study that vg_store_remove_study takes out, in one transaction: nothing else may delete. Of a paused trial values may be
 * replaced. */
static const char SQLITE_2[] =
  "DROP TRIGGER trial_is_kept; DROP TRIGGER value_is_final; DROP TRIGGER value_is_kept; DROP TRIGGER event_is_kept;"
  "CREATE TRIGGER trial_is_kept BEFORE DELETE ON trial WHEN OLD.state IN " FINISHED
  "  AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'removing' AND value = CAST(OLD.study_id AS TEXT))"
  "  BEGIN SELECT RAISE(ABORT, 'a finished trial never changes'); END;"
  "CREATE TRIGGER value_is_final BEFORE UPDATE ON trial_value WHEN (SELECT state FROM trial WHERE trial_id = OLD.trial_id) IN " FINISHED
  "  BEGIN SELECT RAISE(ABORT, 'a result never changes'); END;"
  "CREATE TRIGGER value_is_kept BEFORE DELETE ON trial_value WHEN NOT EXISTS (SELECT 1 FROM meta JOIN trial ON trial_id = OLD.trial_id"
  "    WHERE key = 'removing' AND meta.value = CAST(study_id AS TEXT))"
  "  BEGIN SELECT RAISE(ABORT, 'a result never changes'); END;"
  "CREATE TRIGGER event_is_kept BEFORE DELETE ON event"
  "  WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'removing' AND value = CAST(OLD.study_id AS TEXT))"
  "  BEGIN SELECT RAISE(ABORT, 'the journal is append only'); END;";

static const char POSTGRES_1[] =
  "CREATE FUNCTION wall_now() RETURNS double precision LANGUAGE sql VOLATILE AS 'SELECT extract(epoch FROM clock_timestamp())::double precision';"
  "CREATE FUNCTION store_now() RETURNS double precision LANGUAGE sql VOLATILE AS 'SELECT extract(epoch FROM clock_timestamp())::double precision';";

/* Numbers of a study's events are given under a lock that lasts until the commit: whoever has read up to one will not miss a smaller one. */
static const char POSTGRES_2[] =
  "CREATE FUNCTION is_removing(study bigint) RETURNS boolean LANGUAGE sql STABLE AS"
  "  $$ SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'removing' AND value = study::text) $$;"
  "CREATE FUNCTION keep_trial() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
  "  IF OLD.state IN " FINISHED " AND NOT (TG_OP = 'DELETE' AND is_removing(OLD.study_id)) THEN RAISE 'a finished trial never changes'; END IF;"
  "  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$;"
  "CREATE TRIGGER trial_is_final BEFORE UPDATE OR DELETE ON trial FOR EACH ROW EXECUTE FUNCTION keep_trial();"
  "CREATE FUNCTION keep_value() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE t trial; BEGIN"
  "  IF TG_OP = 'DELETE' THEN"
  "    SELECT * INTO t FROM trial WHERE trial_id = OLD.trial_id;"
  "    IF NOT is_removing(t.study_id) THEN RAISE 'a result never changes'; END IF; RETURN OLD;"
  "  END IF;"
  "  SELECT * INTO t FROM trial WHERE trial_id = NEW.trial_id;"
  "  IF t.state IN " FINISHED " THEN RAISE 'a finished trial never changes'; END IF; RETURN NEW; END $$;"
  "CREATE TRIGGER value_is_final BEFORE INSERT OR UPDATE OR DELETE ON trial_value FOR EACH ROW EXECUTE FUNCTION keep_value();"
  "CREATE FUNCTION number_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
  "  PERFORM pg_advisory_xact_lock(1447380801, NEW.study_id::int);"                       /* "VEGA" */
  "  PERFORM pg_notify('vega', NEW.study_id::text);"                                       /* wakes who waits, at the commit */
  "  NEW.seq := nextval(pg_get_serial_sequence('event', 'seq')); RETURN NEW; END $$;"
  "CREATE TRIGGER event_number BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION number_event();"
  "CREATE FUNCTION keep_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
  "  IF TG_OP = 'DELETE' AND is_removing(OLD.study_id) THEN RETURN OLD; END IF; RAISE 'the journal is append only'; END $$;"
  "CREATE TRIGGER event_is_final BEFORE UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION keep_event();"
  "ALTER TABLE trial SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);"
  "ALTER TABLE lease SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);";

static const struct { const char *tables, *sqlite, *postgres; } MIGRATIONS[VG_STORE_VERSION] = {
  { TABLES_1, SQLITE_1, POSTGRES_1 },
  { TABLES_2, SQLITE_2, POSTGRES_2 },
};

static vg_status keep_text(void *context, int n, const char *const *names, const vg_value *values) {
  (void)n, (void)names;
  char *text = context;
  size_t length = values[0].length < 63 ? values[0].length : 63;
  memcpy(text, values[0].s, length);
  text[length] = '\0';
  return VG_OK;
}

static vg_value text(const char *s) { return (vg_value){ .kind = VG_TEXT, .s = s, .length = strlen(s) }; }

static vg_status run(vg_sql *c, const char *name, const vg_value *values, int n, vg_row_fn *each, void *context) {
  int id = vg__statement_find(name);
  return c->driver->run(c, id, vg__statements[id].sql, values, n, each, context, NULL);
}

static vg_status refuse_newer(vg_sql *c, int64_t version) {
  char writer[64] = "a program of a later day";
  vg_value key = text("written_by");
  VG_TRY(run(c, "meta_get", &key, 1, keep_text, writer));
  return vg_fail(VG_EFORMAT, "store: written by a newer version: %s (schema %d, this program knows %d); use that one, or export there and import"
                 " here", writer, (int)version, VG_STORE_VERSION);
}

/* 0: there are no tables yet. */
static vg_status read_version(vg_sql *c, int64_t *out) {
  int has_tables = 0;
  *out = 0;
  VG_TRY(c->driver->has_tables(c, &has_tables));
  return has_tables ? c->driver->number(c, "SELECT CAST(value AS bigint) FROM meta WHERE key = 'schema_version'", out) : VG_OK;
}

static vg_status set_meta(vg_sql *c, const char *key, const char *value) {
  vg_value values[] = { text(key), text(value) };
  return run(c, "meta_set", values, 2, NULL, NULL);
}

static vg_status set_version(vg_sql *c, int version) {
  char number[16];
  snprintf(number, sizeof number, "%d", version);
  VG_TRY(set_meta(c, "schema_version", number));
  if (version == 1) VG_TRY(set_meta(c, "created_by", "vega-lua " VEGA_VERSION));
  return set_meta(c, "written_by", "vega-lua " VEGA_VERSION);
}

static vg_status upgrade(vg_sql *c, int to) {
  VG_TRY(c->driver->define(c, MIGRATIONS[to - 1].tables));
  VG_TRY(c->driver->script(c, c->driver == &vg__sqlite ? MIGRATIONS[to - 1].sqlite : MIGRATIONS[to - 1].postgres));
  return set_version(c, to);
}

/* All that is missing, in one transaction: somebody else may have done it meanwhile, or be doing it. */
static vg_status upgrade_all(vg_sql *c) {
  int64_t version = 0;
  VG_TRY(read_version(c, &version));
  for (int v = (int)version + 1; v <= VG_STORE_VERSION; v++) VG_TRY(upgrade(c, v));
  return VG_OK;
}

vg_status vg__migrate(vg_sql *c) {
  int64_t version = 0;
  VG_TRY(read_version(c, &version));
  if (version > VG_STORE_VERSION) return refuse_newer(c, version);
  if (version == VG_STORE_VERSION) return VG_OK;
  if (version > 0) VG_TRY(c->driver->backup(c, (int)version));
  VG_TRY(c->driver->begin(c));
  vg_status status = upgrade_all(c);
  if (status == VG_OK) return c->driver->commit(c);
  c->driver->rollback(c);
  return status;
}
