/* .safetensors: 8 bytes of header length, a JSON header { name: { dtype, shape, data_offsets } }, the numbers. Dtypes F32, BF16, I32, U8.
 * Writing puts tensors in the given order, each at a multiple of 8 bytes where its size allows, and the XXH3 of each in the metadata under
 * "xxh3.NAME"; reading checks those sums, and that the ranges tile the data exactly. Other metadata is text the caller gives. */
#ifndef VG_TENSOR_SAFETENSORS_H
#define VG_TENSOR_SAFETENSORS_H

#include "tensor/named.h"

VG_CHECKED vg_status vg_safetensors_read(vg_bundle *out, const char *path);  /* *out is overwritten: pass an empty one */
/* The same with tensors that are the file itself, mapped (vg_tensor_map); those that stand at odd places in it are copies. The file must not be
 * overwritten in place meanwhile: whoever replaces it renames another over it, as vg_safetensors_write does. */
VG_CHECKED vg_status vg_safetensors_map(vg_bundle *out, const char *path);
VG_CHECKED vg_status vg_safetensors_write(const char *path, const vg_bundle *b);

#endif
