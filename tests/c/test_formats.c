/* .npy, .npz, .safetensors: round trips, and damaged files are refused or read, never crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tensor/npy.h"
#include "tensor/npz.h"
#include "tensor/safetensors.h"

#define OK(expr) do { if ((expr) != VG_OK) fail_msg("%s: %s", #expr, vg_message()); } while (0)

static char path[64] = "/tmp/vega_format_XXXXXX";
static int make_file(void **state) {
  (void)state;
  int fd = mkstemp(path);
  return fd < 0 || close(fd);
}
static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

static vg_bundle sample(void) {
  vg_bundle b = { 0 };
  const vg_dtype types[] = { VG_U8, VG_F32, VG_BF16, VG_I32 };
  const char *names[] = { "bytes", "w", "half", "ids" };
  vg_shape shapes[] = { VG_SHAPE(3), VG_SHAPE(2, 3, 1), VG_SHAPE(5), { 0 } };
  for (int i = 0; i < 4; i++) {
    vg_tensor *t;
    OK(vg_tensor_new(&t, types[i], &shapes[i]));
    for (int64_t k = 0; k < vg_tensor_count(t); k++) vg_tensor_set(t, k, (double)(k * 3 + i));
    OK(vg_bundle_add(&b, names[i], t));
    vg_tensor_release(t);
  }
  OK(vg_bundle_set_meta(&b, "note", "old"));
  OK(vg_bundle_set_meta(&b, "note", "gr\xc3\xbc\xc3\x9f \"dich\""));
  return b;
}

static void assert_same(const vg_bundle *a, const vg_bundle *b, bool with_bf16) {
  assert_int_equal(a->n, b->n);
  for (int i = 0; i < a->n; i++) {
    const vg_tensor *t = a->item[i].tensor, *u = vg_bundle_find(b, a->item[i].name);
    assert_non_null(u);
    assert_true(vg_shape_is_equal(&t->shape, &u->shape));
    if (with_bf16) assert_int_equal(t->dtype, u->dtype);
    for (int64_t k = 0; k < vg_tensor_count(t); k++) assert_true(vg_tensor_get(t, k) == vg_tensor_get(u, k));
  }
}

static void npy_round_trip(void **state) {
  (void)state;
  vg_bundle b = sample();
  for (int i = 0; i < b.n; i++) {
    vg_tensor *t;
    OK(vg_npy_write(path, b.item[i].tensor));
    OK(vg_npy_read(&t, path));
    assert_true(vg_shape_is_equal(&t->shape, &b.item[i].tensor->shape));
    for (int64_t k = 0; k < vg_tensor_count(t); k++) assert_true(vg_tensor_get(t, k) == vg_tensor_get(b.item[i].tensor, k));
    vg_tensor_release(t);
  }
  vg_bundle_clear(&b);
}

static vg_status parse_text(vg_tensor **t, const char *dict, const void *numbers, size_t bytes) {
  char data[256] = "\x93NUMPY\x01";
  size_t n = strlen(dict);
  data[8] = (char)n;
  memcpy(data + 10, dict, n);
  memcpy(data + 10 + n, numbers, bytes);
  return vg_npy_parse(t, data, 10 + n + bytes, "text");
}

static void npy_types(void **state) {
  (void)state;
  vg_tensor *t;
  double f8[] = { 1.5, -2 };
  int64_t i8[] = { 7, -8 };
  OK(parse_text(&t, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", f8, 16));
  assert_true(t->dtype == VG_F32 && vg_f32(t)[0] == 1.5f && vg_f32(t)[1] == -2);
  vg_tensor_release(t);
  OK(parse_text(&t, "{'shape': (1, 2), 'fortran_order': False, 'descr': '<i8'}", i8, 16));
  assert_true(t->dtype == VG_I32 && t->shape.rank == 2 && vg_i32(t)[1] == -8);
  vg_tensor_release(t);
  i8[0] = INT64_C(1) << 31;
  const char *bad[] = {
    "{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}",   "{'descr': '<f8', 'fortran_order': True, 'shape': (2,)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",    "{'descr': '>f8', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",   "{'descr': '<f8', 'fortran_order': False}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)} x", "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(parse_text(&t, bad[i], i8, 16), VG_EFORMAT);
}

static void npz_round_trip(void **state) {
  (void)state;
  for (int deflate = 0; deflate < 2; deflate++) {
    vg_bundle b = sample(), back;
    OK(vg_npz_write(path, &b, deflate));
    OK(vg_npz_read(&back, path));
    assert_same(&b, &back, false);
    vg_bundle_clear(&b);
    vg_bundle_clear(&back);
  }
}

static void safetensors_round_trip(void **state) {
  (void)state;
  vg_bundle b = sample(), back;
  OK(vg_safetensors_write(path, &b));
  OK(vg_safetensors_read(&back, path));
  assert_same(&b, &back, true);
  assert_int_equal(back.n_meta, 1);
  assert_string_equal(vg_bundle_meta(&back, "note"), "gr\xc3\xbc\xc3\x9f \"dich\"");
  vg_bundle_clear(&b);
  vg_bundle_clear(&back);
}

static vg_status read_header(const char *json, size_t data_bytes) {
  unsigned char file[512] = { 0 };
  vg_bundle b;
  file[0] = (unsigned char)strlen(json);
  memcpy(file + 8, json, strlen(json));
  OK(vg_file_write(path, file, 8 + strlen(json) + data_bytes));
  vg_status s = vg_safetensors_read(&b, path);
  vg_bundle_clear(&b);
  return s;
}

static void safetensors_refuses(void **state) {
  (void)state;
  OK(read_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ", 8));
  OK(read_header("{}", 0));
  const char *bad[] = {
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",                                             /* bytes left over */
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",                                             /* gap */
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}",
    "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,2],\"data_offsets\":[0,8]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"__metadata__\":{\"k\":1}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"__metadata__\":{\"xxh3.a\":\"00\"}}",
    " {\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
    "[]",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (read_header(bad[i], 8) != VG_EFORMAT) fail_msg("accepted: %s", bad[i]);
  }
}

