/* Tensors: dense, row-major, NHWC, counted.
 *
 *     box in Lua, tape, caller ──▶ vg_tensor { shape, dtype, offset } ──▶ vg_storage { bytes } ──▶ block
 *
 * A tensor is always contiguous. A view (reshape, a range of the first axis, a slice of the parameter arena) is a tensor that shares the
 * storage of another; every other slice copies. So kernels see a pointer and a shape and never a stride. Axes count from 0 in C. */
#ifndef VG_TENSOR_TENSOR_H
#define VG_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

typedef enum vg_dtype { VG_F32, VG_BF16, VG_I32, VG_U8 } vg_dtype;
size_t vg_dtype_size(vg_dtype t);
const char *vg_dtype_name(vg_dtype t);                  /* "f32", "bf16", "i32", "u8" */
bool vg_dtype_parse(vg_dtype *out, const char *name);

enum { VG_MAX_RANK = 6 };
typedef struct vg_shape {
  int rank;                       /* 0: one number */
  int64_t dim[VG_MAX_RANK];
} vg_shape;
int64_t vg_shape_count(const vg_shape *s);
/* VG_EARG for more than VG_MAX_RANK axes, a negative extent, or more than 2^42 elements. */
VG_CHECKED vg_status vg_shape_check(const vg_shape *s);
bool vg_shape_is_equal(const vg_shape *a, const vg_shape *b);
vg_shape vg_shape_of(int rank, const int64_t *dim);
#define VG_SHAPE(...) ((vg_shape){ (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ } })
enum { VG_SHAPE_TEXT = 96 };
/* "[64, 32, 32, 3]" into the caller's buffer, which is returned: fit for error messages. */
const char *vg_shape_text(char text[VG_SHAPE_TEXT], const vg_shape *s);
/* numpy's broadcasting rule; VG_ESHAPE naming `who` when the shapes disagree. */
VG_CHECKED vg_status vg_shape_broadcast(vg_shape *out, const vg_shape *a, const vg_shape *b, const char *who);

typedef struct vg_storage {
  _Atomic int refs;
  size_t bytes;
  void *data;
  bool is_mapped;                 /* data is a mapping of a file, not a block */
} vg_storage;

typedef struct vg_tensor {
  _Atomic int refs;
  vg_dtype dtype;
  vg_shape shape;
  vg_storage *storage;            /* owned: one reference; NULL in a ghost */
  size_t offset;                  /* bytes */
  /* What the tape knows of it. */
  bool wants_grad;                /* a leaf whose gradient is collected */
  bool grad_stale;                /* `grad` is allocated but holds nothing of this step: the next write overwrites it */
  struct vg_tensor *grad;         /* owned; NULL until a backward pass reaches it. f32 for leaves, the tensor's dtype else */
  struct vg_tensor *shadow;       /* owned or NULL: a bf16 copy that ops read instead of this f32 parameter */
  uint64_t tape_serial;           /* the recording that made it, 0 = none */
  int tape_slot;                  /* its place there */
} vg_tensor;

/* *out becomes owned by the caller (one reference). Contents are undefined after _new. VG_ENOMEM, VG_EARG for a negative or huge shape. */
VG_CHECKED vg_status vg_tensor_new(vg_tensor **out, vg_dtype dtype, const vg_shape *shape);
VG_CHECKED vg_status vg_tensor_zeros(vg_tensor **out, vg_dtype dtype, const vg_shape *shape);
VG_CHECKED vg_status vg_tensor_like(vg_tensor **out, const vg_tensor *t);      /* same shape and dtype, undefined contents */
VG_CHECKED vg_status vg_tensor_copy(vg_tensor **out, const vg_tensor *t);
VG_CHECKED vg_status vg_tensor_cast(vg_tensor **out, const vg_tensor *t, vg_dtype dtype);   /* rounds to nearest even */
/* *out = the bytes of a file [bytes] u8, mapped: read when they are used, shared with all programs that have mapped it, and private once they are
 * written (the file never changes). VG_EIO. */
VG_CHECKED vg_status vg_tensor_map(vg_tensor **out, const char *path);
/* A part of such bytes, from `begin` on, as elements of another kind; VG_EARG when they are not aligned to its size. */
VG_CHECKED vg_status vg_tensor_part(vg_tensor **out, const vg_tensor *bytes, size_t begin, vg_dtype dtype, const vg_shape *shape);
/* Views: share storage. `begin` counts elements. */
VG_CHECKED vg_status vg_tensor_view(vg_tensor **out, const vg_tensor *t, int64_t begin, const vg_shape *shape);
/* A tensor without storage that answers for its shape and dtype alone: what the tape keeps of an input whose data backward does not read. */
VG_CHECKED vg_status vg_tensor_ghost(vg_tensor **out, const vg_tensor *t);
vg_tensor *vg_tensor_retain(vg_tensor *t);   /* NULL stays NULL */
void vg_tensor_release(vg_tensor *t);        /* NULL is fine */

static inline void *vg_tensor_data(const vg_tensor *t) { return (char *)t->storage->data + t->offset; }
static inline float *vg_f32(const vg_tensor *t) { return vg_tensor_data(t); }
static inline uint16_t *vg_bf16(const vg_tensor *t) { return vg_tensor_data(t); }
static inline int32_t *vg_i32(const vg_tensor *t) { return vg_tensor_data(t); }
static inline uint8_t *vg_u8(const vg_tensor *t) { return vg_tensor_data(t); }
static inline int64_t vg_tensor_count(const vg_tensor *t) { return vg_shape_count(&t->shape); }
static inline size_t vg_tensor_bytes(const vg_tensor *t) { return (size_t)vg_tensor_count(t) * vg_dtype_size(t->dtype); }

/* Whole-tensor helpers (any mix of dtypes unless said). dst and src agree in count. */
VG_CHECKED vg_status vg_tensor_assign(vg_tensor *dst, const vg_tensor *src);    /* converts */
void vg_tensor_fill(vg_tensor *t, double value);
double vg_tensor_get(const vg_tensor *t, int64_t index);
void vg_tensor_set(vg_tensor *t, int64_t index, double value);
/* dst += src; f32 or bf16 each, equal counts. */
void vg_tensor_accumulate(vg_tensor *dst, const vg_tensor *src);
/* dst = own * dst + factor * src, computed in double and rounded once. Both f32, equal counts. */
void vg_tensor_blend(vg_tensor *dst, double own, double factor, const vg_tensor *src);
/* The sum of products, in double, in a fixed order. Both f32, equal counts. */
double vg_tensor_dot(const vg_tensor *a, const vg_tensor *b);

static inline float vg_bf16_to_f32(uint16_t h) {
  union { uint32_t u; float f; } v = { (uint32_t)h << 16 };
  return v.f;
}
static inline uint16_t vg_f32_to_bf16(float f) {         /* nearest even; NaN stays NaN; without a branch, so that loops vectorise */
  union { float f; uint32_t u; } v = { f };
  uint32_t rounded = (v.u + 0x7fffu + (v.u >> 16 & 1)) >> 16, nan = v.u >> 16 | 0x40;
  return (uint16_t)((int32_t)(v.u & 0x7fffffffu) > 0x7f800000 ? nan : rounded);
}

#endif
