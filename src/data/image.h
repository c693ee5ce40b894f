/* Decoded pictures. */
#ifndef VG_DATA_IMAGE_H
#define VG_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct vg_image {
  int h, w;
  uint8_t *rgb;      /* owned (vg_free): [h, w, 3] */
} vg_image;

bool vg_image_is_name(const char *file);                                 /* ends in .png, .jpg or .jpeg */
/* PNG or JPEG, told by the contents. VG_EIO, VG_EFORMAT with the file's name. Transparent parts are shown on black. */
VG_CHECKED vg_status vg_image_read(vg_image *out, const char *path);
/* The same from memory; `name` is for messages. */
VG_CHECKED vg_status vg_image_decode(vg_image *out, const void *data, size_t bytes, const char *name);
/* dst [h, w, 3] = src, bilinear, centres aligned (corners are not). */
void vg_image_resize(uint8_t *dst, int h, int w, const vg_image *src);

#endif
