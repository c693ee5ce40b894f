/* Data-parallel steps: each rank has run its part of the batch, now the gradients become those of the whole. */
#ifndef VG_TRAIN_PARALLEL_H
#define VG_TRAIN_PARALLEL_H

#include "train/trainer.h"

/* `local`: what this rank's part came to; with VG_OK *loss is its loss. When a rank failed, all return its status and message. Otherwise *loss = the
 * mean over the whole batch, and the wanted gradients that are not stale, which are the same ones on all ranks, those of that loss. VG_EARG when the
 * ranks do not train the same paths. */
VG_CHECKED vg_status vg__trainer_join_ranks(double *loss, vg_trainer *t, vg_status local, int64_t samples, const vg_paths *paths);

#endif
