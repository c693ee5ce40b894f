/* Inside src/store: one connection to a database, SQLite's or PostgreSQL's. What is above (protocol.c, migrate.c, store.c) is written once.
 * SQL is in the dialect that both share; parameters are $1, $2, ...; both know the functions store_now() and wall_now():
 *   store_now()  seconds for leases and back-off: no clock that somebody can set. SQLite: CLOCK_BOOTTIME of this boot; PostgreSQL: the server's
 *   wall_now()   seconds since 1970, for people */
#ifndef VG_STORE_SQL_H
#define VG_STORE_SQL_H

#include "store/store.h"
#include "store/url.h"

/* One named statement; `postgres` is what PostgreSQL needs instead, or NULL. */
typedef struct vg_statement {
  const char *name, *sql, *postgres;
} vg_statement;
extern const vg_statement vg__statements[];
enum { VG__MAX_STATEMENTS = 128 };
int vg__statement_find(const char *name);   /* its index, or -1 */

typedef struct vg_sql vg_sql;

typedef struct vg_sql_driver {
  /* *out is a connection with its settings made, the database as it was found. */
  vg_status (*open)(vg_sql **out, const vg_store_url *url);
  void (*close)(vg_sql *c);
  /* Runs statement `id` (an index of vg__statements) whose text is `sql`, prepared at its first use. *changed (or NULL): rows written. */
  vg_status (*run)(vg_sql *c, int id, const char *sql, const vg_value *values, int n, vg_row_fn *each, void *context, int64_t *changed);
  vg_status (*script)(vg_sql *c, const char *sql);      /* statements without parameters or results */
  vg_status (*number)(vg_sql *c, const char *sql, int64_t *out);   /* the first column of the first row; *out untouched when there is none */
  vg_status (*begin)(vg_sql *c);                        /* for writing */
  vg_status (*commit)(vg_sql *c);
  void (*rollback)(vg_sql *c);
  /* Sleeps up to `seconds`, less when somebody else has written (*changed = 1) or vg_interrupted is set. */
  vg_status (*wait)(vg_sql *c, double seconds, int *changed);
  /* What differs between the two beyond a statement: `has_tables`; DDL in SQLite's words into this dialect; a copy before an upgrade. */
  vg_status (*has_tables)(vg_sql *c, int *out);
  vg_status (*define)(vg_sql *c, const char *ddl);
  vg_status (*backup)(vg_sql *c, int version);
} vg_sql_driver;

struct vg_sql {
  const vg_sql_driver *driver;
  int in_transaction;
  int is_undone;         /* the last failure was the connection's, or a deadlock's: nothing of the transaction was written. begin connects anew */
};

extern const vg_sql_driver vg__sqlite;
extern const vg_sql_driver vg__postgres;   /* its open says what is missing: libpq's header at the build, or the library now */

/* Brings the tables to VG_STORE_VERSION. VG_EFORMAT: another program's database, or a newer version's. */
VG_CHECKED vg_status vg__migrate(vg_sql *c);

#endif
