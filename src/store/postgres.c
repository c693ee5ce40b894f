/* PostgreSQL, for many machines. libpq is loaded when the first postgresql:// store is opened: what hangs on it (TLS, Kerberos, LDAP)
 * would be loaded at every start of the program.
 *
 * A connection may break at any moment. Before the commit nothing is written, and the transaction may be done again. When it breaks during the
 * commit, a new connection asks what became of the transaction by its number, which begin has fetched; so the outcome is always known. */
#include "store/sql.h"

#ifdef VEGA_POSTGRES

#include <dlfcn.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/interrupt.h"

#define LIBRARY "libpq.so.5"
enum { MAX_COLUMNS = 32, MAX_VALUES = 16, PATIENCE_S = 60 };
enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_FLOAT8 = 701 };      /* pg_type.dat; these never change */

/* libpq's functions that are used here, under their own names. */
#define FUNCTIONS(X) \
  X(PQconnectdbParams) X(PQfinish) X(PQstatus) X(PQerrorMessage) X(PQsetNoticeProcessor) X(PQexec) X(PQprepare) X(PQexecPrepared) X(PQresultStatus) \
  X(PQresultErrorField) X(PQclear) X(PQntuples) X(PQnfields) X(PQfname) X(PQftype) X(PQgetisnull) X(PQgetvalue) X(PQgetlength) X(PQcmdTuples) \
  X(PQcmdStatus) X(PQsocket) X(PQconsumeInput) X(PQnotifies) X(PQfreemem)
#define MEMBER(name) __typeof__(name) *name;
static struct { FUNCTIONS(MEMBER) } pq;
static char why_missing[256];

static void load(void) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(why_missing, sizeof why_missing, "store: PostgreSQL's client library is missing (Debian: libpq5): %s", dlerror());
    return;
  }
