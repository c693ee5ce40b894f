/* IDX, the files of MNIST and its likes: 0 0 type rank, rank lengths of 4 bytes big endian, then the numbers; plain or gzipped. */
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "data/dataset.h"

enum { IDX_U8 = 0x08, IDX_MAX_RANK = 4, MAX_DEFLATE_RATIO = 1032, BUFFER = 1 << 17 };

/* Reads exactly `bytes`. */
static vg_status take(gzFile f, void *to, uint64_t bytes, const char *path) {
  char *p = to;
  while (bytes > 0) {
    unsigned step = bytes < (1u << 30) ? (unsigned)bytes : 1u << 30;
    int got = gzread(f, p, step);
    if (got <= 0) {
      int code;
      const char *why = gzerror(f, &code);
      return vg_fail(VG_EFORMAT, "%s: %s", path, got < 0 || code != Z_OK ? why : "ends too early");
    }
    p += got;
    bytes -= (uint64_t)got;
  }
  return VG_OK;
}

/* The header, and whether the file can hold what it promises. */
static vg_status header(vg_shape *shape, gzFile f, const char *path, uint64_t file_bytes) {
  uint8_t magic[4], length[4];
  VG_TRY(take(f, magic, 4, path));
  if (magic[0] || magic[1] || magic[2] != IDX_U8 || magic[3] < 1 || magic[3] > IDX_MAX_RANK) {
    return vg_fail(VG_EFORMAT, "%s: not an IDX file of bytes (starts with %02x %02x %02x %02x, expected 00 00 08 and a rank of 1 to %d)", path,
                   magic[0], magic[1], magic[2], magic[3], IDX_MAX_RANK);
  }
  shape->rank = magic[3];
  uint64_t need = 1, most = gzdirect(f) ? file_bytes : file_bytes * MAX_DEFLATE_RATIO;
  for (int a = 0; a < shape->rank; a++) {
    VG_TRY(take(f, length, 4, path));
    shape->dim[a] = (int64_t)length[0] << 24 | length[1] << 16 | length[2] << 8 | length[3];
    if (shape->dim[a] == 0) return vg_fail(VG_EFORMAT, "%s: axis %d has no elements", path, a + 1);
    if (__builtin_mul_overflow(need, (uint64_t)shape->dim[a], &need) || need > most) {
      return vg_fail(VG_EFORMAT, "%s: the header promises more elements than a file of %llu bytes can hold", path, (unsigned long long)file_bytes);
    }
  }
  uint64_t head = 4 + 4 * (uint64_t)shape->rank;
  if (gzdirect(f) && head + need != file_bytes) {
    return vg_fail(VG_EFORMAT, "%s: %llu bytes, the header promises %llu", path, (unsigned long long)file_bytes, (unsigned long long)(head + need));
  }
  return VG_OK;
}

vg_status vg_read_idx_tensor(vg_tensor **out, const char *path) {
  uint64_t file_bytes;
  VG_TRY(vg_file_size(&file_bytes, path));
  gzFile f = gzopen(path, "rbe");
  if (!f) return vg_fail(VG_EIO, "%s: %s", path, strerror(errno));
  gzbuffer(f, file_bytes < BUFFER ? 64 + (unsigned)file_bytes : BUFFER);
  vg_tensor *t = NULL;
  vg_shape shape;
  char extra;
  vg_status status;
  VG_GOTO(header(&shape, f, path, file_bytes));
  VG_GOTO(vg_tensor_new(&t, VG_U8, &shape));
  VG_GOTO(take(f, vg_u8(t), (uint64_t)vg_tensor_count(t), path));
  int more = gzread(f, &extra, 1);   /* also makes zlib check the sum at the end */
  if (more > 0) VG_GOTO(vg_fail(VG_EFORMAT, "%s: bytes after the promised elements", path));
  int code = Z_OK;
  const char *why = gzerror(f, &code);
  if (more < 0 || code != Z_OK) VG_GOTO(vg_fail(VG_EFORMAT, "%s: %s", path, why));
  *out = t;
done:
  gzclose(f);
  if (status != VG_OK) vg_tensor_release(t);
  return status;
}

vg_status vg_read_idx(vg_dataset **out, const char *name, const char *images, const char *labels, int n_classes) {
  vg_tensor *x = NULL, *bytes = NULL, *y = NULL, *view = NULL;
  vg_dataset *d = NULL;
  vg_status status;
  VG_GOTO(vg_read_idx_tensor(&bytes, labels));
  if (bytes->shape.rank != 1) VG_GOTO(vg_fail(VG_EFORMAT, "%s: labels must have one axis, got %d", labels, bytes->shape.rank));
  VG_GOTO(vg_read_idx_tensor(&x, images));
  if (x->shape.rank < 3) VG_GOTO(vg_fail(VG_EFORMAT, "%s: images must have 3 or 4 axes, got %d", images, x->shape.rank));
  if (x->shape.dim[0] != bytes->shape.dim[0]) {
    VG_GOTO(vg_fail(VG_EFORMAT, "%s: %lld images, but %s has %lld labels", images, (long long)x->shape.dim[0], labels, (long long)bytes->shape.dim[0]));
  }
  vg_shape four = x->shape;
  if (four.rank == 3) four.rank = 4, four.dim[3] = 1;
  VG_GOTO(vg_tensor_view(&view, x, 0, &four));
  VG_GOTO(vg_tensor_cast(&y, bytes, VG_I32));
  VG_GOTO(vg_dataset_new(&d, name, view, y, n_classes));
  *out = d;
done:
  vg_tensor_release(x);
  vg_tensor_release(bytes);
  vg_tensor_release(y);
  vg_tensor_release(view);
  return status;
}
