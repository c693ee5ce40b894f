/* Reading: the header is checked whole (names, dtypes, shapes, ranges that tile the data) before any tensor is allocated; then the numbers are
 * read in file order straight into their tensors. Writing: larger elements first, so that every tensor is aligned to its element.
 * Metadata "xxh3.NAME" is the checksum of a tensor's numbers, "xxh3" that of the rest of the header; files of others need not have them. */
#include "tensor/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json_text.h"

#define HEADER_SUM "xxh3"
#define SUM HEADER_SUM "."
enum { MAX_HEADER = 100000000, SUM_PREFIX = 5, SUM_TEXT = 17 };

static const struct kind { const char *name; vg_dtype dtype; } KINDS[] = { { "F32", VG_F32 }, { "BF16", VG_BF16 }, { "I32", VG_I32 }, { "U8", VG_U8 } };

typedef struct entry {
  const char *name;      /* borrowed from the JSON tree */
  vg_dtype dtype;
  vg_shape shape;
  uint64_t begin, end;
} entry;

typedef struct file_header {
  json_t *root;          /* owned */
  entry *item;           /* owned, in file order */
  size_t n;
} file_header;

static bool natural(uint64_t *out, const json_t *v) {
  if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
  *out = (uint64_t)json_integer_value(v);
  return true;
}

static vg_status parse_entry(entry *e, const char *name, const json_t *v, const char *path) {
  const char *dtype = json_string_value(json_object_get(v, "dtype"));
  const json_t *shape = json_object_get(v, "shape"), *range = json_object_get(v, "data_offsets");
  if (!json_is_object(v) || json_object_size(v) != 3 || !dtype || !json_is_array(shape) || json_array_size(range) != 2) {
    return vg_fail(VG_EFORMAT, "%s: tensor '%.100s' must be {dtype, shape, data_offsets}", path, name);
  }
  e->name = name;
  size_t k = 0, kinds = sizeof KINDS / sizeof *KINDS;
  while (k < kinds && strcmp(dtype, KINDS[k].name) != 0) k++;
  if (k == kinds) return vg_fail(VG_EFORMAT, "%s: tensor '%.100s' has dtype %.16s, expected F32, BF16, I32 or U8", path, name, dtype);
  e->dtype = KINDS[k].dtype;
  e->shape.rank = (int)json_array_size(shape);
  if (json_array_size(shape) > VG_MAX_RANK) return vg_fail(VG_EFORMAT, "%s: tensor '%.100s' has more than %d axes", path, name, VG_MAX_RANK);
  uint64_t bytes = vg_dtype_size(e->dtype), length;
  for (int a = 0; a < e->shape.rank; a++) {
    if (!natural(&length, json_array_get(shape, (size_t)a)) || __builtin_mul_overflow(bytes, length, &bytes)) {
      return vg_fail(VG_EFORMAT, "%s: tensor '%.100s' has a bad shape", path, name);
    }
    e->shape.dim[a] = (int64_t)length;
  }
  if (vg_shape_check(&e->shape) != VG_OK) return vg_fail(VG_EFORMAT, "%s: tensor '%.100s' has a bad shape", path, name);    /* 0 x huge needs no bytes */
  if (!natural(&e->begin, json_array_get(range, 0)) || !natural(&e->end, json_array_get(range, 1)) || e->end < e->begin ||
      e->end - e->begin != bytes) {
    return vg_fail(VG_EFORMAT, "%s: tensor '%.100s' has data_offsets that are not the %" PRIu64 " bytes of its shape", path, name, bytes);
  }
  return VG_OK;
}

static int by_place(const void *a, const void *b) {
  const entry *p = a, *q = b;
  if (p->begin != q->begin) return p->begin < q->begin ? -1 : 1;
  return p->end < q->end ? -1 : p->end > q->end;
}

static void print_sum(char out[SUM_TEXT], const void *data, size_t bytes) {
  snprintf(out, SUM_TEXT, "%016" PRIx64, (uint64_t)XXH3_64bits(data, bytes));
}

/* The sum of a header in which HEADER_SUM is not yet, or no longer; the order of its keys does not matter. */
static vg_status sum_header(char out[SUM_TEXT], const json_t *root) {
  char *text;
  VG_TRY(vg_json_print(&text, root, JSON_COMPACT | JSON_SORT_KEYS));
  print_sum(out, text, strlen(text));
  vg_free(text);
  return VG_OK;
}

