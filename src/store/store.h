/* The trial store: one SQLite file that holds studies, trials and the journal of asks and tells.
 * All SQL is in store.c, as named statements that are prepared once; callers bind values and get rows. Values never become part of SQL text.
 * A store belongs to one thread and does not survive a fork. */
#ifndef VG_STORE_STORE_H
#define VG_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define VG_STORE_VERSION 1

typedef struct vg_store vg_store;

typedef enum vg_value_kind { VG_NULL, VG_INTEGER, VG_REAL, VG_TEXT } vg_value_kind;
typedef struct vg_value {
  vg_value_kind kind;
  int64_t i;
  double f;
  const char *s;     /* borrowed, need not end with zero */
  size_t length;
} vg_value;

/* One result row: names [n] and values [n], borrowed until the function returns. Anything but VG_OK ends the statement. */
typedef vg_status vg_row_fn(void *context, int n, const char *const *names, const vg_value *values);

/* Opens or creates; ":memory:" is a private store that vanishes. VG_EIO when the file cannot be opened, VG_EFORMAT when it is another
 * kind of file or written by a newer version (it is left untouched). */
VG_CHECKED vg_status vg_store_open(vg_store **out, const char *path);
void vg_store_close(vg_store *s);  /* NULL is fine; an open transaction is rolled back */
/* Every writing transaction begins IMMEDIATE: it waits for other writers at the start, never half way. */
VG_CHECKED vg_status vg_store_begin(vg_store *s);
VG_CHECKED vg_status vg_store_commit(vg_store *s);
void vg_store_rollback(vg_store *s);
/* Runs the named statement with its parameters in order. each may be NULL. VG_EARG: no such statement, or a wrong number of values;
 * VG_EIO: the disk is full, fails or may not be written; VG_EFORMAT: the file is damaged; VG_ENOMEM;
 * VG_EBACKEND: SQLite refuses (a broken constraint, a terminal trial changed). */
VG_CHECKED vg_status vg_store_run(vg_store *s, const char *statement, const vg_value *values, int n, vg_row_fn *each, void *context);
int64_t vg_store_last_id(const vg_store *s);

#endif