#define FIND(name) \
  pq.name = (__typeof__(name) *)dlsym(library, #name); \
  if (!pq.name) snprintf(why_missing, sizeof why_missing, "store: " LIBRARY " has no function " #name);
  FUNCTIONS(FIND)
}

typedef struct connection {
  vg_sql base;
  PGconn *db;
  PGresult *result;                  /* of the last statement: freed by the next one, so that a callback that raises leaves nothing behind */
  char is_prepared[VG__MAX_STATEMENTS];
  char xid[32];                      /* number of the open transaction */
  int is_listening, is_dead;
  char url[4096];
} connection;

static connection *of(vg_sql *c) { return (connection *)c; }
static int is_broken(const connection *c) { return !c->db || c->is_dead || pq.PQstatus(c->db) != CONNECTION_OK; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Connecting --------------------------------------------------------------------------------------------------------------------------- */

static void stay_silent(void *context, const char *message) { (void)context, (void)message; }

/* Was that the server's farewell? PQstatus may not know yet. An error of libpq itself has no SQLSTATE; 57P0x: it shuts down; 25P03: we slept;
 * 08: network. */
static int is_farewell(const char *state) {
  return !state || strncmp(state, "57P0", 4) == 0 || strcmp(state, "25P03") == 0 || strncmp(state, "08", 2) == 0;
}

/* What libpq and the server say, on one line; they never repeat a password. */
static vg_status refuse(connection *c, const char *what) {
  const char *state = c->result ? pq.PQresultErrorField(c->result, PG_DIAG_SQLSTATE) : NULL;
  const char *primary = c->result ? pq.PQresultErrorField(c->result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
  if (is_farewell(state)) c->is_dead = 1;
  if (!primary) primary = c->db ? pq.PQerrorMessage(c->db) : "no memory";
  int repeats = state && (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0);       /* it clashed with another; nobody's fault */
  int no_room = state && strncmp(state, "53", 2) == 0;
  c->base.is_undone = is_broken(c) || repeats;
  return vg_fail(is_broken(c) || no_room || repeats ? VG_EIO : VG_EBACKEND, "store: %s: %.*s", what, (int)strcspn(primary, "\n"), primary);
}

static void keep_result(connection *c, PGresult *result) {
  pq.PQclear(c->result);
  c->result = result;
}

static int is_good(const connection *c) {
  ExecStatusType s = c->result ? pq.PQresultStatus(c->result) : PGRES_FATAL_ERROR;
  return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

static vg_status execute(connection *c, const char *sql, const char *what) {
  keep_result(c, pq.PQexec(c->db, sql));
  return is_good(c) ? VG_OK : refuse(c, what);
}

/* A partner that is silent for 15 s is gone; a client that sleeps inside a transaction loses it, so that it cannot keep everybody from their rows. */
static vg_status try_to_connect(connection *c) {
  static const char *const KEYS[] = { "connect_timeout", "application_name", "client_encoding", "keepalives_idle", "keepalives_interval",
    "keepalives_count", "tcp_user_timeout", "dbname", NULL };
  const char *values[] = { "10", "vega-lua", "UTF8", "10", "5", "2", "15000", c->url, NULL };       /* what the URL says comes last and wins */
  keep_result(c, NULL);
  pq.PQfinish(c->db);
  memset(c->is_prepared, 0, sizeof c->is_prepared);
  c->is_listening = c->is_dead = 0;
  c->base.in_transaction = 0;
  c->db = pq.PQconnectdbParams(KEYS, values, 1);
  if (is_broken(c)) return refuse(c, "cannot connect");
  pq.PQsetNoticeProcessor(c->db, stay_silent, NULL);
  return execute(c, "SET idle_in_transaction_session_timeout = '10s'", "cannot configure");
}

static vg_status connect_again(connection *c) {
  for (double until = now() + PATIENCE_S, pause_s = 0.1; ; pause_s = pause_s < 1 ? 2 * pause_s : 1) {
    vg_status status = try_to_connect(c);
    if (status == VG_OK || now() > until || vg_interrupted) return status;
    usleep((useconds_t)(1e6 * pause_s));
  }
}

static void postgres_close(vg_sql *base) {
  connection *c = of(base);
  pq.PQclear(c->result);
  pq.PQfinish(c->db);
  vg_free(c);
}

static vg_status postgres_open(vg_sql **out, const vg_store_url *url) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  connection *c = NULL;
  pthread_once(&once, load);
  if (*why_missing) return vg_fail(VG_EBACKEND, "%s", why_missing);
  VG_TRY(VG_NEW(&c));
  c->base.driver = &vg__postgres;
  strcpy(c->url, url->path);
  vg_status status = try_to_connect(c);
  if (status != VG_OK) {
    postgres_close(&c->base);
    return status;
  }
  *out = &c->base;
  return VG_OK;
}

/* Running ---------------------------------------------------------------------------------------------------------------------------- */

static size_t utf8_length(const unsigned char *s, size_t left) {
  size_t n = *s < 0x80 ? *s != 0 : *s >= 0xC2 && *s < 0xE0 ? 2 : *s >= 0xE0 && *s < 0xF0 ? 3 : *s >= 0xF0 && *s < 0xF5 ? 4 : 0;
  if (n > left || (n == 3 && ((*s == 0xE0 && s[1] < 0xA0) || (*s == 0xED && s[1] > 0x9F)))) return 0;
  if (n == 4 && ((*s == 0xF0 && s[1] < 0x90) || (*s == 0xF4 && s[1] > 0x8F))) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  return n;
}

/* The server takes no other text than UTF-8 without zeros; an error message may hold anything. */
static void copy_text(char *to, const vg_value *v) {
  for (size_t i = 0; i < v->length; ) {
    size_t n = utf8_length((const unsigned char *)v->s + i, v->length - i);
    if (n) memcpy(to + i, v->s + i, n);
    else to[i] = '?', n = 1;
    i += n;
  }
  to[v->length] = '\0';
}

enum { NUMBER_ROOM = 32 };

/* texts [n] point into *buffer, which the caller frees. */
static vg_status write_values(char **buffer, const char **texts, const vg_value *values, int n) {
  size_t room = 1;
  for (int i = 0; i < n; i++) room += values[i].kind == VG_TEXT ? values[i].length + 1 : NUMBER_ROOM;
  VG_TRY(vg_alloc((void **)buffer, room));
  char *p = *buffer;
  for (int i = 0; i < n; i++) {
    const vg_value *v = &values[i];
    texts[i] = v->kind == VG_NULL ? NULL : p;
    if (v->kind == VG_TEXT) copy_text(p, v);
    else if (v->kind == VG_INTEGER) snprintf(p, NUMBER_ROOM, "%lld", (long long)v->i);
    else if (v->kind == VG_REAL) snprintf(p, NUMBER_ROOM, "%.17g", v->f);
    p += v->kind == VG_TEXT ? v->length + 1 : NUMBER_ROOM;
  }
  return VG_OK;
}

static vg_value column(const PGresult *r, int row, int at) {
  if (pq.PQgetisnull(r, row, at)) return (vg_value){ .kind = VG_NULL };
  const char *text = pq.PQgetvalue(r, row, at);
  switch (pq.PQftype(r, at)) {
    case OID_INT8: case OID_INT4: case OID_INT2: return (vg_value){ .kind = VG_INTEGER, .i = strtoll(text, NULL, 10) };
    case OID_FLOAT8: return (vg_value){ .kind = VG_REAL, .f = strtod(text, NULL) };
    default: return (vg_value){ .kind = VG_TEXT, .s = text, .length = (size_t)pq.PQgetlength(r, row, at) };
  }
}

static vg_status hand_out_rows(const PGresult *r, vg_row_fn *each, void *context) {
  const char *names[MAX_COLUMNS];
  vg_value values[MAX_COLUMNS];
  int rows = pq.PQntuples(r), n = pq.PQnfields(r) < MAX_COLUMNS ? pq.PQnfields(r) : MAX_COLUMNS;
  for (int i = 0; i < n; i++) names[i] = pq.PQfname(r, i);
  for (int row = 0; row < rows; row++) {
    for (int i = 0; i < n; i++) values[i] = column(r, row, i);
    VG_TRY(each(context, n, names, values));
  }
  return VG_OK;
}

static int count_parameters(const char *sql) {
  int most = 0;
  for (const char *p = strchr(sql, '$'); p; p = strchr(p + 1, '$')) most = atoi(p + 1) > most ? atoi(p + 1) : most;
  return most;
}

static vg_status execute_prepared(connection *c, int id, const char *sql, const vg_value *values, int n) {
  const char *name = vg__statements[id].name, *texts[MAX_VALUES];
  char *buffer = NULL;
  if (!c->is_prepared[id]) {
    keep_result(c, pq.PQprepare(c->db, name, sql, 0, NULL));
    if (!is_good(c)) return refuse(c, name);
    c->is_prepared[id] = 1;
  }
  VG_TRY(write_values(&buffer, texts, values, n));
  keep_result(c, pq.PQexecPrepared(c->db, name, n, texts, NULL, NULL, 0));
  vg_free(buffer);
  return is_good(c) ? VG_OK : refuse(c, name);
}

static vg_status postgres_run(vg_sql *base, int id, const char *sql, const vg_value *values, int n, vg_row_fn *each, void *context,
                              int64_t *changed) {
  connection *c = of(base);
  if (count_parameters(sql) != n || n > MAX_VALUES)
    return vg_fail(VG_EARG, "store: '%s' takes %d values, got %d", vg__statements[id].name, count_parameters(sql), n);
  if (!base->in_transaction && is_broken(c)) VG_TRY(connect_again(c));
  vg_status status = execute_prepared(c, id, sql, values, n);
  if (status == VG_EIO && !base->in_transaction && is_broken(c)) {       /* alone it is a read, or may be done twice */
    VG_TRY(connect_again(c));
    status = execute_prepared(c, id, sql, values, n);
  }
  VG_TRY(status);
  if (changed) *changed = strtoll(pq.PQcmdTuples(c->result), NULL, 10);
  return each ? hand_out_rows(c->result, each, context) : VG_OK;
}

static vg_status postgres_script(vg_sql *c, const char *sql) { return execute(of(c), sql, "cannot execute"); }

static vg_status postgres_number(vg_sql *base, const char *sql, int64_t *out) {
  connection *c = of(base);
  VG_TRY(execute(c, sql, "cannot read"));
  if (pq.PQntuples(c->result) > 0) *out = strtoll(pq.PQgetvalue(c->result, 0, 0), NULL, 10);
  return VG_OK;
}

/* Transactions ------------------------------------------------------------------------------------------------------------------------ */

static vg_status begin_once(connection *c) {
  VG_TRY(execute(c, "BEGIN; SELECT pg_current_xact_id()", "cannot begin"));
  snprintf(c->xid, sizeof c->xid, "%s", pq.PQgetvalue(c->result, 0, 0));
  c->base.in_transaction = 1;
  return VG_OK;
}

/* The server may have ended while nothing was asked of it. Who has waited for its return in vain is not to try again. */
static vg_status postgres_begin(vg_sql *base) {
  connection *c = of(base);
  vg_status status = is_broken(c) ? VG_EIO : begin_once(c);
  if (status != VG_OK && is_broken(c)) {
    status = connect_again(c);
    if (status == VG_OK) status = begin_once(c);
  }
  base->is_undone = 0;
  return status;
}

/* What became of a transaction whose commit was not answered. The server may still be at it. */
static vg_status resolve(connection *c) {
  char sql[96];
  snprintf(sql, sizeof sql, "SELECT pg_xact_status('%s'::xid8)", c->xid);
  for (double until = now() + PATIENCE_S; ; usleep(50000)) {
    if (is_broken(c)) VG_TRY(connect_again(c));
    if (execute(c, sql, "cannot ask for a transaction") != VG_OK) {
      if (is_broken(c) && now() < until) continue;
      return refuse(c, "cannot ask for a transaction");
    }
    const char *word = pq.PQgetvalue(c->result, 0, 0);
    if (strcmp(word, "committed") == 0) return VG_OK;
    if (strcmp(word, "aborted") == 0) break;
    if (now() > until) return vg_fail(VG_EIO, "store: a transaction is '%s' %d s after its commit", word, PATIENCE_S);
  }
  c->base.is_undone = 1;
  return vg_fail(VG_EIO, "store: the connection broke before the commit");
}

static vg_status postgres_commit(vg_sql *base) {
  connection *c = of(base);
  vg_status status = execute(c, "COMMIT", "cannot commit");
  if (status != VG_OK && is_broken(c)) return resolve(c);
  base->in_transaction = 0;
  if (status == VG_OK && strcmp(pq.PQcmdStatus(c->result), "COMMIT") != 0)
    return vg_fail(VG_EBACKEND, "store: a statement of the transaction had failed: nothing is written");
  return status;
}

static void postgres_rollback(vg_sql *base) {
  connection *c = of(base);
  if (base->in_transaction && !is_broken(c)) keep_result(c, pq.PQexec(c->db, "ROLLBACK"));
  base->in_transaction = 0;
}

/* Waiting, defining --------------------------------------------------------------------------------------------------------------------- */

static int take_notices(connection *c) {
  int any = 0;
  for (PGnotify *n; (n = pq.PQnotifies(c->db)) != NULL; any = 1) pq.PQfreemem(n);
  return any;
}

/* Every event tells the channel "vega". What happened before the LISTEN is unknown: something may have. */
static vg_status postgres_wait(vg_sql *base, double longest, int *changed) {
  connection *c = of(base);
  *changed = 0;
  if (is_broken(c)) VG_TRY(connect_again(c));
  if (!c->is_listening) {
    VG_TRY(execute(c, "LISTEN vega", "cannot listen"));
    c->is_listening = *changed = 1;
    return VG_OK;
  }
  for (double until = now() + longest; ; ) {
    if (!pq.PQconsumeInput(c->db)) {
      *changed = 1;
      return connect_again(c);
    }
    *changed = take_notices(c);
    double left = until - now();
    if (*changed || left <= 0 || vg_interrupted) return VG_OK;
    struct pollfd p = { .fd = pq.PQsocket(c->db), .events = POLLIN };
    (void)poll(&p, 1, (int)(1e3 * (left < 5 ? left : 5)) + 1);
  }
}

/* In a transaction it is asked by who is about to make the tables: one at a time. to_regclass would answer from a cache that
 * the lock does not renew. */
static vg_status has_tables(vg_sql *c, int *out) {
  int64_t any = 0;
  if (c->in_transaction) VG_TRY(postgres_script(c, "SELECT pg_advisory_xact_lock(1447380801)"));       /* "VEGA" */
  VG_TRY(postgres_number(c, "SELECT count(*) FROM pg_class WHERE relname = 'meta' AND relnamespace = current_schema()::regnamespace", &any));
  *out = any != 0;
  return VG_OK;
}

static const char *const WORDS[][2] = {      /* the first that fits */
  { "INTEGER PRIMARY KEY REFERENCES", "bigint PRIMARY KEY REFERENCES" },
  { "INTEGER PRIMARY KEY", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY" },
  { "INTEGER", "bigint" },
  { " REAL", " double precision" },
  { " BLOB", " bytea" },
  { ") STRICT", ")" },
};
enum { N_WORDS = sizeof WORDS / sizeof *WORDS, LONGEST_WORD = 64 };

static vg_status postgres_define(vg_sql *c, const char *ddl) {
  char *text = NULL;
  VG_TRY(vg_alloc((void **)&text, LONGEST_WORD * (strlen(ddl) / 4 + 1)));                  /* no word of the left column has fewer than 4 bytes */
  char *to = text;
  while (*ddl) {
    int i = 0;
    while (i < N_WORDS && strncmp(ddl, WORDS[i][0], strlen(WORDS[i][0])) != 0) i++;
    if (i == N_WORDS) {
      *to++ = *ddl++;
      continue;
    }
    to = stpcpy(to, WORDS[i][1]);
    ddl += strlen(WORDS[i][0]);
  }
  *to = '\0';
  vg_status status = postgres_script(c, text);
  vg_free(text);
  return status;
}

/* An upgrade is one transaction, and a server's backups are its keeper's. */
static vg_status postgres_backup(vg_sql *c, int version) {
  (void)c, (void)version;
  return VG_OK;
}

const vg_sql_driver vg__postgres = { .open = postgres_open, .close = postgres_close, .run = postgres_run, .script = postgres_script,
  .number = postgres_number, .begin = postgres_begin, .commit = postgres_commit, .rollback = postgres_rollback, .wait = postgres_wait,
  .has_tables = has_tables, .define = postgres_define, .backup = postgres_backup };

#else

static vg_status postgres_open(vg_sql **out, const vg_store_url *url) {
  (void)out, (void)url;
  return vg_fail(VG_EBACKEND, "store: this program was built without PostgreSQL: install libpq-dev and build it again");
}

const vg_sql_driver vg__postgres = { .open = postgres_open };

#endif
