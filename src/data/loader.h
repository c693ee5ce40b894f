/* Batches of a data set, augmented and normalised, prepared by a thread a few batches ahead.
 *
 *     producer: position ──▶ make batch ──▶ [ bounded queue ] ──▶ vg_loader_next: consumer
 *
 * Every random number is a function of (seed, epoch, position in the epoch), so the batches are the same with and without the thread,
 * for any number of batches ahead, and from any starting position. One consumer thread at a time. */
#ifndef VG_DATA_LOADER_H
#define VG_DATA_LOADER_H

#include "data/dataset.h"

typedef struct vg_loader_opts {
  int batch;             /* samples a batch, >= 1 */
  bool shuffle;          /* a new order each epoch */
  uint64_t seed;
  bool flip;             /* left-right, with probability 1/2 */
  int crop;              /* black pixels added at each side before a random crop of the old size; 0 = none */
  int cutout;            /* side of a square set to 0 after normalisation, clipped at the border (DeVries & Taylor 2017); 0 = none */
  const float *mean;     /* C numbers on the scale 0..1 (of the values themselves for f32 images), copied; NULL = 0 */
  const float *std;      /* C positive numbers, copied; NULL = 1 */
  vg_dtype dtype;        /* of x: VG_F32 or VG_BF16 */
  bool drop_last;        /* leave out a last batch that is not full */
  int ahead;             /* batches prepared ahead; 0 = no thread */
  int part, parts;       /* of each batch only the part-th of `parts` nearly equal pieces, from 0: all parts together are the batch. parts 0: all */
} vg_loader_opts;

typedef struct vg_loader vg_loader;

/* Retains the data set. VG_EARG for options out of range, or when drop_last leaves no batch or a part has no sample. */
VG_CHECKED vg_status vg_loader_new(vg_loader **out, vg_dataset *d, const vg_loader_opts *opts);
void vg_loader_free(vg_loader *l);                 /* ends the thread; NULL is fine */
/* *x = [B, H, W, C] and *y = i32 [B], owned by the caller (release them). At the end of an epoch *x = *y = NULL, once; the call after that
 * gives the first batch of the next epoch. After a failure (VG_ENOMEM) the next call tries the same batch again. */
VG_CHECKED vg_status vg_loader_next(vg_loader *l, vg_tensor **x, vg_tensor **y);
/* The next batch will be number `batch` (from 0; batches = the end mark) of `epoch` (from 0). */
VG_CHECKED vg_status vg_loader_seek(vg_loader *l, int64_t epoch, int64_t batch);
void vg_loader_tell(const vg_loader *l, int64_t *epoch, int64_t *batch);   /* what seek takes to continue here */
int64_t vg_loader_batches(const vg_loader *l);     /* in an epoch */
const vg_dataset *vg_loader_dataset(const vg_loader *l);   /* borrowed */
const vg_loader_opts *vg_loader_options(const vg_loader *l);   /* borrowed */

#endif
