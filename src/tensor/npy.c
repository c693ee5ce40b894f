/* The header is a Python dict literal: parsed by a small grammar that takes the three keys in any order and nothing else. */
#include "tensor/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

enum { MAGIC = 6, ALIGN = 64 };
static const uint64_t MAX_FILE = UINT64_C(1) << 40;

typedef struct header {
  char type[8];
  bool fortran;
  vg_shape shape;
} header;

typedef struct text { const char *p, *end; } text;

static void blanks(text *t) {
  while (t->p < t->end && (*t->p == ' ' || *t->p == '\n' || *t->p == '\t')) t->p++;
}

static bool accept(text *t, const char *word) {
  size_t n = strlen(word);
  blanks(t);
  if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0) return false;
  t->p += n;
  return true;
}

static bool quoted(char *out, size_t room, text *t) {
  blanks(t);
  if (t->p == t->end || (*t->p != '\'' && *t->p != '"')) return false;
  char quote = *t->p++;
  size_t n = 0;
  while (t->p < t->end && *t->p != quote) {
    if (n + 1 == room) return false;
    out[n++] = *t->p++;
  }
  out[n] = 0;
  return t->p++ < t->end;
}

static bool tuple(vg_shape *s, text *t) {
  if (!accept(t, "(")) return false;
  for (s->rank = 0; !accept(t, ")");) {
    blanks(t);
    if (s->rank == VG_MAX_RANK || t->p == t->end || *t->p < '0' || *t->p > '9') return false;
    int64_t v = 0;
    for (; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++) {
      if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *t->p - '0', &v)) return false;
    }
    s->dim[s->rank++] = v;
    if (accept(t, ",")) continue;
    if (!accept(t, ")")) return false;
    break;
  }
  return true;
}

static bool dict(header *h, text *t) {
  unsigned seen = 0;
  char key[16];
  if (!accept(t, "{")) return false;
  while (!accept(t, "}")) {
    if (!quoted(key, sizeof key, t) || !accept(t, ":")) return false;
    unsigned bit;
    if (strcmp(key, "descr") == 0) {
      bit = 1;
      if (!quoted(h->type, sizeof h->type, t)) return false;
    } else if (strcmp(key, "fortran_order") == 0) {
      bit = 2;
      h->fortran = accept(t, "True");
      if (!h->fortran && !accept(t, "False")) return false;
    } else if (strcmp(key, "shape") == 0) {
      bit = 4;
      if (!tuple(&h->shape, t)) return false;
    } else {
      return false;
    }
    if (seen & bit) return false;
    seen |= bit;
    if (!accept(t, ",")) {
      if (!accept(t, "}")) return false;
      break;
    }
  }
  blanks(t);
  return seen == 7 && t->p == t->end;
}

static const struct kind { const char *type; size_t size; vg_dtype dtype; } KINDS[] = {
  { "<f4", 4, VG_F32 }, { "<i4", 4, VG_I32 }, { "|u1", 1, VG_U8 }, { "<u1", 1, VG_U8 }, { "<f8", 8, VG_F32 }, { "<i8", 8, VG_I32 },
};

/* Finds the header; *start is where the numbers begin. */
static vg_status preamble(header *h, size_t *start, const unsigned char *p, size_t bytes, const char *who) {
  if (bytes < MAGIC + 4 || memcmp(p, "\x93NUMPY", MAGIC) != 0) return vg_fail(VG_EFORMAT, "%s: not a .npy file", who);
  size_t length, at;
  if (p[6] == 1) {
    length = p[8] | (size_t)p[9] << 8;
    at = 10;
  } else if (p[6] == 2 && bytes >= 12) {
    length = p[8] | (size_t)p[9] << 8 | (size_t)p[10] << 16 | (size_t)p[11] << 24;
    at = 12;
  } else {
    return vg_fail(VG_EFORMAT, "%s: .npy version %d, expected 1 or 2", who, p[6]);
  }
  if (length > bytes - at) return vg_fail(VG_EFORMAT, "%s: ends within its header", who);
  text t = { (const char *)p + at, (const char *)p + at + length };
  if (!dict(h, &t)) return vg_fail(VG_EFORMAT, "%s: the header is not {descr, fortran_order, shape} of a plain type and at most %d axes", who, VG_MAX_RANK);
  *start = at + length;
  return VG_OK;
}

