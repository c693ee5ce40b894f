/* Chooses the vectorised depthwise kernel of this CPU; the plain one where that has no scratch memory or does not take the shape. */
#include "kernels/depthwise.h"

#include "kernels/ref/depthwise_ref.h"

void vg_depthwise_forward(const vg_dw_shape *s, vg_dtype dtype, void *dst, const void *src, const void *weight, const float *bias, vg_act act) {
  if (VG_DISPATCH(depthwise_forward)(s, dtype, dst, src, weight, bias, act) == VG_OK) return;
  vg_ref_depthwise_forward(s, dtype, dst, src, weight, bias, act);
}

void vg_depthwise_backward_data(const vg_dw_shape *s, vg_dtype dtype, void *dsrc, const void *dst_grad, const void *weight, bool add) {
  if (VG_DISPATCH(depthwise_backward_data)(s, dtype, dsrc, dst_grad, weight, add) != VG_OK)
    vg_ref_depthwise_backward_data(s, dtype, dsrc, dst_grad, weight, add);
}

vg_status vg_depthwise_backward_weight(const vg_dw_shape *s, vg_dtype dtype, float *dw, const void *src, const void *dst_grad) {
  vg_status status = VG_DISPATCH(depthwise_backward_weight)(s, dtype, dw, src, dst_grad);
  if (status != VG_EARG) return status;
  vg_ref_depthwise_backward_weight(s, dtype, dw, src, dst_grad);
  return VG_OK;
}
