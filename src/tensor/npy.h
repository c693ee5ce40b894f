/* NumPy's .npy, versions 1 and 2, little endian, C order. f4, i4, u1 both ways; f8 and i8 are read as f32 and i32 (VG_EFORMAT when an i8 does
 * not fit). Object arrays, Fortran order and every other type are refused. bf16 is written as f4. */
#ifndef VG_TENSOR_NPY_H
#define VG_TENSOR_NPY_H

#include "tensor/tensor.h"

/* `who` names the source in messages. The bytes must be exactly one array. */
VG_CHECKED vg_status vg_npy_parse(vg_tensor **out, const void *data, size_t bytes, const char *who);
VG_CHECKED vg_status vg_npy_read(vg_tensor **out, const char *path);
VG_CHECKED vg_status vg_npy_write(const char *path, const vg_tensor *t);
/* The file's bytes; *out is freed by vg_free. */
VG_CHECKED vg_status vg_npy_print(void **out, size_t *bytes, const vg_tensor *t);

#endif
