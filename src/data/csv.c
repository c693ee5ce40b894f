/* One pass over the bytes, in place: a field is moved to the front of where it stood (quotes only ever shorten it) and ended by '\0'.
 * Invariant: `to <= from`, and the byte at `from` is not yet overwritten. */
#include "data/csv.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/alloc.h"

enum { FIRST_ROOM = 1 << 16, MOST_COLUMNS = 4096 };

/* The whole file, unpacked, ended by '\0'. */
static vg_status unpack(char **out, size_t *length, const char *path, uint64_t limit) {
  gzFile f = gzopen(path, "rbe");
  if (!f) return vg_fail(VG_EIO, "%s: %s", path, strerror(errno ? errno : ENOMEM));
  gzbuffer(f, 1 << 17);
  size_t room = FIRST_ROOM, n = 0;
  char *text = NULL;
  vg_status status;
  VG_GOTO(vg_alloc((void **)&text, room));
  for (;;) {
    int got = gzread(f, text + n, (unsigned)(room - n - 1 < 1u << 30 ? room - n - 1 : 1u << 30));
    int code = Z_OK;
    const char *why = gzerror(f, &code);
    if (code == Z_ERRNO) VG_GOTO(vg_fail(VG_EIO, "%s: %s", path, strerror(errno)));
    if (got < 0 || code != Z_OK) VG_GOTO(vg_fail(VG_EFORMAT, "%s: %s", path, why));
    if (got == 0) break;
    n += (size_t)got;
    if (n > limit) VG_GOTO(vg_fail(VG_EFORMAT, "%s: more than %llu bytes", path, (unsigned long long)limit));
    if (room - n == 1) VG_GOTO(vg_realloc((void **)&text, room *= 2));
  }
  text[n] = '\0';
  *out = text;
  *length = n;
done:
  gzclose(f);
  if (status != VG_OK) vg_free(text);
  return status;
}

typedef struct reader {
  vg_csv *csv;
  const char *path;
  size_t from, to, end;       /* in csv->text */
  size_t line, n_fields, room;
} reader;

static vg_status damaged(const reader *r, const char *what) {
  return vg_fail(VG_EFORMAT, "%s: line %zu: %s", r->path, r->line, what);
}

static vg_status begin_field(reader *r) {
  if (r->n_fields == r->room) {
    VG_TRY(vg_realloc((void **)&r->csv->at, 2 * r->room * sizeof *r->csv->at));
    r->room *= 2;
  }
  r->csv->at[r->n_fields++] = r->to;
  return VG_OK;
}

/* "..." with the opening quote at `from`; leaves `from` behind the closing one. */
static vg_status quoted(reader *r) {
  char *t = r->csv->text;
  size_t opened = r->line;
  for (r->from++; r->from < r->end; r->from++) {
    if (t[r->from] == '"') {
      r->from++;
      if (r->from >= r->end || t[r->from] != '"') return VG_OK;
    }
    if (t[r->from] == '\n') r->line++;
    t[r->to++] = t[r->from];
  }
  r->line = opened;
  return damaged(r, "a quote is opened and never closed");
}

static bool at_newline(const reader *r) {
  const char *p = r->csv->text + r->from;
  return r->from < r->end && (p[0] == '\n' || (p[0] == '\r' && r->from + 1 < r->end && p[1] == '\n'));
}

/* One field, ended. `from` is then at ',', at the end of the line, or at the end. */
static vg_status field(reader *r) {
  char *t = r->csv->text;
  VG_TRY(begin_field(r));
  if (r->from < r->end && t[r->from] == '"') {
    VG_TRY(quoted(r));
    if (r->from < r->end && t[r->from] != ',' && !at_newline(r)) return damaged(r, "text after a closing quote");
  }
  for (; r->from < r->end && t[r->from] != ',' && !at_newline(r); r->from++) {
    if (t[r->from] == '"') return damaged(r, "a quote inside a field that does not begin with one");
    t[r->to++] = t[r->from];
  }
  return VG_OK;
}

/* Fields up to the end of the line. The byte that ended a field is passed before '\0' may take its place. */
static vg_status line(reader *r, size_t *n) {
  char *t = r->csv->text;
  for (*n = 0;;) {
    VG_TRY(field(r));
    ++*n;
    bool more = r->from < r->end && t[r->from] == ',';
    if (at_newline(r)) r->from += t[r->from] == '\r';
    r->from++;
    t[r->to++] = '\0';
    if (!more) break;
  }
  r->line++;
  return VG_OK;
}

