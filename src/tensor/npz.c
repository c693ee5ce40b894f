/* The archive is read and written in memory, so that writing ends in one atomic rename like every other file. */
#include "tensor/npz.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tensor/npy.h"

enum { MIN_ZIP = 22 /* its end record */, MAX_MEMBERS = 1 << 20, MAX_NAME = 1024, MAX_RATIO = 1032 };
static const uint64_t MAX_FILE = UINT64_C(1) << 40;

static vg_status member(vg_bundle *out, zip_t *z, zip_uint64_t i, const char *path) {
  zip_stat_t st;
  char who[512], name[MAX_NAME];
  if (zip_stat_index(z, i, 0, &st) != 0) return vg_fail(VG_EFORMAT, "%s: %s", path, zip_strerror(z));
  size_t n = strlen(st.name);
  if (n < 5 || n >= MAX_NAME || strcmp(st.name + n - 4, ".npy") != 0) return vg_fail(VG_EFORMAT, "%s: member '%.200s' is no .npy", path, st.name);
  snprintf(who, sizeof who, "%.300s: member '%.180s'", path, st.name);
  memcpy(name, st.name, n - 4);
  name[n - 4] = 0;
  /* A deflated byte gives at most 1032: a larger claim is a lie told before we allocate. */
  if (!(st.valid & ZIP_STAT_SIZE) || !(st.valid & ZIP_STAT_COMP_SIZE) || st.size / MAX_RATIO > st.comp_size + 1) {
    return vg_fail(VG_EFORMAT, "%s: its sizes disagree", who);
  }
  void *data = NULL;
  vg_tensor *t = NULL;
  vg_status status;
  zip_file_t *f = NULL;
  VG_GOTO(vg_alloc(&data, (size_t)st.size));
  f = zip_fopen_index(z, i, 0);
  if (!f) VG_GOTO(vg_fail(VG_EFORMAT, "%s: %s", who, zip_strerror(z)));
  char extra;
  if (zip_fread(f, data, st.size) != (zip_int64_t)st.size || zip_fread(f, &extra, 1) != 0) {
    VG_GOTO(vg_fail(VG_EFORMAT, "%s: damaged: %s", who, zip_file_strerror(f)));
  }
  VG_GOTO(vg_npy_parse(&t, data, (size_t)st.size, who));
  VG_GOTO(vg_bundle_add(out, name, t));
done:
  if (f) zip_fclose(f);
  vg_free(data);
  vg_tensor_release(t);
  return status;
}

vg_status vg_npz_read(vg_bundle *out, const char *path) {
  void *data;
  size_t bytes;
  *out = (vg_bundle){ 0 };
  VG_TRY(vg_file_read(&data, &bytes, path, MAX_FILE));
  if (bytes < MIN_ZIP) {        /* libzip takes an empty file for an empty archive */
    vg_free(data);
    return vg_fail(VG_EFORMAT, "%s: not a .npz file: %zu bytes", path, bytes);
  }
  zip_error_t error;
  zip_error_init(&error);
  vg_status s = VG_OK;
  zip_source_t *source = zip_source_buffer_create(data, bytes, 0, &error);
  zip_t *z = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
  if (!z) {
    s = vg_fail(VG_EFORMAT, "%s: not a .npz file: %s", path, zip_error_strerror(&error));
    zip_source_free(source);
  } else {
    zip_int64_t n = zip_get_num_entries(z, 0);
    if (n > MAX_MEMBERS) s = vg_fail(VG_EFORMAT, "%s: %lld members", path, (long long)n);
    for (zip_int64_t i = 0; i < n && s == VG_OK; i++) s = member(out, z, (zip_uint64_t)i, path);
    zip_discard(z);
  }
  zip_error_fini(&error);
  vg_free(data);
  if (s != VG_OK) vg_bundle_clear(out);
  return s;
}

/* Adds one tensor. libzip reads *data when the archive is closed; it stays the caller's, also when this fails. */
static vg_status add(void **data, zip_t *z, const vg_named *item, bool deflate, const char *path) {
  size_t bytes;
  char name[MAX_NAME];
  if (strlen(item->name) + 5 > sizeof name) return vg_fail(VG_EARG, "%s: tensor name '%.60s...' is too long", path, item->name);
  snprintf(name, sizeof name, "%s.npy", item->name);
  VG_TRY(vg_npy_print(data, &bytes, item->tensor));
  zip_source_t *source = zip_source_buffer(z, *data, bytes, 0);
  if (!source) return vg_fail(VG_ENOMEM, "%s: %s", path, zip_strerror(z));
  zip_int64_t i = zip_file_add(z, name, source, ZIP_FL_ENC_UTF_8);
  if (i < 0) {
    zip_source_free(source);
    return vg_fail(VG_EIO, "%s: '%s': %s", path, name, zip_strerror(z));
  }
  if (zip_set_file_compression(z, (zip_uint64_t)i, deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) != 0) {
    return vg_fail(VG_EIO, "%s: '%s': %s", path, name, zip_strerror(z));
  }
  /* The same tensors give the same file: no time of writing. 1980-01-01 in the zip's own form. */
  (void)zip_file_set_dostime(z, (zip_uint64_t)i, 0, 0x21, 0);
  return VG_OK;
}

/* Moves the closed archive's bytes out of `source`. */
static vg_status save_source(zip_source_t *source, const char *path) {
  zip_stat_t st;
  void *data;
  if (zip_source_stat(source, &st) != 0 || zip_source_open(source) != 0) return vg_fail(VG_EIO, "%s: libzip: %s", path, zip_error_strerror(zip_source_error(source)));
  vg_status s = vg_alloc(&data, (size_t)st.size);
  if (s == VG_OK) {
    if (zip_source_read(source, data, st.size) != (zip_int64_t)st.size) s = vg_fail(VG_EIO, "%s: libzip gives fewer bytes than it has", path);
    else s = vg_file_write(path, data, (size_t)st.size);
    vg_free(data);
  }
  zip_source_close(source);
  return s;
}

/* data [b->n]: what libzip reads from until the archive is closed or discarded. */
static vg_status write_all(const char *path, const vg_bundle *b, bool deflate, void **data) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &error);
  zip_t *z = source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error) : NULL;
  if (!z) {
    vg_status s = vg_fail(VG_ENOMEM, "%s: libzip: %s", path, zip_error_strerror(&error));
    zip_source_free(source);
    zip_error_fini(&error);
    return s;
  }
  zip_error_fini(&error);
  zip_source_keep(source);      /* outlives zip_close: holds the bytes then */
  vg_status s = VG_OK;
  for (int i = 0; i < b->n && s == VG_OK; i++) s = add(&data[i], z, &b->item[i], deflate, path);
  if (s == VG_OK && zip_close(z) != 0) s = vg_fail(VG_EIO, "%s: libzip: %s", path, zip_strerror(z));
  else if (s == VG_OK) z = NULL;
  if (z) zip_discard(z);
  if (s == VG_OK) s = save_source(source, path);
  zip_source_free(source);
  return s;
}

vg_status vg_npz_write(const char *path, const vg_bundle *b, bool deflate) {
  if (b->n == 0) return vg_fail(VG_EARG, "%s: a .npz needs at least one tensor", path);
  void **data;
  VG_TRY(vg_alloc_zero((void **)&data, (size_t)b->n * sizeof *data));
  vg_status s = write_all(path, b, deflate, data);
  for (int i = 0; i < b->n; i++) vg_free(data[i]);
  vg_free(data);
  return s;
}