static vg_status convert(vg_tensor *t, const unsigned char *p, const struct kind *k, const char *who) {
  int64_t n = vg_tensor_count(t);
  if (k->size == vg_dtype_size(k->dtype)) {
    memcpy(vg_tensor_data(t), p, (size_t)n * k->size);
    return VG_OK;
  }
  for (int64_t i = 0; i < n; i++, p += 8) {
    if (k->dtype == VG_F32) {
      double v;
      memcpy(&v, p, 8);
      vg_f32(t)[i] = (float)v;
    } else {
      int64_t v;
      memcpy(&v, p, 8);
      if (v < INT32_MIN || v > INT32_MAX) return vg_fail(VG_EFORMAT, "%s: element %lld is %lld, which no i32 holds", who, (long long)i + 1, (long long)v);
      vg_i32(t)[i] = (int32_t)v;
    }
  }
  return VG_OK;
}

vg_status vg_npy_parse(vg_tensor **out, const void *data, size_t bytes, const char *who) {
  header h = { 0 };
  size_t start = 0;
  VG_TRY(preamble(&h, &start, data, bytes, who));
  const struct kind *k = NULL;
  for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
    if (strcmp(h.type, KINDS[i].type) == 0) k = &KINDS[i];
  }
  if (!k) return vg_fail(VG_EFORMAT, "%s: elements of type '%s', expected <f4, <f8, <i4, <i8 or |u1", who, h.type);
  if (h.fortran) return vg_fail(VG_EFORMAT, "%s: in Fortran order, expected C order", who);
  uint64_t need = k->size;
  for (int a = 0; a < h.shape.rank; a++) {
    if (__builtin_mul_overflow(need, (uint64_t)h.shape.dim[a], &need)) return vg_fail(VG_EFORMAT, "%s: its shape overflows", who);
  }
  if (vg_shape_check(&h.shape) != VG_OK) return vg_fail(VG_EFORMAT, "%s: its shape overflows", who);     /* 0 x huge needs no bytes */
  if (need != bytes - start) {
    return vg_fail(VG_EFORMAT, "%s: holds %llu bytes of numbers, its shape needs %llu", who, (unsigned long long)(bytes - start), (unsigned long long)need);
  }
  vg_tensor *t;
  VG_TRY(vg_tensor_new(&t, k->dtype, &h.shape));
  vg_status s = convert(t, (const unsigned char *)data + start, k, who);
  if (s != VG_OK) vg_tensor_release(t);
  else *out = t;
  return s;
}

vg_status vg_npy_read(vg_tensor **out, const char *path) {
  void *data;
  size_t bytes;
  VG_TRY(vg_file_read(&data, &bytes, path, MAX_FILE));
  vg_status s = vg_npy_parse(out, data, bytes, path);
  vg_free(data);
  return s;
}

/* Version 1: the dict padded with blanks and a line end so that the numbers start at a multiple of 64. */
static size_t print_header(char *to, size_t room, const vg_tensor *t) {
  const char *type = t->dtype == VG_I32 ? "<i4" : t->dtype == VG_U8 ? "|u1" : "<f4";
  int n = snprintf(to + 10, room - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
  for (int a = 0; a < t->shape.rank; a++) n += snprintf(to + 10 + n, room - 10 - (size_t)n, "%lld, ", (long long)t->shape.dim[a]);
  if (t->shape.rank > 1) n -= 2;
  else if (t->shape.rank == 1) n -= 1;       /* (3,) */
  n += snprintf(to + 10 + n, room - 10 - (size_t)n, "), }");
  size_t total = ((size_t)n + 11 + ALIGN - 1) / ALIGN * ALIGN, length = total - 10;
  memset(to + 10 + n, ' ', length - (size_t)n - 1);
  to[total - 1] = '\n';
  memcpy(to, "\x93NUMPY\x01", 8);     /* major 1, minor 0: the literal's closing 0 */
  to[8] = (char)(length & 255);
  to[9] = (char)(length >> 8);
  return total;
}

vg_status vg_npy_print(void **out, size_t *bytes, const vg_tensor *t) {
  if (t->dtype == VG_BF16) {
    vg_tensor *wide;
    VG_TRY(vg_tensor_cast(&wide, t, VG_F32));
    vg_status s = vg_npy_print(out, bytes, wide);
    vg_tensor_release(wide);
    return s;
  }
  char head[512];
  size_t n = print_header(head, sizeof head, t), body = vg_tensor_bytes(t);
  void *data;
  VG_TRY(vg_alloc(&data, n + body));
  memcpy(data, head, n);
  memcpy((char *)data + n, vg_tensor_data(t), body);
  *out = data;
  *bytes = n + body;
  return VG_OK;
}

vg_status vg_npy_write(const char *path, const vg_tensor *t) {
  void *data;
  size_t bytes;
  VG_TRY(vg_npy_print(&data, &bytes, t));
  vg_status s = vg_file_write(path, data, bytes);
  vg_free(data);
  return s;
}