/* Takes the header's sum out of it and compares. */
static vg_status check_header(json_t *root, const char *path) {
  json_t *meta = json_object_get(root, "__metadata__");
  const char *given = json_string_value(json_object_get(meta, HEADER_SUM));
  if (!given) return VG_OK;
  char kept[SUM_TEXT], sum[SUM_TEXT];
  snprintf(kept, sizeof kept, "%s", given);
  json_object_del(meta, HEADER_SUM);
  VG_TRY(sum_header(sum, root));
  return strcmp(kept, sum) == 0 ? VG_OK : vg_fail(VG_EFORMAT, "%s: its header is damaged (checksum)", path);
}

static vg_status parse_header(file_header *h, const char *text, size_t length, uint64_t data_bytes, const char *path) {
  json_error_t error;
  h->root = text[0] == '{' ? json_loadb(text, length, JSON_REJECT_DUPLICATES, &error) : NULL;
  if (!h->root && text[0] == '{' && json_error_code(&error) == json_error_out_of_memory) return vg_fail(VG_ENOMEM, "%s: not enough memory for its header", path);
  if (!h->root) return vg_fail(VG_EFORMAT, "%s: header: %s", path, text[0] == '{' ? error.text : "does not start with '{'");
  VG_TRY(check_header(h->root, path));
  VG_TRY(vg_alloc((void **)&h->item, (json_object_size(h->root) + 1) * sizeof *h->item));
  const char *name;
  json_t *v;
  json_object_foreach(h->root, name, v) {
    if (strcmp(name, "__metadata__") == 0) continue;
    VG_TRY(parse_entry(&h->item[h->n], name, v, path));
    h->n++;
  }
  qsort(h->item, h->n, sizeof *h->item, by_place);
  uint64_t at = 0;
  for (size_t i = 0; i < h->n; at = h->item[i++].end) {
    if (h->item[i].begin != at) return vg_fail(VG_EFORMAT, "%s: tensor '%.100s' leaves a gap or overlaps another", path, h->item[i].name);
  }
  if (at != data_bytes) return vg_fail(VG_EFORMAT, "%s: %" PRIu64 " bytes of numbers, the header describes %" PRIu64, path, data_bytes, at);
  return VG_OK;
}

static vg_status open_header(file_header *h, FILE *f, uint64_t size, const char *path) {
  unsigned char prefix[8];
  uint64_t length = 0;
  if (size < 8 || fread(prefix, 1, 8, f) != 8) return vg_fail(VG_EFORMAT, "%s: shorter than a .safetensors file can be", path);
  for (int i = 7; i >= 0; i--) length = length << 8 | prefix[i];
  if (length < 2 || length > MAX_HEADER || length > size - 8) return vg_fail(VG_EFORMAT, "%s: header of %" PRIu64 " bytes does not fit", path, length);
  char *text;
  VG_TRY(vg_alloc((void **)&text, (size_t)length));
  vg_status s = fread(text, 1, (size_t)length, f) == length ? parse_header(h, text, (size_t)length, size - 8 - length, path)
                                                            : vg_fail(VG_EIO, "%s: cannot read its header", path);
  vg_free(text);
  return s;
}

static void sum_text(char out[SUM_TEXT], const vg_tensor *t) { print_sum(out, vg_tensor_data(t), vg_tensor_bytes(t)); }

/* Metadata: sums are checked and left out, the rest goes to the bundle. */
static vg_status read_meta(vg_bundle *out, const json_t *meta, const char *path) {
  if (!meta) return VG_OK;
  if (!json_is_object(meta)) return vg_fail(VG_EFORMAT, "%s: __metadata__ is no object", path);
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)meta, key, v) {
    if (!json_is_string(v)) return vg_fail(VG_EFORMAT, "%s: metadata '%.100s' is no text", path, key);
    if (strncmp(key, SUM, SUM_PREFIX) != 0) {
      VG_TRY(vg_bundle_set_meta(out, key, json_string_value(v)));
      continue;
    }
    char sum[SUM_TEXT];
    const vg_tensor *t = vg_bundle_find(out, key + SUM_PREFIX);
    if (!t) return vg_fail(VG_EFORMAT, "%s: a checksum for '%.100s', which is not in the file", path, key + SUM_PREFIX);
    sum_text(sum, t);
    if (strcmp(sum, json_string_value(v)) != 0) return vg_fail(VG_EFORMAT, "%s: tensor '%.100s' is damaged (checksum)", path, key + SUM_PREFIX);
  }
  return VG_OK;
}

