#include "tensor/tensor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static const struct { const char *name; size_t size; } DTYPES[] = { { "f32", 4 }, { "bf16", 2 }, { "i32", 4 }, { "u8", 1 } };

size_t vg_dtype_size(vg_dtype t) { return DTYPES[t].size; }
const char *vg_dtype_name(vg_dtype t) { return DTYPES[t].name; }

bool vg_dtype_parse(vg_dtype *out, const char *name) {
  for (int i = 0; i < 4; i++) {
    if (strcmp(name, DTYPES[i].name) == 0) {
      *out = (vg_dtype)i;
      return true;
    }
  }
  return false;
}

int64_t vg_shape_count(const vg_shape *s) {
  int64_t n = 1;
  for (int i = 0; i < s->rank; i++) n *= s->dim[i];
  return n;
}

bool vg_shape_is_equal(const vg_shape *a, const vg_shape *b) {
  return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

vg_shape vg_shape_of(int rank, const int64_t *dim) {
  vg_shape s = { .rank = rank };
  memcpy(s.dim, dim, (size_t)rank * sizeof *dim);
  return s;
}

const char *vg_shape_text(char text[VG_SHAPE_TEXT], const vg_shape *s) {
  int at = snprintf(text, VG_SHAPE_TEXT, "[");
  for (int i = 0; i < s->rank && at < VG_SHAPE_TEXT - 24; i++)
    at += snprintf(text + at, (size_t)(VG_SHAPE_TEXT - at), "%s%lld", i ? ", " : "", (long long)s->dim[i]);
  snprintf(text + at, (size_t)(VG_SHAPE_TEXT - at), "]");
  return text;
}

vg_status vg_shape_broadcast(vg_shape *out, const vg_shape *a, const vg_shape *b, const char *who) {
  vg_shape s = { .rank = a->rank > b->rank ? a->rank : b->rank };
  for (int i = 1; i <= s.rank; i++) {
    int64_t p = i <= a->rank ? a->dim[a->rank - i] : 1, q = i <= b->rank ? b->dim[b->rank - i] : 1;
    if (p != q && p != 1 && q != 1) {
      char ta[VG_SHAPE_TEXT], tb[VG_SHAPE_TEXT];
      return vg_fail(VG_ESHAPE, "%s: shapes %s and %s do not broadcast", who, vg_shape_text(ta, a), vg_shape_text(tb, b));
    }
    s.dim[s.rank - i] = p == 1 ? q : p;
  }
  *out = s;
  return VG_OK;
}

/* Also of one extent, where another is 0: rules multiply them. */
static const int64_t LARGEST = (int64_t)1 << 42;

vg_status vg_shape_check(const vg_shape *s) {
  int64_t n = 1;
  if (s->rank < 0 || s->rank > VG_MAX_RANK) return vg_fail(VG_EARG, "tensor: at most %d axes, got %d", VG_MAX_RANK, s->rank);
  for (int i = 0; i < s->rank; i++) {
    if (s->dim[i] < 0) return vg_fail(VG_EARG, "tensor: axis %d has negative length %lld", i + 1, (long long)s->dim[i]);
    if (s->dim[i] > LARGEST || __builtin_mul_overflow(n, s->dim[i], &n) || n > LARGEST) return vg_fail(VG_EARG, "tensor: shape is too large");
  }
  return VG_OK;
}

vg_status vg_tensor_new(vg_tensor **out, vg_dtype dtype, const vg_shape *shape) {
  vg_status status;
  vg_tensor *t = NULL;
  vg_storage *s = NULL;
  VG_TRY(vg_shape_check(shape));
  VG_TRY(VG_NEW(&t));
  VG_GOTO(VG_NEW(&s));
  s->bytes = (size_t)vg_shape_count(shape) * vg_dtype_size(dtype);
  VG_GOTO(vg_block_get(&s->data, s->bytes));
  s->refs = t->refs = 1;
  t->dtype = dtype;
  t->shape = *shape;
  t->storage = s;
  *out = t;
  return VG_OK;
done:
  vg_free(s);
  vg_free(t);
  return status;
}

vg_status vg_tensor_zeros(vg_tensor **out, vg_dtype dtype, const vg_shape *shape) {
  VG_TRY(vg_tensor_new(out, dtype, shape));
  memset(vg_tensor_data(*out), 0, (*out)->storage->bytes);
  return VG_OK;
}

vg_status vg_tensor_like(vg_tensor **out, const vg_tensor *t) { return vg_tensor_new(out, t->dtype, &t->shape); }

vg_status vg_tensor_copy(vg_tensor **out, const vg_tensor *t) { return vg_tensor_cast(out, t, t->dtype); }

vg_status vg_tensor_cast(vg_tensor **out, const vg_tensor *t, vg_dtype dtype) {
  vg_tensor *copy;
  VG_TRY(vg_tensor_new(&copy, dtype, &t->shape));
  vg_status s = vg_tensor_assign(copy, t);
  if (s != VG_OK) {
    vg_tensor_release(copy);
    return s;
  }
  *out = copy;
  return VG_OK;
}

vg_status vg_tensor_view(vg_tensor **out, const vg_tensor *t, int64_t begin, const vg_shape *shape) {
  VG_TRY(vg_shape_check(shape));
  int64_t n = vg_shape_count(shape);
  if (begin < 0 || begin + n > vg_tensor_count(t))
    return vg_fail(VG_ESHAPE, "view: elements %lld to %lld of a tensor of %lld", (long long)begin + 1, (long long)(begin + n), (long long)vg_tensor_count(t));
  vg_tensor *v = NULL;
  VG_TRY(VG_NEW(&v));
  v->refs = 1;
  v->dtype = t->dtype;
  v->shape = *shape;
  v->storage = t->storage;
  v->offset = t->offset + (size_t)begin * vg_dtype_size(t->dtype);
  atomic_fetch_add(&t->storage->refs, 1);
  *out = v;
  return VG_OK;
}

static vg_status map_file(vg_storage *s, const char *path) {
  struct stat about;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &about) != 0 || about.st_size <= 0) {
    vg_status status = vg_fail(VG_EIO, "map %s: %s", path, fd >= 0 && errno == 0 ? "the file is empty" : strerror(errno));
    if (fd >= 0) close(fd);
    return status;
  }
  s->bytes = (size_t)about.st_size;
  s->data = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  s->is_mapped = s->data != MAP_FAILED;
  int reason = errno;
  close(fd);
  return s->is_mapped ? VG_OK : vg_fail(VG_EIO, "map %s: %s", path, strerror(reason));
}

