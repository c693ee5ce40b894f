/* Labelled images in memory, views of them, and the readers of their file formats.
 *
 *     vg_dataset { index or NULL } ──▶ images u8 or f32 [N, H, W, C], labels i32 [N]     (shared by every subset and split)
 *
 * Counted like tensors. Sample i of a data set is row index[i] of the tensors; the tensors are never copied. */
#ifndef VG_DATA_DATASET_H
#define VG_DATA_DATASET_H

#include "tensor/tensor.h"

enum { VG_DATASET_NAME = 64, VG_MAX_CLASSES = 65536 };

typedef struct vg_dataset {
  _Atomic int refs;
  vg_tensor *images;     /* owned: u8 or f32 [N, H, W, C] */
  vg_tensor *labels;     /* owned: i32 [N], each in [0, n_classes) */
  int n_classes;
  int64_t n;             /* samples of this view */
  int64_t *index;        /* owned, n rows of the tensors, ascending; NULL: all N rows */
  char **class_names;    /* owned, n_classes texts; NULL: unknown */
  char name[VG_DATASET_NAME];
} vg_dataset;

/* Retains images and labels. n_classes = 0 deduces the largest label + 1. VG_ESHAPE, VG_EARG when they do not fit the struct above. */
VG_CHECKED vg_status vg_dataset_new(vg_dataset **out, const char *name, vg_tensor *images, vg_tensor *labels, int n_classes);
vg_dataset *vg_dataset_retain(vg_dataset *d);
void vg_dataset_release(vg_dataset *d);          /* NULL is fine */
VG_CHECKED vg_status vg_dataset_set_class_names(vg_dataset *d, const char *const *names);   /* copies n_classes texts */

static inline int64_t vg_dataset_row(const vg_dataset *d, int64_t i) { return d->index ? d->index[i] : i; }
static inline int vg_dataset_label(const vg_dataset *d, int64_t i) { return vg_i32(d->labels)[vg_dataset_row(d, i)]; }

/* *a = n samples chosen by `seed`, *b = all others; both in the order of d. b may be NULL. Stratified keeps the classes' proportions (quotas
 * rounded by largest remainder, ties to the lower class). The choice depends on (seed, n, labels) alone. VG_EARG unless 0 < n <= d->n, or n < d->n with b. */
VG_CHECKED vg_status vg_dataset_split(vg_dataset **a, vg_dataset **b, const vg_dataset *d, int64_t n, uint64_t seed, bool stratified);
/* *out = the part-th, from 0, of `parts` nearly equal pieces of d's samples in their order. VG_EARG when it would have none. */
VG_CHECKED vg_status vg_dataset_part(vg_dataset **out, const vg_dataset *d, int part, int parts);
/* Per channel mean and population standard deviation, C numbers each; u8 on the scale 0..1, f32 as they are. */
VG_CHECKED vg_status vg_dataset_stats(double *mean, double *std, const vg_dataset *d);

/* Readers. A missing file is VG_EIO, a damaged or disagreeing one VG_EFORMAT; the message names the file and what was wrong.
 * Sizes in headers are checked against the file's size before anything is allocated. n_classes as above. */
VG_CHECKED vg_status vg_read_idx(vg_dataset **out, const char *name, const char *images, const char *labels, int n_classes);  /* plain or .gz */
/* One IDX file of u8 of any rank up to 4, as a u8 tensor. */
VG_CHECKED vg_status vg_read_idx_tensor(vg_tensor **out, const char *path);
/* Images u8 or f32 [N, H, W, C] (or [N, H, W]: one channel), labels of i4, i8 or u1 [N]. */
VG_CHECKED vg_status vg_read_npy(vg_dataset **out, const char *name, const char *images, const char *labels, int n_classes);
/* CIFAR-10's binary files one after the other: records of a label byte and 3 planes of 32 x 32. */
VG_CHECKED vg_status vg_read_cifar10(vg_dataset **out, const char *name, const char *const *files, int n_files);
/* One sub-folder a class, classes in the order of the sorted names, images (.png, .jpg, .jpeg) in the order of theirs, all read as RGB.
 * h = w = 0: they must agree in size; else each is resized to h x w, bilinear. Names that start with a dot are passed over. */
VG_CHECKED vg_status vg_read_folder(vg_dataset **out, const char *name, const char *path, int h, int w);

#endif