static vg_status read_tensors(vg_bundle *out, const file_header *h, FILE *f, const char *path) {
  for (size_t i = 0; i < h->n; i++) {
    vg_tensor *t;
    VG_TRY(vg_tensor_new(&t, h->item[i].dtype, &h->item[i].shape));
    size_t bytes = vg_tensor_bytes(t);
    vg_status s = VG_OK;
    if (bytes && fread(vg_tensor_data(t), 1, bytes, f) != bytes) s = vg_fail(VG_EIO, "%s: cannot read tensor '%.100s'", path, h->item[i].name);
    if (s == VG_OK) s = vg_bundle_add(out, h->item[i].name, t);
    vg_tensor_release(t);
    VG_TRY(s);
  }
  return VG_OK;
}

static vg_status copy_part(vg_tensor **out, const vg_tensor *file, size_t begin, const entry *e) {
  VG_TRY(vg_tensor_new(out, e->dtype, &e->shape));
  memcpy(vg_tensor_data(*out), (const char *)vg_tensor_data(file) + begin, vg_tensor_bytes(*out));
  return VG_OK;
}

static vg_status map_tensors(vg_bundle *out, const file_header *h, uint64_t size, const char *path) {
  vg_tensor *file;
  vg_status s = VG_OK;
  if (h->n == 0) return VG_OK;
  VG_TRY(vg_tensor_map(&file, path));
  if (vg_tensor_bytes(file) != size) s = vg_fail(VG_EIO, "%s: it changed while it was opened", path);
  size_t data = (size_t)(size - h->item[h->n - 1].end);
  for (size_t i = 0; i < h->n && s == VG_OK; i++) {
    const entry *e = &h->item[i];
    vg_tensor *t;
    size_t begin = data + (size_t)e->begin;
    s = begin % vg_dtype_size(e->dtype) == 0 ? vg_tensor_part(&t, file, begin, e->dtype, &e->shape) : copy_part(&t, file, begin, e);
    if (s != VG_OK) break;
    s = vg_bundle_add(out, e->name, t);
    vg_tensor_release(t);
  }
  vg_tensor_release(file);
  return s;
}

static vg_status read_or_map(vg_bundle *out, const char *path, bool mapped) {
  uint64_t size;
  *out = (vg_bundle){ 0 };
  VG_TRY(vg_file_size(&size, path));
  FILE *f = fopen(path, "rbe");
  if (!f) return vg_fail(VG_EIO, "%s: %s", path, strerror(errno));
  file_header h = { 0 };
  vg_status status;
  VG_GOTO(open_header(&h, f, size, path));
  VG_GOTO(mapped ? map_tensors(out, &h, size, path) : read_tensors(out, &h, f, path));
  VG_GOTO(read_meta(out, json_object_get(h.root, "__metadata__"), path));
done:
  fclose(f);
  json_decref(h.root);
  vg_free(h.item);
  if (status != VG_OK) vg_bundle_clear(out);
  return status;
}

vg_status vg_safetensors_read(vg_bundle *out, const char *path) { return read_or_map(out, path, false); }
vg_status vg_safetensors_map(vg_bundle *out, const char *path) { return read_or_map(out, path, true); }

/* -1 when memory is short, as jansson's own functions. */
static int set_entry(json_t *root, const vg_named *item, uint64_t begin) {
  const vg_tensor *t = item->tensor;
  const char *dtype = NULL;
  for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++) {
    if (KINDS[k].dtype == t->dtype) dtype = KINDS[k].name;
  }
  json_t *shape = json_array();
  int bad = !shape;
  for (int a = 0; a < t->shape.rank && !bad; a++) bad = json_array_append_new(shape, json_integer(t->shape.dim[a]));
  if (bad) {
    json_decref(shape);
    return -1;
  }
  return json_object_set_new(root, item->name, json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype, "shape", shape, "data_offsets",
                                                         (json_int_t)begin, (json_int_t)(begin + vg_tensor_bytes(t))));
}