vg_status vg_tensor_map(vg_tensor **out, const char *path) {
  vg_status status;
  vg_tensor *t = NULL;
  vg_storage *s = NULL;
  VG_TRY(VG_NEW(&t));
  VG_GOTO(VG_NEW(&s));
  errno = 0;
  VG_GOTO(map_file(s, path));
  s->refs = t->refs = 1;
  t->dtype = VG_U8;
  t->shape = VG_SHAPE((int64_t)s->bytes);
  t->storage = s;
  *out = t;
  return VG_OK;
done:
  vg_free(s);
  vg_free(t);
  return status;
}

vg_status vg_tensor_part(vg_tensor **out, const vg_tensor *bytes, size_t begin, vg_dtype dtype, const vg_shape *shape) {
  VG_TRY(vg_shape_check(shape));
  size_t size = vg_dtype_size(dtype), n = (size_t)vg_shape_count(shape) * size;
  if (begin > bytes->storage->bytes || n > bytes->storage->bytes - begin)
    return vg_fail(VG_ESHAPE, "part: %zu bytes from %zu of %zu", n, begin, bytes->storage->bytes);
  if (begin % size != 0) return vg_fail(VG_EARG, "part: byte %zu is no place for elements of %zu bytes", begin, size);
  vg_tensor *v = NULL;
  VG_TRY(VG_NEW(&v));
  v->refs = 1;
  v->dtype = dtype;
  v->shape = *shape;
  v->storage = bytes->storage;
  v->offset = begin;
  atomic_fetch_add(&v->storage->refs, 1);
  *out = v;
  return VG_OK;
}

vg_status vg_tensor_ghost(vg_tensor **out, const vg_tensor *t) {
  vg_tensor *g = NULL;
  VG_TRY(VG_NEW(&g));
  g->refs = 1;
  g->dtype = t->dtype;
  g->shape = t->shape;
  *out = g;
  return VG_OK;
}

vg_tensor *vg_tensor_retain(vg_tensor *t) {
  if (t) atomic_fetch_add(&t->refs, 1);
  return t;
}

void vg_tensor_release(vg_tensor *t) {
  if (!t || atomic_fetch_sub(&t->refs, 1) != 1) return;
  vg_tensor_release(t->grad);
  vg_tensor_release(t->shadow);
  if (t->storage && atomic_fetch_sub(&t->storage->refs, 1) == 1) {
    if (t->storage->is_mapped) munmap(t->storage->data, t->storage->bytes);
    else vg_block_put(t->storage->data);
    vg_free(t->storage);
  }
  vg_free(t);
}

