/* Data sets: IDX, subsets and splits, the loader's determinism; damaged files are refused, never crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>
#include <png.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset.h"
#include "data/loader.h"

#define OK(expr) do { if ((expr) != VG_OK) fail_msg("%s: %s", #expr, vg_message()); } while (0)

static char folder[64];
static const char *in_folder(const char *name) {
  static char text[4][160];
  static int turn;
  char *t = text[turn++ & 3];
  snprintf(t, 160, "%s/%s", folder, name);
  return t;
}

static int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/vega_data_XXXXXX");
  return mkdtemp(folder) == NULL;
}
static int remove_folder(void **state) {
  (void)state;
  char command[96];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

/* n images of h*w with pixel = function of place, labels i % classes (skewed: every third sample is class 0). */
static vg_dataset *toy(int64_t n, int64_t h, int64_t w, int64_t c, int classes) {
  vg_tensor *x, *y;
  vg_dataset *d;
  vg_shape xs = VG_SHAPE(n, h, w, c), ys = VG_SHAPE(n);
  OK(vg_tensor_new(&x, VG_U8, &xs));
  OK(vg_tensor_new(&y, VG_I32, &ys));
  for (int64_t i = 0; i < vg_tensor_count(x); i++) vg_u8(x)[i] = (uint8_t)(i * 37 + i / 251);
  for (int64_t i = 0; i < n; i++) vg_i32(y)[i] = i % 3 == 0 ? 0 : (int32_t)(i % classes);
  OK(vg_dataset_new(&d, "toy", x, y, classes));
  vg_tensor_release(x);
  vg_tensor_release(y);
  return d;
}

