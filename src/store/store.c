/* A store is a connection whose tables are of this version. */
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "store/sql.h"

struct vg_store {
  vg_sql *c;
  double first_pause_s;
  const char *replaced[VG__MAX_STATEMENTS];
};

/* Store time starts anew with each boot of the machine: leases of another boot have run out, whatever they say. */
static vg_status forget(vg_store *s, const char *boot) {
  vg_value meta[] = { { .kind = VG_TEXT, .s = "boot_id", .length = 7 }, { .kind = VG_TEXT, .s = boot, .length = strlen(boot) } };
  VG_TRY(vg_store_run(s, "lease_forget", NULL, 0, NULL, NULL));
  VG_TRY(vg_store_run(s, "lead_forget", NULL, 0, NULL, NULL));
  VG_TRY(vg_store_run(s, "backoff_forget", NULL, 0, NULL, NULL));
  return vg_store_run(s, "meta_set", meta, 2, NULL, NULL);
}

static vg_status is_same(void *context, int n, const char *const *names, const vg_value *values) {
  (void)n, (void)names;
  const char **boot = context;
  if (values[0].length == strlen(*boot) && memcmp(values[0].s, *boot, values[0].length) == 0) *boot = NULL;
  return VG_OK;
}

static vg_status is_of_this_boot(vg_store *s, const char *boot, int *out) {
  vg_value key = { .kind = VG_TEXT, .s = "boot_id", .length = 7 };
  const char *left = boot;
  VG_TRY(vg_store_run(s, "meta_get", &key, 1, is_same, &left));
  *out = left == NULL;
  return VG_OK;
}

static vg_status begin_boot(vg_store *s) {
  char boot[64] = "unknown";
  int same = 0;
  FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (f) {
    if (fscanf(f, "%63s", boot) != 1) strcpy(boot, "unknown");
    fclose(f);
  }
  VG_TRY(is_of_this_boot(s, boot, &same));
  if (same) return VG_OK;
  VG_TRY(vg_store_begin(s));
  vg_status status = is_of_this_boot(s, boot, &same);          /* somebody else may have been first, and given new leases since */
  if (status == VG_OK && !same) status = forget(s, boot);
  if (status == VG_OK) return vg_store_commit(s);
  vg_store_rollback(s);
  return status;
}

vg_status vg_store_open(vg_store **out, const char *text) {
  vg_store_url url;
  vg_store *s = NULL;
  VG_TRY(vg_store_url_parse(&url, text));
  VG_TRY(VG_NEW(&s));
  s->first_pause_s = 5;
  const vg_sql_driver *driver = url.kind == VG_STORE_POSTGRES ? &vg__postgres : &vg__sqlite;
  vg_status status = driver->open(&s->c, &url);
  if (status == VG_OK) status = vg__migrate(s->c);
  if (status == VG_OK && url.kind == VG_STORE_SQLITE) status = begin_boot(s);
  if (status != VG_OK) {
    vg_store_close(s);
    return status;
  }
  *out = s;
  return VG_OK;
}

void vg_store_close(vg_store *s) {
  if (!s) return;
  if (s->c) s->c->driver->close(s->c);
  vg_free(s);
}

vg_status vg_store_begin(vg_store *s) {
  if (s->c->in_transaction) return vg_fail(VG_EARG, "store: a transaction is open already");
  return s->c->driver->begin(s->c);
}
vg_status vg_store_commit(vg_store *s) { return s->c->driver->commit(s->c); }
void vg_store_rollback(vg_store *s) { s->c->driver->rollback(s->c); }
int vg_store_is_undone(const vg_store *s) { return s->c->is_undone; }

void vg__store_replace(vg_store *s, const char *statement, const char *sql) { s->replaced[vg__statement_find(statement)] = sql; }

vg_status vg_store_wait(vg_store *s, double seconds, int *changed) { return s->c->driver->wait(s->c, seconds, changed); }
void vg_store_set_backoff(vg_store *s, double first_s) { s->first_pause_s = first_s; }
double vg__store_pause(const vg_store *s, int64_t losses) { return fmin(ldexp(s->first_pause_s, (int)losses - 1), 600); }

static vg_status run(vg_store *s, const char *statement, const vg_value *values, int n, vg_row_fn *each, void *context, int64_t *changed) {
  int id = vg__statement_find(statement);
  if (id < 0) return vg_fail(VG_EARG, "store: no statement '%s'", statement);
  const vg_statement *st = &vg__statements[id];
  const char *sql = s->replaced[id] ? s->replaced[id] : st->postgres && s->c->driver != &vg__sqlite ? st->postgres : st->sql;
  return s->c->driver->run(s->c, id, sql, values, n, each, context, changed);
}

vg_status vg_store_run(vg_store *s, const char *statement, const vg_value *values, int n, vg_row_fn *each, void *context) {
  return run(s, statement, values, n, each, context, NULL);
}

vg_status vg__store_change(vg_store *s, const char *statement, const vg_value *values, int n, int64_t *changed) {
  return run(s, statement, values, n, NULL, NULL, changed);
}
