/* embedding: rows of a table by number. */
#include <string.h>

#include "kernels/eltwise.h"
#include "kernels/layout.h"
#include "ops/op.h"

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *table = c->in[0], *ids = c->in[1];
  char text[VG_SHAPE_TEXT];
  VG_TRY(vg_expect_float(table, "embedding", 1));
  if (table->shape.rank != 2) return vg_fail(VG_ESHAPE, "embedding: the table must be [rows, width], got %s", vg_shape_text(text, &table->shape));
  if (ids->dtype != VG_I32) return vg_fail(VG_EARG, "embedding: ids must be i32, got %s", vg_dtype_name(ids->dtype));
  if (ids->shape.rank >= VG_MAX_RANK) return vg_fail(VG_ESHAPE, "embedding: ids of %d axes leave none for the width", ids->shape.rank);
  *out = ids->shape;
  out->dim[out->rank++] = table->shape.dim[1];
  *dtype = table->dtype;
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  const vg_tensor *table = c->in[0], *ids = c->in[1];
  int64_t n = vg_tensor_count(ids), rows = table->shape.dim[0], bytes = table->shape.dim[1] * (int64_t)vg_dtype_size(table->dtype);
  for (int64_t i = 0; i < n; i++)
    if (vg_i32(ids)[i] < 0 || vg_i32(ids)[i] >= rows)
      return vg_fail(VG_EARG, "embedding: id %d at element %lld, expected 0 to %lld", vg_i32(ids)[i], (long long)i + 1, (long long)rows - 1);
#pragma omp parallel for schedule(static) if (n * bytes > VG_PARALLEL_FROM)
  for (int64_t i = 0; i < n; i++)
    memcpy((char *)vg_tensor_data(out) + i * bytes, (const char *)vg_tensor_data(table) + vg_i32(ids)[i] * bytes, (size_t)bytes);
  return VG_OK;
}

/* Rows used more than once add up, in the order of the ids and in f32. */
static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_tensor *sum = din[0], *g;
  if (!din[0]) return VG_OK;
  VG_TRY(vg_as_dtype(&g, dout, VG_F32));
  vg_status status = VG_OK;
  if (sum->dtype != VG_F32) VG_GOTO(vg_tensor_new(&sum, VG_F32, &din[0]->shape));
  vg_zero(sum);
  int64_t width = sum->shape.dim[1];
  for (int64_t i = 0, n = vg_tensor_count(c->in[1]); i < n; i++) {
    float *row = vg_f32(sum) + vg_i32(c->in[1])[i] * width;
    const float *from = vg_f32(g) + i * width;
    for (int64_t j = 0; j < width; j++) row[j] += from[j];
  }
  if (sum != din[0]) {
    status = vg_tensor_assign(din[0], sum);
    vg_tensor_release(sum);
  }
done:
  vg_tensor_release(g);
  return status;
}

const vg_op vg_op_embedding = {
  .name = "embedding", .doc = "table [V,D], ids i32 [...] counted from 0 -> [...,D]", .min_in = 2, .max_in = 2, .keeps_in = 2, .no_grad_in = 2,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
