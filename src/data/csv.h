/* Tables of comma-separated values as RFC 4180 writes them, plain or gzipped; the first line names the columns.
 *
 *   name,acc          fields end at ',' or the end of the line (LF or CR LF); a field in "quotes" may hold both, and "" for a quote
 *   "a, b",0.5        every row has as many fields as there are names; empty lines are passed over
 *
 * A column is a number column when all its filled fields are plain decimal numbers, nan or inf. One field such as 007 makes it text,
 * because a code with leading zeros is no quantity. */
#ifndef VG_DATA_CSV_H
#define VG_DATA_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum vg_csv_kind { VG_CSV_INTEGER, VG_CSV_REAL, VG_CSV_TEXT } vg_csv_kind;

typedef struct vg_csv {
  char *text;             /* owned; the fields, each ended by '\0' */
  size_t *at;             /* [n_rows + 1, n_columns]: where in text a field begins; row 0 holds the names */
  vg_csv_kind *kind;      /* [n_columns] */
  size_t n_rows, n_columns;
} vg_csv;

/* VG_EIO: cannot be read; VG_EFORMAT, with file, row and column: no such table, or more than `limit` bytes once unpacked. */
VG_CHECKED vg_status vg_csv_read(vg_csv *out, const char *path, uint64_t limit);
/* Frees what read made; a zeroed struct is fine. */
void vg_csv_clear(vg_csv *csv);

/* The field of a row, 1..n_rows; 0 is the name of the column. Borrowed. */
static inline const char *vg_csv_field(const vg_csv *csv, size_t row, size_t column) {
  return csv->text + csv->at[row * csv->n_columns + column];
}

#endif
