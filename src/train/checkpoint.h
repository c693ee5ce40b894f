/* Checkpoints: all that a trainer needs to go on with the same bits, in one .safetensors file with a checksum a tensor.
 *
 *     param.NAME  buffer.NAME  optim.m  optim.v  optim.counts      metadata: format, state (JSON: seed, step, place in the data, schedule), user
 *
 * The file is written to a temporary name and renamed; the one before is kept as PATH.prev until the new one has been read back. */
#ifndef VG_TRAIN_CHECKPOINT_H
#define VG_TRAIN_CHECKPOINT_H

#include "train/trainer.h"

/* `user`: text kept beside the state (the caller's JSON), or NULL. */
VG_CHECKED vg_status vg_checkpoint_save(const char *path, const vg_trainer *t, const char *user);

typedef struct vg_checkpoint_loaded {
  bool fell_back;              /* PATH was missing or damaged, PATH.prev was taken */
  char *user;                  /* owned by the caller (vg_free); NULL when there is none */
} vg_checkpoint_loaded;
/* Puts parameters, buffers, optimiser, step, epoch and batch into `t`, whose network, optimiser, schedule and seed must be those of the file.
 * VG_EIO when there is neither file, VG_EFORMAT when neither is whole (the message says why of both), VG_EARG when it is of other settings.
 * On failure `t` is as before. */
VG_CHECKED vg_status vg_checkpoint_load(vg_checkpoint_loaded *out, vg_trainer *t, const char *path);
bool vg_checkpoint_exists(const char *path);     /* PATH or PATH.prev */

#endif