static json_t *print_meta(const vg_bundle *b) {
  json_t *meta = json_object();
  int bad = !meta;
  for (int i = 0; i < b->n_meta && !bad; i++) bad = json_object_set_new(meta, b->meta[i].key, json_string(b->meta[i].value));
  for (int i = 0; i < b->n && !bad; i++) {
    char sum[SUM_TEXT], *key = NULL;
    sum_text(sum, b->item[i].tensor);
    if (asprintf(&key, SUM "%s", b->item[i].name) < 0) bad = 1;
    else bad = json_object_set_new(meta, key, json_string(sum)), free(key);
  }
  if (!bad) return meta;
  json_decref(meta);
  return NULL;
}

static int add_sum(json_t *root, json_t *meta) {
  char sum[SUM_TEXT];
  return sum_header(sum, root) != VG_OK || json_object_set_new(meta, HEADER_SUM, json_string(sum)) != 0;
}

/* jansson refuses other texts, in the same way as it fails without memory: so they are looked at first. */
static bool is_utf8(const char *text) {
  const unsigned char *p = (const unsigned char *)text;
  while (*p) {
    int more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : -1;
    if (more < 0) return false;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f)) return false;
    for (p++; more > 0; more--, p++)
      if ((*p & 0xc0) != 0x80) return false;
  }
  return true;
}

static vg_status check_texts(const vg_bundle *b, const char *path) {
  bool good = true;
  for (int i = 0; i < b->n; i++) good &= is_utf8(b->item[i].name);
  for (int i = 0; i < b->n_meta; i++) {
    if (strncmp(b->meta[i].key, SUM, SUM_PREFIX) == 0 || strcmp(b->meta[i].key, HEADER_SUM) == 0)
      return vg_fail(VG_EARG, "%s: the metadata keys '" HEADER_SUM "' and '" SUM "...' are the format's own", path);
    good &= is_utf8(b->meta[i].key) && is_utf8(b->meta[i].value);
  }
  if (!good) return vg_fail(VG_EARG, "%s: a name or metadata value is not UTF-8", path);
  if (vg_bundle_find(b, "__metadata__")) return vg_fail(VG_EARG, "%s: no tensor can be named __metadata__", path);
  return VG_OK;
}

/* Header text, to be freed by vg_free; NULL when memory is short. */
static char *print_header(const vg_bundle *b, const int *order) {
  json_t *root = json_object(), *meta = print_meta(b);
  int bad = !root || !meta;
  if (!bad) bad = json_object_set(root, "__metadata__", meta);
  uint64_t at = 0;
  for (int i = 0; i < b->n && !bad; i++) {
    bad = set_entry(root, &b->item[order[i]], at);
    at += vg_tensor_bytes(b->item[order[i]].tensor);
  }
  if (!bad) bad = add_sum(root, meta);
  char *text = NULL;
  if (!bad) bad = vg_json_print(&text, root, JSON_COMPACT) != VG_OK;
  json_decref(meta);
  json_decref(root);
  return text;
}

static vg_status put_all(vg_file_out *f, const vg_bundle *b, const int *order, const char *header) {
  static const char BLANKS[8] = "        ";
  size_t length = strlen(header), padded = (length + 7) / 8 * 8;
  unsigned char prefix[8];
  for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)padded >> 8 * i);
  VG_TRY(vg_file_put(f, prefix, 8));
  VG_TRY(vg_file_put(f, header, length));
  VG_TRY(vg_file_put(f, BLANKS, padded - length));
  for (int i = 0; i < b->n; i++) {
    const vg_tensor *t = b->item[order[i]].tensor;
    VG_TRY(vg_file_put(f, vg_tensor_data(t), vg_tensor_bytes(t)));
  }
  return VG_OK;
}

vg_status vg_safetensors_write(const char *path, const vg_bundle *b) {
  VG_TRY(check_texts(b, path));
  int *order;
  VG_TRY(vg_alloc((void **)&order, (size_t)b->n * sizeof *order));
  int n = 0;
  for (size_t size = 4; size > 0; size /= 2) {
    for (int i = 0; i < b->n; i++) {
      if (vg_dtype_size(b->item[i].tensor->dtype) == size) order[n++] = i;
    }
  }
  char *header = print_header(b, order);
  vg_file_out f;
  vg_status s = header ? vg_file_begin(&f, path) : vg_fail(VG_ENOMEM, "%s: not enough memory for its header", path);
  if (s == VG_OK) {
    s = put_all(&f, b, order, header);
    if (s == VG_OK) s = vg_file_commit(&f);
    else vg_file_abort(&f);
  }
  vg_free(header);
  vg_free(order);
  return s;
}
