/* NumPy's .npz: a zip of .npy files. A name in the bundle is the member's name without ".npy". Metadata is not kept by this format. */
#ifndef VG_TENSOR_NPZ_H
#define VG_TENSOR_NPZ_H

#include "tensor/named.h"

VG_CHECKED vg_status vg_npz_read(vg_bundle *out, const char *path);     /* *out is overwritten: pass an empty one */
VG_CHECKED vg_status vg_npz_write(const char *path, const vg_bundle *b, bool deflate);

#endif
