/* Data sets of plain arrays: .npy files and CIFAR-10's records. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset.h"
#include "tensor/npy.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, RECORD = 1 + 3 * PLANE, CIFAR_CLASSES = 10 };

vg_status vg_read_npy(vg_dataset **out, const char *name, const char *images, const char *labels, int n_classes) {
  vg_tensor *x = NULL, *y = NULL, *view = NULL, *whole = NULL;
  char text[VG_SHAPE_TEXT];
  vg_status status;
  VG_GOTO(vg_npy_read(&y, labels));
  if (y->shape.rank != 1 || y->dtype == VG_F32) {
    VG_GOTO(vg_fail(VG_EFORMAT, "%s: labels must be whole numbers with one axis, got %s %s", labels, vg_dtype_name(y->dtype), vg_shape_text(text, &y->shape)));
  }
  VG_GOTO(vg_npy_read(&x, images));
  vg_shape four = x->shape;
  if (four.rank == 3) four.rank = 4, four.dim[3] = 1;
  if (four.rank != 4 || x->dtype == VG_I32 || four.dim[0] != y->shape.dim[0] || vg_shape_count(&four) == 0) {
    VG_GOTO(vg_fail(VG_EFORMAT, "%s: expected u8 or f32 images [%lld, H, W, C], got %s %s", images, (long long)y->shape.dim[0],
                    vg_dtype_name(x->dtype), vg_shape_text(text, &x->shape)));
  }
  VG_GOTO(vg_tensor_view(&view, x, 0, &four));
  VG_GOTO(vg_tensor_cast(&whole, y, VG_I32));
  VG_GOTO(vg_dataset_new(out, name, view, whole, n_classes));
done:
  vg_tensor_release(x);
  vg_tensor_release(y);
  vg_tensor_release(view);
  vg_tensor_release(whole);
  return status;
}

static vg_status records(uint8_t *x, int32_t *y, const char *path, uint64_t n) {
  FILE *f = fopen(path, "rbe");
  if (!f) return vg_fail(VG_EIO, "%s: %s", path, strerror(errno));
  uint8_t record[RECORD];
  vg_status s = VG_OK;
  for (uint64_t i = 0; i < n && s == VG_OK; i++, x += 3 * PLANE) {
    if (fread(record, 1, RECORD, f) != RECORD) {
      s = vg_fail(VG_EIO, "%s: cannot read record %llu", path, (unsigned long long)i + 1);
    } else if (record[0] >= CIFAR_CLASSES) {
      s = vg_fail(VG_EFORMAT, "%s: record %llu has label %d, expected 0 to %d", path, (unsigned long long)i + 1, record[0], CIFAR_CLASSES - 1);
    } else {
      y[i] = record[0];
      for (int p = 0; p < PLANE; p++) {
        for (int c = 0; c < 3; c++) x[p * 3 + c] = record[1 + c * PLANE + p];
      }
    }
  }
  fclose(f);
  return s;
}

vg_status vg_read_cifar10(vg_dataset **out, const char *name, const char *const *files, int n_files) {
  uint64_t total = 0, size;
  for (int i = 0; i < n_files; i++) {
    VG_TRY(vg_file_size(&size, files[i]));
    if (size == 0 || size % RECORD != 0) {
      return vg_fail(VG_EFORMAT, "%s: %llu bytes, expected a multiple of %d (a label and 3 x 32 x 32)", files[i], (unsigned long long)size, RECORD);
    }
    total += size / RECORD;
  }
  vg_tensor *x = NULL, *y = NULL;
  vg_shape xs = VG_SHAPE((int64_t)total, SIDE, SIDE, 3), ys = VG_SHAPE((int64_t)total);
  uint64_t at = 0;
  vg_status status;
  VG_GOTO(vg_tensor_new(&x, VG_U8, &xs));
  VG_GOTO(vg_tensor_new(&y, VG_I32, &ys));
  for (int i = 0; i < n_files; i++) {
    VG_GOTO(vg_file_size(&size, files[i]));
    uint64_t n = size / RECORD;
    if (at + n > total) VG_GOTO(vg_fail(VG_EIO, "%s: it grew while it was read", files[i]));
    VG_GOTO(records(vg_u8(x) + at * 3 * PLANE, vg_i32(y) + at, files[i], n));
    at += n;
  }
  if (at != total) VG_GOTO(vg_fail(VG_EIO, "%s: files shrank while they were read", name));
  VG_GOTO(vg_dataset_new(out, name, x, y, CIFAR_CLASSES));
done:
  vg_tensor_release(x);
  vg_tensor_release(y);
  return status;
}