/* Every truncation must be refused; random flips must not crash. For safetensors a flip of data is always found by its checksum. */
static void damaged(void **state) {
  (void)state;
  vg_bundle b = sample(), back;
  vg_rng r = vg_rng_at(4, 2);
  for (int format = 0; format < 3; format++) {
    void *data;
    size_t bytes;
    if (format == 0) OK(vg_safetensors_write(path, &b));
    else OK(vg_npz_write(path, &b, format == 2));
    OK(vg_file_read(&data, &bytes, path, 1 << 20));
    for (size_t cut = 0; cut < bytes; cut += 7) {
      OK(vg_file_write(path, data, cut));
      vg_status s = format ? vg_npz_read(&back, path) : vg_safetensors_read(&back, path);
      assert_int_equal(s, VG_EFORMAT);
    }
    for (int round = 0; round < 150; round++) {
      unsigned char *at = (unsigned char *)data + vg_rng_below(&r, (int64_t)bytes), old = *at;
      *at ^= (unsigned char)(1 << vg_rng_below(&r, 8));
      OK(vg_file_write(path, data, bytes));
      vg_status s = format ? vg_npz_read(&back, path) : vg_safetensors_read(&back, path);
      if (format == 0 && at >= (unsigned char *)data + bytes - 20) assert_int_equal(s, VG_EFORMAT);
      if (s == VG_OK) vg_bundle_clear(&back);
      *at = old;
    }
    vg_free(data);
  }
  vg_bundle_clear(&b);
}

static void missing_and_no_memory(void **state) {
  (void)state;
  vg_bundle b = sample(), back;
  vg_tensor *t;
  assert_int_equal(vg_npy_read(&t, "/nowhere/x.npy"), VG_EIO);
  assert_int_equal(vg_safetensors_read(&back, "/nowhere/x"), VG_EIO);
  assert_int_equal(vg_safetensors_write("/nowhere/x", &b), VG_EIO);
  OK(vg_safetensors_write(path, &b));
  for (int n = 1;; n++) {
    vg_alloc_fail_at(n, 0);
    vg_status s = vg_safetensors_read(&back, path);
    vg_alloc_fail_at(0, 0);
    if (s == VG_OK) break;
    assert_int_equal(s, VG_ENOMEM);
    assert_int_equal(back.n, 0);
  }
  vg_bundle_clear(&back);
  vg_bundle_clear(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(npy_round_trip), cmocka_unit_test(npy_types), cmocka_unit_test(npz_round_trip), cmocka_unit_test(safetensors_round_trip),
    cmocka_unit_test(safetensors_refuses), cmocka_unit_test(damaged), cmocka_unit_test(missing_and_no_memory),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
