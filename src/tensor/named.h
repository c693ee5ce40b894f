/* A list of named tensors with text pairs beside them: what .npz, .safetensors and checkpoints hold. */
#ifndef VG_TENSOR_NAMED_H
#define VG_TENSOR_NAMED_H

#include "tensor/tensor.h"

typedef struct vg_named {
  char *name;           /* owned by the list */
  vg_tensor *tensor;    /* owned: one reference */
} vg_named;

typedef struct vg_pair { char *key, *value; } vg_pair;

typedef struct vg_bundle {       /* { 0 } is an empty one */
  vg_named *item;
  int n, room;
  vg_pair *meta;
  int n_meta, room_meta;
} vg_bundle;

/* Copies the name, retains the tensor. VG_EFORMAT when the name is there already. */
VG_CHECKED vg_status vg_bundle_add(vg_bundle *b, const char *name, vg_tensor *tensor);
VG_CHECKED vg_status vg_bundle_set_meta(vg_bundle *b, const char *key, const char *value);   /* copies; replaces */
vg_tensor *vg_bundle_find(const vg_bundle *b, const char *name);        /* borrowed, or NULL */
const char *vg_bundle_meta(const vg_bundle *b, const char *key);        /* borrowed, or NULL */
void vg_bundle_clear(vg_bundle *b);                                     /* releases everything; b is empty again */

#endif