static const unsigned char IDX[] = { 0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static size_t gz(unsigned char *to, size_t room) {
  z_stream z = { 0 };
  deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  z.next_in = (unsigned char *)IDX, z.avail_in = sizeof IDX, z.next_out = to, z.avail_out = (unsigned)room;
  deflate(&z, Z_FINISH);
  size_t n = z.total_out;
  deflateEnd(&z);
  return n;
}

static void idx_plain_and_gz(void **state) {
  (void)state;
  unsigned char packed[256];
  size_t n = gz(packed, sizeof packed);
  OK(vg_file_write(in_folder("a"), IDX, sizeof IDX));
  OK(vg_file_write(in_folder("a.gz"), packed, n));
  for (int i = 0; i < 2; i++) {
    vg_tensor *t;
    OK(vg_read_idx_tensor(&t, in_folder(i ? "a.gz" : "a")));
    assert_int_equal(t->shape.rank, 3);
    assert_int_equal(t->shape.dim[2], 3);
    assert_int_equal(vg_u8(t)[11], 12);
    vg_tensor_release(t);
  }
}

static void idx_damaged(void **state) {
  (void)state;
  unsigned char packed[256], copy[256];
  size_t n = gz(packed, sizeof packed);
  vg_tensor *t;
  for (size_t cut = 0; cut < sizeof IDX; cut++) {
    OK(vg_file_write(in_folder("cut"), IDX, cut));
    assert_int_equal(vg_read_idx_tensor(&t, in_folder("cut")), VG_EFORMAT);
    assert_non_null(strstr(vg_message(), "/cut"));
  }
  for (size_t cut = 0; cut < n; cut++) {
    OK(vg_file_write(in_folder("cut"), packed, cut));
    assert_int_equal(vg_read_idx_tensor(&t, in_folder("cut")), VG_EFORMAT);
  }
  vg_rng r = vg_rng_at(1, 2);
  for (int round = 0; round < 400; round++) {
    const unsigned char *from = round & 1 ? packed : IDX;
    size_t size = round & 1 ? n : sizeof IDX;
    memcpy(copy, from, size);
    copy[vg_rng_below(&r, (int64_t)size)] ^= (unsigned char)(1 << vg_rng_below(&r, 8));
    OK(vg_file_write(in_folder("flip"), copy, size));
    if (vg_read_idx_tensor(&t, in_folder("flip")) == VG_OK) vg_tensor_release(t);
  }
  memcpy(copy, IDX, sizeof IDX);
  memset(copy + 4, 0xff, 12);
  OK(vg_file_write(in_folder("huge"), copy, sizeof IDX));
  assert_int_equal(vg_read_idx_tensor(&t, in_folder("huge")), VG_EFORMAT);
  assert_int_equal(vg_read_idx_tensor(&t, in_folder("none")), VG_EIO);
}

static void split_is_stratified_and_disjoint(void **state) {
  (void)state;
  vg_dataset *d = toy(1000, 2, 2, 1, 7), *a, *b, *again;
  OK(vg_dataset_split(&a, &b, d, 300, 5, true));
  OK(vg_dataset_split(&again, NULL, d, 300, 5, true));
  char seen[1000] = { 0 };
  int in_a[7] = { 0 }, in_d[7] = { 0 };
  for (int64_t i = 0; i < d->n; i++) in_d[vg_dataset_label(d, i)]++;
  for (int64_t i = 0; i < a->n; i++) {
    assert_int_equal(seen[a->index[i]]++, 0);
    assert_int_equal(a->index[i], again->index[i]);
    in_a[vg_dataset_label(a, i)]++;
  }
  for (int64_t i = 0; i < b->n; i++) assert_int_equal(seen[b->index[i]]++, 0);
  assert_int_equal(a->n + b->n, 1000);
  for (int c = 0; c < 7; c++) assert_true(abs(in_a[c] * 10 - in_d[c] * 3) < 10);
  assert_ptr_equal(a->images, d->images);
  vg_dataset *nested;
  OK(vg_dataset_split(&nested, NULL, b, 100, 9, false));
  for (int64_t i = 1; i < nested->n; i++) assert_true(nested->index[i] > nested->index[i - 1]);
  assert_int_equal(vg_dataset_split(&again, NULL, d, 1001, 5, true), VG_EARG);
  vg_dataset *all[] = { a, b, again, nested, d };
  for (int i = 0; i < 5; i++) vg_dataset_release(all[i]);
}

/* The plain definition of a sample, written from the header, not from the code. */
static void loader_plain(void **state) {
  (void)state;
  vg_dataset *d = toy(10, 3, 4, 2, 3);
  float mean[] = { 0.5f, 0.25f }, std[] = { 0.5f, 2 };
  vg_loader *l;
  OK(vg_loader_new(&l, d, &(vg_loader_opts){ .batch = 4, .mean = mean, .std = std }));
  assert_int_equal(vg_loader_batches(l), 3);
  vg_tensor *x, *y;
  for (int b = 0, i = 0; b < 3; b++) {
    OK(vg_loader_next(l, &x, &y));
    assert_int_equal(x->shape.dim[0], b < 2 ? 4 : 2);
    for (int64_t k = 0; k < vg_tensor_count(x); k++) {
      float want = (vg_u8(d->images)[b * 4 * 24 + k] / 255.0f - mean[k % 2]) / std[k % 2];
      assert_float_equal(vg_f32(x)[k], want, 1e-6);
    }
    for (int64_t k = 0; k < vg_tensor_count(y); k++) assert_int_equal(vg_i32(y)[k], vg_dataset_label(d, i++));
    vg_tensor_release(x);
    vg_tensor_release(y);
  }
  OK(vg_loader_next(l, &x, &y));
  assert_null(x);
  assert_null(y);
  vg_loader_free(l);
  vg_dataset_release(d);
}

static uint64_t digest(vg_loader *l, int64_t epoch, int64_t batch, int count) {
  uint64_t h = 1469598103934665603u;
  OK(vg_loader_seek(l, epoch, batch));
  for (int i = 0; i < count; i++) {
    vg_tensor *x, *y;
    OK(vg_loader_next(l, &x, &y));
    if (!x) {
      h = h * 31 + 7;
      continue;
    }
    const unsigned char *p = vg_tensor_data(x), *q = vg_tensor_data(y);
    for (size_t k = 0; k < vg_tensor_bytes(x); k++) h = (h ^ p[k]) * 1099511628211u;
    for (size_t k = 0; k < vg_tensor_bytes(y); k++) h = (h ^ q[k]) * 1099511628211u;
    vg_tensor_release(x);
    vg_tensor_release(y);
  }
  return h;
}

static void loader_same_with_thread_and_from_anywhere(void **state) {
  (void)state;
  vg_dataset *d = toy(50, 8, 8, 3, 5);
  vg_loader *l[3];
  for (int i = 0; i < 3; i++) {
    vg_loader_opts o = { .batch = 8, .shuffle = true, .seed = 3, .flip = true, .crop = 2, .cutout = 4, .dtype = VG_BF16, .ahead = i * 3 };
    OK(vg_loader_new(&l[i], d, &o));
  }
  uint64_t whole = digest(l[0], 0, 0, 20), part = digest(l[0], 1, 3, 9);
  for (int round = 0; round < 20; round++) {
    for (int i = 1; i < 3; i++) {
      assert_true(digest(l[i], 0, 0, 20) == whole);
      assert_true(digest(l[i], 1, 3, 9) == part);
    }
  }
  /* Running on to (1, 3) gives what seeking there gives. */
  OK(vg_loader_seek(l[0], 0, 0));
  for (int i = 0; i < 11; i++) {
    vg_tensor *x, *y;
    OK(vg_loader_next(l[0], &x, &y));
    vg_tensor_release(x);
    vg_tensor_release(y);
  }
  int64_t epoch, batch;
  vg_loader_tell(l[0], &epoch, &batch);
  assert_int_equal(epoch, 1);
  assert_int_equal(batch, 3);
  assert_true(digest(l[0], epoch, batch, 9) == part);
  assert_true(digest(l[0], 2, 0, 7) != digest(l[0], 3, 0, 7));
  for (int i = 0; i < 3; i++) vg_loader_free(l[i]);
  vg_dataset_release(d);
}

/* Each augmented image must be one of the (flip, dy, dx) variants of its original; all flips and many shifts must occur. */
static void loader_augments_as_defined(void **state) {
  (void)state;
  enum { H = 5, W = 6, C = 2, N = 64, PAD = 2 };
  vg_dataset *d = toy(N, H, W, C, 3);
  vg_loader *l;
  OK(vg_loader_new(&l, d, &(vg_loader_opts){ .batch = N, .flip = true, .crop = PAD }));
  vg_tensor *x, *y;
  OK(vg_loader_next(l, &x, &y));
  int variants[2][2 * PAD + 1][2 * PAD + 1] = { 0 }, different = 0;
  for (int i = 0; i < N; i++) {
    int found = 0;
    for (int f = 0; f < 2; f++) for (int dy = -PAD; dy <= PAD; dy++) for (int dx = -PAD; dx <= PAD; dx++) {
      int same = 1;
      for (int p = 0; same && p < H * W * C; p++) {
        int c = p % C, sx = p / C % W + dx, sy = p / C / W + dy;
        float want = 0;
        if (sx >= 0 && sx < W && sy >= 0 && sy < H) want = vg_u8(d->images)[((i * H + sy) * W + (f ? W - 1 - sx : sx)) * C + c] / 255.0f;
        same = vg_f32(x)[i * H * W * C + p] == want;
      }
      if (same) found = 1, different += variants[f][dy + PAD][dx + PAD]++ == 0;
    }
    assert_true(found);
  }
  assert_true(different > 30);
  vg_tensor_release(x);
  vg_tensor_release(y);
  vg_loader_free(l);
  vg_dataset_release(d);
}

static void loader_survives_no_memory(void **state) {
  (void)state;
  vg_dataset *d = toy(20, 4, 4, 1, 2);
  for (int ahead = 0; ahead < 3; ahead += 2) {
    vg_loader *l = NULL;
    int n = 1;
    for (;; n++) {
      vg_alloc_fail_at(n, 0);
      vg_status s = vg_loader_new(&l, d, &(vg_loader_opts){ .batch = 4, .ahead = ahead });
      vg_alloc_fail_at(0, 0);
      if (s == VG_OK) break;
      assert_int_equal(s, VG_ENOMEM);
    }
    assert_true(n > 3);
    vg_tensor *x, *y;
    vg_alloc_fail_at(1, 1);
    assert_int_equal(vg_loader_next(l, &x, &y), VG_ENOMEM);
    vg_alloc_fail_at(0, 0);
    vg_status s = VG_ENOMEM;   /* the thread may have failed once more meanwhile */
    for (int i = 0; i < 3 && s != VG_OK; i++) s = vg_loader_next(l, &x, &y);
    OK(s);
    assert_int_equal(vg_i32(y)[1], 1);
    vg_tensor_release(x);
    vg_tensor_release(y);
    vg_loader_free(l);
  }
  vg_dataset_release(d);
}

static void write_png(const char *path, int h, int w, uint8_t value) {
  uint8_t rgb[16 * 16 * 3];
  memset(rgb, value, sizeof rgb);
  png_image image = { .version = PNG_IMAGE_VERSION, .width = (png_uint_32)w, .height = (png_uint_32)h, .format = PNG_FORMAT_RGB };
  assert_true(png_image_write_to_file(&image, path, 0, rgb, 0, NULL));
}

static void image_folder(void **state) {
  (void)state;
  mkdir(in_folder("pics"), 0700);
  mkdir(in_folder("pics/cat"), 0700);
  mkdir(in_folder("pics/ant"), 0700);
  write_png(in_folder("pics/cat/1.png"), 4, 6, 200);
  write_png(in_folder("pics/ant/b.png"), 4, 6, 20);
  write_png(in_folder("pics/ant/a.png"), 4, 6, 10);
  vg_dataset *d;
  OK(vg_read_folder(&d, "pics", in_folder("pics"), 0, 0));
  assert_int_equal(d->n, 3);
  assert_string_equal(d->class_names[0], "ant");
  assert_int_equal(vg_dataset_label(d, 2), 1);
  assert_int_equal(vg_u8(d->images)[0], 10);
  assert_int_equal(vg_u8(d->images)[2 * 4 * 6 * 3 + 71], 200);
  vg_dataset_release(d);
  write_png(in_folder("pics/cat/2.png"), 5, 6, 90);
  assert_int_equal(vg_read_folder(&d, "pics", in_folder("pics"), 0, 0), VG_EFORMAT);
  assert_non_null(strstr(vg_message(), "cat/2.png: 5 x 6"));
  OK(vg_read_folder(&d, "pics", in_folder("pics"), 3, 3));
  assert_int_equal(vg_u8(d->images)[3 * 27 + 5], 90);
  vg_dataset_release(d);
  void *data;
  size_t bytes;
  OK(vg_file_read(&data, &bytes, in_folder("pics/cat/2.png"), 1 << 20));
  for (size_t cut = 0; cut + 12 < bytes; cut += 3) {
    OK(vg_file_write(in_folder("pics/cat/2.png"), data, cut));
    assert_int_equal(vg_read_folder(&d, "pics", in_folder("pics"), 3, 3), VG_EFORMAT);
  }
  vg_free(data);
}

static void cifar_records(void **state) {
  (void)state;
  static uint8_t file[2 * 3073];
  for (int i = 0; i < 2 * 3073; i++) file[i] = (uint8_t)(i * 7);
  file[0] = 9;
  file[3073] = 3;
  OK(vg_file_write(in_folder("c.bin"), file, sizeof file));
  const char *files[] = { in_folder("c.bin"), in_folder("c.bin") };
  vg_dataset *d;
  OK(vg_read_cifar10(&d, "cifar10", files, 2));
  assert_int_equal(d->n, 4);
  assert_int_equal(vg_dataset_label(d, 3), 3);
  assert_int_equal(vg_u8(d->images)[3 * 3072 + 5 * 3 + 2], file[3073 + 1 + 2 * 1024 + 5]);
  vg_dataset_release(d);
  file[3073] = 10;
  OK(vg_file_write(in_folder("c.bin"), file, sizeof file));
  assert_int_equal(vg_read_cifar10(&d, "cifar10", files, 1), VG_EFORMAT);
  OK(vg_file_write(in_folder("c.bin"), file, 3000));
  assert_int_equal(vg_read_cifar10(&d, "cifar10", files, 1), VG_EFORMAT);
}

static void fashion_mnist(void **state) {
  (void)state;
  const char *base = "/usr/share/datasets/fashion-mnist/";
  char names[4][96];
  const char *file[] = { "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz" };
  for (int i = 0; i < 4; i++) {
    snprintf(names[i], sizeof names[i], "%s%s", base, file[i]);
    if (!vg_file_exists(names[i])) skip();
  }
  vg_dataset *d[2];
  for (int part = 0; part < 2; part++) {
    OK(vg_read_idx(&d[part], "fashion-mnist", names[2 * part], names[2 * part + 1], 0));
    assert_int_equal(d[part]->n, part ? 10000 : 60000);
    assert_int_equal(d[part]->n_classes, 10);
    int count[10] = { 0 };
    for (int64_t i = 0; i < d[part]->n; i++) count[vg_dataset_label(d[part], i)]++;
    for (int c = 0; c < 10; c++) assert_int_equal(count[c], part ? 1000 : 6000);
  }
  double mean, std;
  OK(vg_dataset_stats(&mean, &std, d[0]));
  assert_float_equal(mean, 0.2860, 1e-4);
  assert_float_equal(std, 0.3530, 1e-4);
  vg_dataset *sub;
  OK(vg_dataset_split(&sub, NULL, d[0], 8000, 1, true));
  int count[10] = { 0 };
  for (int64_t i = 0; i < sub->n; i++) count[vg_dataset_label(sub, i)]++;
  for (int c = 0; c < 10; c++) assert_int_equal(count[c], 800);
  vg_dataset_release(sub);
  vg_dataset_release(d[0]);
  vg_dataset_release(d[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(idx_plain_and_gz), cmocka_unit_test(idx_damaged), cmocka_unit_test(split_is_stratified_and_disjoint),
    cmocka_unit_test(loader_plain), cmocka_unit_test(loader_same_with_thread_and_from_anywhere), cmocka_unit_test(loader_augments_as_defined),
    cmocka_unit_test(loader_survives_no_memory), cmocka_unit_test(image_folder), cmocka_unit_test(cifar_records), cmocka_unit_test(fashion_mnist),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
