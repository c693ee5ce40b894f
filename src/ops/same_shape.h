/* The shape rule of operators whose output is like their first input, which is f32 or bf16. */
#ifndef VG_OPS_SAME_SHAPE_H
#define VG_OPS_SAME_SHAPE_H

#include "ops/op.h"

static inline vg_status vg_same_shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0];
  if (x->dtype != VG_F32 && x->dtype != VG_BF16)
    return vg_fail(VG_EARG, "%s: x must be f32 or bf16, got %s", c->op->name, vg_dtype_name(x->dtype));
  *out = x->shape;
  *dtype = x->dtype;
  return VG_OK;
}

#endif
