/* oneDNN's C API as the kernels of this folder use it: one engine, a bounded cache of primitives, one call to run one.
 * Nothing outside src/kernels includes this header. All functions are thread safe. */
#ifndef VG_KERNELS_ONEDNN_H
#define VG_KERNELS_ONEDNN_H

#include <dnnl.h>

#include "tensor/tensor.h"

/* What a primitive is looked up by: kind, data types, sizes, number of threads; unused places are zero. */
enum { VG_PRIM_KEY = 24 };
typedef struct vg__prim_key { int64_t v[VG_PRIM_KEY]; } vg__prim_key;

/* A primitive and the memory layouts it wants. When the layout (or type) of the weights is not the caller's, `side` converts between the two:
 * before the run for weights that are read, after it for weights that are written. */
typedef struct vg__prim {
  dnnl_primitive_t main;
  dnnl_primitive_t side;                     /* NULL: the caller's weights are used as they are */
  dnnl_memory_desc_t src, weights, bias, dst;
  dnnl_memory_desc_t user_weights;
  bool writes_weights;                       /* weights are the result (backward weights) */
  dnnl_memory_desc_t scratch, side_scratch;
  /* Owned by the cache. */
  _Atomic int refs;
  uint64_t used;
  vg__prim_key key;
  struct vg__prim *next;
} vg__prim;

/* Fills main, side and the layouts of a zeroed *p. On failure whatever was made is destroyed by the caller. */
typedef vg_status (*vg__prim_make)(vg__prim *p, const void *spec);

/* *out = the primitive of `key`, made by `make(.., spec)` when it is not cached. To be given back with vg__prim_release. */
VG_CHECKED vg_status vg__prim_get(vg__prim **out, const vg__prim_key *key, vg__prim_make make, const void *spec);
void vg__prim_release(vg__prim *p);

/* One argument of a run: DNNL_ARG_*, its layout, its data (borrowed). */
typedef struct vg__prim_arg {
  int id;
  const dnnl_memory_desc_t *desc;
  void *data;
} vg__prim_arg;
/* Runs `main` with scratch memory from the block allocator and waits for the end. */
VG_CHECKED vg_status vg__prim_run(const vg__prim *p, int n, const vg__prim_arg *args);
/* Runs `side`, from or to the caller's weights. */
VG_CHECKED vg_status vg__prim_run_side(const vg__prim *p, void *to, const void *from);

/* Makes `*out` from an operation descriptor (NULL hint: none) with user scratchpad. *pd is the caller's to destroy. */
VG_CHECKED vg_status vg__prim_create(dnnl_primitive_t *out, dnnl_primitive_desc_t *pd, const void *op_desc, const_dnnl_primitive_desc_t hint,
                                     const_dnnl_primitive_attr_t attr);
/* A reorder from one layout to another into p->side, unless they are equal. */
VG_CHECKED vg_status vg__prim_add_side(vg__prim *p, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to);

dnnl_data_type_t vg__dnnl_type(vg_dtype t);
/* An attribute that asks for user scratchpad; the caller destroys it. */
VG_CHECKED vg_status vg__dnnl_attr(dnnl_primitive_attr_t *out);
VG_CHECKED vg_status vg__dnnl_check(dnnl_status_t s, const char *what);
/* Does this oneDNN on this CPU compute in bf16? When not, the callers convert to f32 and back. */
bool vg__dnnl_has_bf16(void);

/* Number of cached primitives, for the tests. */
int vg__prim_cache_count(void);

#endif
