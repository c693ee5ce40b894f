/* Damaged files, thousands of them: cut off, with flipped bits, extreme numbers, pieces missing or twice. Every reader gives a value or VG_EFORMAT
 * with a message, never crashes, and leaves no memory behind. Seeded, so that a failure comes again; tests/c/test_fuzz N runs N times as many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>
#include <png.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/csv.h"
#include "data/dataset.h"
#include "data/image.h"
#include "tensor/npy.h"
#include "tensor/npz.h"
#include "tensor/safetensors.h"
#include "train/checkpoint.h"

#define OK(expr) do { if ((expr) != VG_OK) fail_msg("%s: %s", #expr, vg_message()); } while (0)

enum { LIMIT = 512 << 20, ROOM = 1 << 16 };

static long times = 1;
static char path[64] = "/tmp/vega_fuzz_XXXXXX", other[80];

/* -- damage ---------------------------------------------------------------------------------------------------------------------- */

typedef struct text {
  unsigned char data[ROOM];
  size_t n;
} text;

static size_t below(vg_rng *r, size_t n) { return (size_t)vg_rng_below(r, (int64_t)(n > 0 ? n : 1)); }

static void overwrite(text *t, vg_rng *r) {
  static const uint64_t EXTREMES[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX };
  uint64_t v = EXTREMES[below(r, sizeof EXTREMES / sizeof *EXTREMES)];
  size_t width = (size_t)1 << below(r, 4), at = below(r, t->n);
  int big_endian = (int)below(r, 2);
  for (size_t i = 0; i < width && at + i < t->n; i++) t->data[at + i] = (unsigned char)(v >> 8 * (big_endian ? width - 1 - i : i));
}

static void take_out(text *t, vg_rng *r) {
  size_t at = below(r, t->n), n = 1 + below(r, 16);
  if (n > t->n - at) n = t->n - at;
  memmove(t->data + at, t->data + at + n, t->n - at - n);
  t->n -= n;
}

static void put_twice(text *t, vg_rng *r) {
  size_t at = below(r, t->n), n = 1 + below(r, 16);
  if (n > t->n - at) n = t->n - at;
  if (t->n + n > ROOM) return;
  memmove(t->data + at + n, t->data + at, t->n - at);
  t->n += n;
}

static void damage(text *t, vg_rng *r) {
  switch (below(r, 6)) {
    case 0: t->n = below(r, t->n); break;
    case 1: overwrite(t, r); break;
    case 2: take_out(t, r); break;
    case 3: put_twice(t, r); break;
    default: if (t->n) t->data[below(r, t->n)] ^= (unsigned char)(1 << below(r, 8));
  }
}

/* -- the loop -------------------------------------------------------------------------------------------------------------------- */

/* Not vg_file_write: that waits for the disk. */
static void write_text(const char *name, const text *t) {
  FILE *f = fopen(name, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(t->data, 1, t->n, f), t->n);
  assert_int_equal(fclose(f), 0);
}

static void read_text(text *t, const char *name) {
  FILE *f = fopen(name, "rb");
  assert_non_null(f);
  t->n = fread(t->data, 1, ROOM, f);
  assert_true(t->n < ROOM);
  fclose(f);
}

/* A reader reads the text, as a file (`path` holds it) or from memory, and frees what it got. */
typedef vg_status reader(const text *t);

static void fuzz(const text *whole, reader *read, int rounds, int in_memory) {
  static text t;
  vg_alloc_stats before = vg_alloc_get_stats();
  int refused = 0;
  if (!in_memory) write_text(path, whole);
  OK(read(whole));
  vg_alloc_set_limit(LIMIT);
  for (int i = 0; i < rounds * times; i++) {
    vg_rng r = vg_rng_at(20, (uint64_t)i);
    t = *whole;
    for (size_t k = 1 + below(&r, 3); k > 0; k--) damage(&t, &r);
    if (!in_memory) write_text(path, &t);
    vg_status s = read(&t);
    if (s != VG_OK && s != VG_EFORMAT) fail_msg("round %d: %s: %s", i, vg_status_name(s), vg_message());
    if (s != VG_OK && !*vg_message()) fail_msg("round %d: no message", i);
    vg_alloc_stats after = vg_alloc_get_stats();
    if (after.live_bytes != before.live_bytes || after.live_small != before.live_small) fail_msg("round %d: memory is left behind", i);
    refused += s != VG_OK;
  }
  vg_alloc_set_limit(0);
  assert_true(refused > rounds / 4);
}

/* -- targets --------------------------------------------------------------------------------------------------------------------- */

static vg_status read_idx(const text *t) {
  vg_tensor *x = NULL;
  (void)t;
  vg_status s = vg_read_idx_tensor(&x, path);
  vg_tensor_release(x);
  return s;
}