static vg_status check_names(const vg_csv *csv, const char *path) {
  if (csv->n_columns > MOST_COLUMNS) return vg_fail(VG_EFORMAT, "%s: %zu columns, at most %d are accepted", path, csv->n_columns, MOST_COLUMNS);
  for (size_t i = 0; i < csv->n_columns; i++) {
    const char *name = vg_csv_field(csv, 0, i);
    if (!*name) return vg_fail(VG_EFORMAT, "%s: column %zu has no name", path, i + 1);
    for (size_t k = 0; k < i; k++) {
      if (strcmp(name, vg_csv_field(csv, 0, k)) == 0) {
        return vg_fail(VG_EFORMAT, "%s: columns %zu and %zu are both named '%.80s'", path, k + 1, i + 1, name);
      }
    }
  }
  return VG_OK;
}

static vg_status parse(reader *r) {
  vg_csv *csv = r->csv;
  if (memchr(csv->text, 0, r->end)) return vg_fail(VG_EFORMAT, "%s: holds zero bytes, it is no text", r->path);
  if (r->end >= 3 && memcmp(csv->text, "\xef\xbb\xbf", 3) == 0) r->from = 3;
  while (r->from < r->end) {
    size_t n, at = r->line;
    if (at_newline(r)) {
      r->from += csv->text[r->from] == '\r' ? 2 : 1;
      r->line++;
      continue;
    }
    VG_TRY(line(r, &n));
    if (csv->n_columns == 0) {
      csv->n_columns = n;
      VG_TRY(check_names(csv, r->path));
    } else if (n != csv->n_columns) {
      return vg_fail(VG_EFORMAT, "%s: row %zu (line %zu) has %zu fields, the header names %zu columns", r->path, csv->n_rows + 1, at, n,
                     csv->n_columns);
    } else {
      csv->n_rows++;
    }
  }
  return csv->n_columns ? VG_OK : vg_fail(VG_EFORMAT, "%s: is empty; a first line with the names of the columns is expected", r->path);
}

static const char *digits(const char *p) {
  while (isdigit((unsigned char)*p)) p++;
  return p;
}

static vg_csv_kind kind_of(const char *p) {
  if (strcasecmp(p, "nan") == 0) return VG_CSV_REAL;
  if (*p == '-' || *p == '+') p++;
  if (strcasecmp(p, "inf") == 0) return VG_CSV_REAL;
  const char *whole = p, *dot = digits(p), *end = dot;
  if (whole[0] == '0' && dot - whole > 1) return VG_CSV_TEXT;
  if (*end == '.') end = digits(end + 1);
  if (end - whole < 1 || (end - whole == 1 && *whole == '.')) return VG_CSV_TEXT;
  if (*end == 'e' || *end == 'E') {
    const char *power = end + 1 + (end[1] == '-' || end[1] == '+');
    end = digits(power);
    if (end == power) return VG_CSV_TEXT;
  }
  if (*end) return VG_CSV_TEXT;
  return end == dot && dot - whole <= 18 ? VG_CSV_INTEGER : VG_CSV_REAL;
}

static vg_status find_kinds(vg_csv *csv) {
  VG_TRY(vg_alloc_zero((void **)&csv->kind, csv->n_columns * sizeof *csv->kind));
  for (size_t row = 1; row <= csv->n_rows; row++) {
    for (size_t c = 0; c < csv->n_columns; c++) {
      const char *text = vg_csv_field(csv, row, c);
      if (csv->kind[c] == VG_CSV_TEXT || !*text) continue;
      vg_csv_kind kind = kind_of(text);
      if (kind > csv->kind[c]) csv->kind[c] = kind;
    }
  }
  return VG_OK;
}

vg_status vg_csv_read(vg_csv *out, const char *path, uint64_t limit) {
  vg_csv csv = { 0 };
  reader r = { .csv = &csv, .path = path, .line = 1, .room = 1024 };
  vg_status status;
  VG_GOTO(unpack(&csv.text, &r.end, path, limit));
  VG_GOTO(vg_alloc((void **)&csv.at, r.room * sizeof *csv.at));
  VG_GOTO(parse(&r));
  VG_GOTO(find_kinds(&csv));
  *out = csv;
done:
  if (status != VG_OK) vg_csv_clear(&csv);
  return status;
}

void vg_csv_clear(vg_csv *csv) {
  vg_free(csv->text);
  vg_free(csv->at);
  vg_free(csv->kind);
  *csv = (vg_csv){ 0 };
}
