/* The trial store: studies, trials and the journal of asks and tells, in an SQLite file (one machine) or a PostgreSQL database (many).
 * All SQL is in statements.c, as named statements that are prepared once; callers bind values and get rows. Values never become part of SQL text.
 * A store belongs to one thread and does not survive a fork. What workers do to trials is protocol.h, on top of this. */
#ifndef VG_STORE_STORE_H
#define VG_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define VG_STORE_VERSION 2

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

/* Opens or creates; URLs as in url.h. An older store is upgraded, after a copy PATH.bak-vN was made. "mem:" is a private store that vanishes.
 * VG_EIO when it cannot be opened or is on a network file system, VG_EFORMAT when it is another kind of file or written by a newer version (it is
 * left untouched), VG_EARG for a wrong URL. */
VG_CHECKED vg_status vg_store_open(vg_store **out, const char *url);
void vg_store_close(vg_store *s);  /* NULL is fine; an open transaction is rolled back */
/* Every writing transaction begins IMMEDIATE: it waits for other writers at the start, never half way. */
VG_CHECKED vg_status vg_store_begin(vg_store *s);
/* VG_OK: it is written, also when the answer got lost on its way (PostgreSQL; a new connection asks what became of it). */
VG_CHECKED vg_status vg_store_commit(vg_store *s);
void vg_store_rollback(vg_store *s);
/* Of the last failure: was it the connection's, or a deadlock's? Then nothing of the transaction was written, and doing it again may succeed; begin
 * makes the connection anew. Never true of SQLite. */
int vg_store_is_undone(const vg_store *s);
/* Runs the named statement with its parameters in order. each may be NULL. VG_EARG: no such statement, or a wrong number of values;
 * VG_EIO: the disk is full, fails or may not be written, the server cannot be reached; VG_EFORMAT: the file is damaged; VG_ENOMEM;
 * VG_EBACKEND: the database refuses (a broken constraint, a terminal trial changed). */
VG_CHECKED vg_status vg_store_run(vg_store *s, const char *statement, const vg_value *values, int n, vg_row_fn *each, void *context);

/* Sleeps up to `seconds`, less when another connection has written since the last wait (*changed = 1; the first wait always finds that) or a signal
 * asked the program to stop. What others wrote is read afterwards; a trial whose pause is over wakes nobody, so do not wait for ever. */
VG_CHECKED vg_status vg_store_wait(vg_store *s, double seconds, int *changed);
/* The pause before a trial that was lost for the n-th time may be claimed again is first_s * 2^(n-1), at most 600 s. 5 s unless set. */
void vg_store_set_backoff(vg_store *s, double first_s);
double vg__store_pause(const vg_store *s, int64_t losses);

/* For tests that show what a guard is worth: the statement becomes another one, in this store object, before its first use. */
void vg__store_replace(vg_store *s, const char *statement, const char *sql);
/* vg_store_run that also says how many rows were written. */
VG_CHECKED vg_status vg__store_change(vg_store *s, const char *statement, const vg_value *values, int n, int64_t *changed);

#endif