double vg_tensor_get(const vg_tensor *t, int64_t i) {
  switch (t->dtype) {
    case VG_F32: return (double)vg_f32(t)[i];
    case VG_BF16: return (double)vg_bf16_to_f32(vg_bf16(t)[i]);
    case VG_I32: return (double)vg_i32(t)[i];
    default: return (double)vg_u8(t)[i];
  }
}

static int64_t clamp(double v, int64_t lo, int64_t hi) { return v >= (double)hi ? hi : v <= (double)lo || v != v ? lo : (int64_t)v; }

void vg_tensor_set(vg_tensor *t, int64_t i, double v) {
  switch (t->dtype) {
    case VG_F32: vg_f32(t)[i] = (float)v; break;
    case VG_BF16: vg_bf16(t)[i] = vg_f32_to_bf16((float)v); break;
    case VG_I32: vg_i32(t)[i] = (int32_t)clamp(v, INT32_MIN, INT32_MAX); break;
    default: vg_u8(t)[i] = (uint8_t)clamp(v, 0, 255); break;
  }
}

void vg_tensor_fill(vg_tensor *t, double value) {
  int64_t n = vg_tensor_count(t);
  if (value == 0) memset(vg_tensor_data(t), 0, vg_tensor_bytes(t));
  else for (int64_t i = 0; i < n; i++) vg_tensor_set(t, i, value);
}

vg_status vg_tensor_assign(vg_tensor *dst, const vg_tensor *src) {
  int64_t n = vg_tensor_count(dst);
  if (n != vg_tensor_count(src)) {
    char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
    return vg_fail(VG_ESHAPE, "assign: %s does not fit into %s", vg_shape_text(b, &src->shape), vg_shape_text(a, &dst->shape));
  }
  if (dst->dtype == src->dtype) {
    memmove(vg_tensor_data(dst), vg_tensor_data(src), vg_tensor_bytes(dst));
  } else if (dst->dtype == VG_BF16 && src->dtype == VG_F32) {
    uint16_t *d = vg_bf16(dst);
    const float *s = vg_f32(src);
#pragma omp parallel for simd schedule(static) if (n > 65536)
    for (int64_t i = 0; i < n; i++) d[i] = vg_f32_to_bf16(s[i]);
  } else if (dst->dtype == VG_F32 && src->dtype == VG_BF16) {
    float *d = vg_f32(dst);
    const uint16_t *s = vg_bf16(src);
#pragma omp parallel for simd schedule(static) if (n > 65536)
    for (int64_t i = 0; i < n; i++) d[i] = vg_bf16_to_f32(s[i]);
  } else {
    for (int64_t i = 0; i < n; i++) vg_tensor_set(dst, i, vg_tensor_get(src, i));
  }
  return VG_OK;
}

void vg_tensor_accumulate(vg_tensor *dst, const vg_tensor *src) {
  int64_t n = vg_tensor_count(dst);
  if (dst->dtype == VG_F32 && src->dtype == VG_F32) {
    float *d = vg_f32(dst);
    const float *s = vg_f32(src);
#pragma omp parallel for simd schedule(static) if (n > 65536)
    for (int64_t i = 0; i < n; i++) d[i] += s[i];
  } else if (dst->dtype == VG_BF16 && src->dtype == VG_BF16) {
    uint16_t *d = vg_bf16(dst);
    const uint16_t *s = vg_bf16(src);
#pragma omp parallel for simd schedule(static) if (n > 65536)
    for (int64_t i = 0; i < n; i++) d[i] = vg_f32_to_bf16(vg_bf16_to_f32(d[i]) + vg_bf16_to_f32(s[i]));
  } else {
    for (int64_t i = 0; i < n; i++) vg_tensor_set(dst, i, vg_tensor_get(dst, i) + vg_tensor_get(src, i));
  }
}

void vg_tensor_blend(vg_tensor *dst, double own, double factor, const vg_tensor *src) {
  float *d = vg_f32(dst);
  const float *s = vg_f32(src);
  int64_t n = vg_tensor_count(dst);
#pragma omp simd
  for (int64_t i = 0; i < n; i++) d[i] = (float)(own * d[i] + factor * s[i]);
}

double vg_tensor_dot(const vg_tensor *a, const vg_tensor *b) {
  const float *x = vg_f32(a), *y = vg_f32(b);
  int64_t n = vg_tensor_count(a);
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)x[i] * y[i];
  return sum;
}