static const unsigned char IDX[] = { 0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static void idx(void **state) {
  (void)state;
  static text t;
  memcpy(t.data, IDX, t.n = sizeof IDX);
  fuzz(&t, read_idx, 6000, 0);
}

static void idx_gz(void **state) {
  (void)state;
  static text t;
  z_stream z = { .next_in = (unsigned char *)IDX, .avail_in = sizeof IDX, .next_out = t.data, .avail_out = ROOM };
  deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  t.n = z.total_out;
  deflateEnd(&z);
  fuzz(&t, read_idx, 4000, 0);
}

static vg_status read_cifar(const text *t) {
  vg_dataset *d = NULL;
  (void)t;
  vg_status s = vg_read_cifar10(&d, "cifar10", (const char *const[]){ path }, 1);
  vg_dataset_release(d);
  return s;
}

static void cifar(void **state) {
  (void)state;
  static text t;
  t.n = 2 * 3073;
  for (size_t i = 0; i < t.n; i++) t.data[i] = (unsigned char)(i * 7 % 10);
  fuzz(&t, read_cifar, 2000, 0);
}

static vg_status read_image(const text *t) {
  vg_image image = { 0 };
  vg_status s = vg_image_decode(&image, t->data, t->n, "picture");
  vg_free(image.rgb);
  return s;
}

enum { SIDE = 24 };
static const unsigned char *picture(void) {
  static unsigned char rgb[SIDE * SIDE * 3];
  for (int i = 0; i < SIDE * SIDE * 3; i++) rgb[i] = (unsigned char)(i * i / 7 + i % 3 * 50);
  return rgb;
}

static void png(void **state) {
  (void)state;
  static text t;
  png_image image = { .version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE, .format = PNG_FORMAT_RGB };
  png_alloc_size_t n = ROOM;
  assert_true(png_image_write_to_memory(&image, t.data, &n, 0, picture(), 0, NULL));
  t.n = n;
  fuzz(&t, read_image, 6000, 1);
}

static void jpeg(void **state) {
  (void)state;
  static text t;
  for (int progressive = 0; progressive < 2; progressive++) {
    tjhandle tj = tjInitCompress();
    unsigned char *out = t.data;
    unsigned long n = ROOM;
    int flags = TJFLAG_NOREALLOC | (progressive ? TJFLAG_PROGRESSIVE : 0);
    assert_int_equal(tjCompress2(tj, picture(), SIDE, 0, SIDE, TJPF_RGB, &out, &n, TJSAMP_420, 80, flags), 0);
    tjDestroy(tj);
    t.n = n;
    fuzz(&t, read_image, 4000, 1);
  }
}

static vg_status read_npy(const text *t) {
  vg_tensor *x = NULL;
  vg_status s = vg_npy_parse(&x, t->data, t->n, "numbers");
  vg_tensor_release(x);
  return s;
}

static vg_tensor *numbers(vg_dtype type, int64_t rows, int64_t columns) {
  vg_tensor *x;
  OK(vg_tensor_new(&x, type, &VG_SHAPE(rows, columns)));
  for (int64_t i = 0; i < rows * columns; i++) vg_tensor_set(x, i, (double)(i % 100));
  return x;
}

static void npy(void **state) {
  (void)state;
  static text t;
  vg_tensor *x = numbers(VG_F32, 3, 4);
  OK(vg_npy_write(path, x));
  vg_tensor_release(x);
  read_text(&t, path);
  fuzz(&t, read_npy, 20000, 1);
}

static void fill_bundle(vg_bundle *b) {
  static const char *const NAMES[] = { "weight", "ids", "half" };
  const vg_dtype TYPES[] = { VG_F32, VG_I32, VG_BF16 };
  for (int i = 0; i < 3; i++) {
    vg_tensor *x = numbers(TYPES[i], 3, 5 + i);
    OK(vg_bundle_add(b, NAMES[i], x));
    vg_tensor_release(x);
  }
  OK(vg_bundle_set_meta(b, "note", "text"));
}

static vg_status read_npz(const text *t) {
  vg_bundle b = { 0 };
  (void)t;
  vg_status s = vg_npz_read(&b, path);
  vg_bundle_clear(&b);
  return s;
}

static void npz(void **state) {
  (void)state;
  static text t;
  for (int deflated = 0; deflated < 2; deflated++) {
    vg_bundle b = { 0 };
    fill_bundle(&b);
    OK(vg_npz_write(path, &b, deflated));
    vg_bundle_clear(&b);
    read_text(&t, path);
    fuzz(&t, read_npz, 2000, 0);
  }
}

static vg_status read_safetensors(const text *t) {
  vg_bundle b = { 0 };
  (void)t;
  vg_status s = vg_safetensors_read(&b, path);
  vg_bundle_clear(&b);
  return s;
}

static void safetensors(void **state) {
  (void)state;
  static text t;
  vg_bundle b = { 0 };
  fill_bundle(&b);
  OK(vg_safetensors_write(path, &b));
  vg_bundle_clear(&b);
  read_text(&t, path);
  fuzz(&t, read_safetensors, 5000, 0);
}

static vg_status read_csv(const text *t) {
  vg_csv csv = { 0 };
  (void)t;
  vg_status s = vg_csv_read(&csv, path, 1 << 20);
  if (s == VG_OK) {
    for (size_t row = 0; row <= csv.n_rows; row++)
      for (size_t column = 0; column < csv.n_columns; column++) (void)strlen(vg_csv_field(&csv, row, column));
    vg_csv_clear(&csv);
  }
  return s;
}

static void csv(void **state) {
  (void)state;
  static text t;
  t.n = (size_t)snprintf((char *)t.data, ROOM, "name,acc,\"long, name\"\r\n\"a \"\"b\"\"\",0.5,1\nc,,2\nd,1e-3,\"3\n4\"\n");
  fuzz(&t, read_csv, 6000, 0);
}

/* -- checkpoints: the damaged file is noticed and the one before it taken ---------------------------------------------------------- */

static vg_graph *network(uint64_t seed) {
  vg_graph *g;
  int w, y;
  OK(vg_graph_new(&g, &VG_SHAPE(6)));
  OK(vg_graph_param(&w, g, "weight", &VG_SHAPE(4, 6), VG_INIT_KAIMING_NORMAL, 6, true));
  OK(vg_graph_op(&y, g, "head", vg_op_find("linear"), (int[]){ 0, w }, 2, NULL));
  OK(vg_graph_set_output(g, y));
  OK(vg_graph_materialise(g, seed));
  return g;
}

static vg_trainer *trainer_of(vg_graph *g) {
  vg_trainer *t;
  vg_trainer_opts o = { .optim = vg_optim_defaults(VG_SGD), .schedule = { .kind = VG_SCHEDULE_CONSTANT, .lr = 0.1 }, .total_steps = 9, .seed = 5 };
  OK(vg_trainer_new(&t, g, &o));
  return t;
}

/* Saves a network of random weights under `name` and returns a copy of these. */
static vg_tensor *save_network(const char *name, uint64_t seed) {
  vg_graph *g = network(seed);
  vg_trainer *t = trainer_of(g);
  vg_tensor *weights;
  OK(vg_checkpoint_save(name, t, "mine"));
  OK(vg_tensor_new(&weights, VG_F32, &VG_SHAPE(g->n_params)));
  memcpy(vg_f32(weights), vg_f32(g->values), vg_tensor_bytes(weights));
  vg_trainer_free(t);
  vg_graph_free(g);
  return weights;
}

static void load_one(const text *t, vg_trainer *into, vg_graph *g, vg_tensor *const weights[2]) {
  vg_checkpoint_loaded loaded;
  write_text(path, t);
  OK(vg_checkpoint_load(&loaded, into, path));
  assert_memory_equal(vg_f32(g->values), vg_f32(weights[loaded.fell_back]), vg_tensor_bytes(weights[0]));
  assert_string_equal(loaded.user, "mine");
  vg_free(loaded.user);
}

static void checkpoint(void **state) {
  (void)state;
  static text whole, t;
  snprintf(other, sizeof other, "%s.prev", path);
  vg_tensor *weights[2] = { save_network(path, 1), NULL };
  read_text(&whole, path);
  unlink(path);
  weights[1] = save_network(path, 2);
  assert_int_equal(rename(path, other), 0);
  vg_graph *g = network(3);
  vg_trainer *into = trainer_of(g);
  for (int i = 0; i < 200; i++) {
    t = whole;
    t.n = whole.n * (size_t)i / 200;
    load_one(&t, into, g, weights);
    assert_memory_equal(vg_f32(g->values), vg_f32(weights[1]), vg_tensor_bytes(weights[1]));
  }
  for (int i = 0; i < 2000 * times; i++) {
    vg_rng r = vg_rng_at(21, (uint64_t)i);
    t = whole;
    damage(&t, &r);
    load_one(&t, into, g, weights);
  }
  vg_trainer_free(into);
  vg_graph_free(g);
  vg_tensor_release(weights[0]);
  vg_tensor_release(weights[1]);
  unlink(other);
}

static int make_file(void **state) {
  (void)state;
  int fd = mkstemp(path);
  return fd < 0 || close(fd);
}
static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

int main(int argc, char **argv) {
  if (argc > 1) times = strtol(argv[1], NULL, 10);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(idx), cmocka_unit_test(idx_gz), cmocka_unit_test(cifar), cmocka_unit_test(png), cmocka_unit_test(jpeg), cmocka_unit_test(npy),
    cmocka_unit_test(npz), cmocka_unit_test(safetensors), cmocka_unit_test(csv), cmocka_unit_test(checkpoint),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
