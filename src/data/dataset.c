#include "data/dataset.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

static vg_status check_labels(int *n_classes, const vg_tensor *labels, const char *name) {
  const int32_t *y = vg_i32(labels);
  int64_t n = vg_tensor_count(labels);
  int32_t top = -1;
  for (int64_t i = 0; i < n; i++) {
    if (y[i] < 0 || y[i] >= (*n_classes ? *n_classes : VG_MAX_CLASSES)) {
      return vg_fail(VG_EFORMAT, "data set '%s': label %d of sample %lld is not in [0, %d)", name, y[i], (long long)i + 1,
                     *n_classes ? *n_classes : VG_MAX_CLASSES);
    }
    if (y[i] > top) top = y[i];
  }
  if (*n_classes == 0) *n_classes = top + 1;
  return VG_OK;
}

vg_status vg_dataset_new(vg_dataset **out, const char *name, vg_tensor *images, vg_tensor *labels, int n_classes) {
  char text[VG_SHAPE_TEXT];
  if (images->shape.rank != 4 || vg_tensor_count(images) == 0) {
    return vg_fail(VG_ESHAPE, "data set '%s': images must be [N, H, W, C] and not empty, got %s", name, vg_shape_text(text, &images->shape));
  }
  if (images->dtype != VG_U8 && images->dtype != VG_F32) {
    return vg_fail(VG_EARG, "data set '%s': images must be u8 or f32, got %s", name, vg_dtype_name(images->dtype));
  }
  if (labels->dtype != VG_I32 || labels->shape.rank != 1 || labels->shape.dim[0] != images->shape.dim[0]) {
    return vg_fail(VG_ESHAPE, "data set '%s': labels must be i32 [%lld], got %s %s", name, (long long)images->shape.dim[0],
                   vg_dtype_name(labels->dtype), vg_shape_text(text, &labels->shape));
  }
  if (n_classes < 0 || n_classes > VG_MAX_CLASSES) return vg_fail(VG_EARG, "data set '%s': n_classes must be in [0, %d], got %d", name, VG_MAX_CLASSES, n_classes);
  VG_TRY(check_labels(&n_classes, labels, name));
  vg_dataset *d;
  VG_TRY(VG_NEW(&d));
  d->refs = 1;
  d->images = vg_tensor_retain(images);
  d->labels = vg_tensor_retain(labels);
  d->n_classes = n_classes;
  d->n = images->shape.dim[0];
  strncpy(d->name, name, VG_DATASET_NAME - 1);
  *out = d;
  return VG_OK;
}

vg_dataset *vg_dataset_retain(vg_dataset *d) {
  if (d) d->refs++;
  return d;
}

static void free_names(char **names, int n) {
  if (!names) return;
  for (int i = 0; i < n; i++) vg_free(names[i]);
  vg_free(names);
}

void vg_dataset_release(vg_dataset *d) {
  if (!d || --d->refs > 0) return;
  vg_tensor_release(d->images);
  vg_tensor_release(d->labels);
  vg_free(d->index);
  free_names(d->class_names, d->n_classes);
  vg_free(d);
}

vg_status vg_dataset_set_class_names(vg_dataset *d, const char *const *names) {
  char **copy;
  VG_TRY(vg_alloc_zero((void **)&copy, (size_t)d->n_classes * sizeof *copy));
  for (int c = 0; c < d->n_classes; c++) {
    size_t bytes = strlen(names[c]) + 1;
    vg_status s = vg_alloc((void **)&copy[c], bytes);
    if (s != VG_OK) {
      free_names(copy, d->n_classes);
      return s;
    }
    memcpy(copy[c], names[c], bytes);
  }
  free_names(d->class_names, d->n_classes);
  d->class_names = copy;
  return VG_OK;
}

/* A view of d with room for n rows. */
static vg_status view_new(vg_dataset **out, const vg_dataset *d, int64_t n) {
  vg_dataset *v;
  VG_TRY(vg_dataset_new(&v, d->name, d->images, d->labels, d->n_classes));
  vg_status s = vg_alloc((void **)&v->index, (size_t)n * sizeof *v->index);
  if (s == VG_OK && d->class_names) s = vg_dataset_set_class_names(v, (const char *const *)d->class_names);
  if (s != VG_OK) {
    vg_dataset_release(v);
    return s;
  }
  v->n = n;
  *out = v;
  return VG_OK;
}

/* Largest remainder: quota[c] near n * have[c] / total, summing to n exactly. */
static void quotas(int64_t *quota, const int64_t *have, int groups, int64_t n, int64_t total) {
  int64_t given = 0;
  for (int c = 0; c < groups; c++) given += quota[c] = (int64_t)((__int128)n * have[c] / total);
  for (; given < n; given++) {
    int best = -1;
    __int128 most = -1;
    for (int c = 0; c < groups; c++) {
      __int128 rest = (__int128)n * have[c] - (__int128)quota[c] * total;   /* what the quota still lacks */
      if (quota[c] < have[c] && rest > most) best = c, most = rest;
    }
    quota[best]++;
  }
}

/* Marks n of d's samples in taken[]. Samples are grouped by class (one group when not stratified), each group shuffled by its own stream. */
static vg_status choose(char *taken, const vg_dataset *d, int64_t n, uint64_t seed, bool stratified) {
  int groups = stratified ? d->n_classes : 1;
  int64_t *have = NULL, *quota = NULL, *items = NULL;
  vg_status status;
  VG_GOTO(vg_alloc_zero((void **)&have, (size_t)groups * sizeof *have));
  VG_GOTO(vg_alloc_zero((void **)&quota, (size_t)groups * sizeof *quota));
  VG_GOTO(vg_alloc((void **)&items, (size_t)d->n * sizeof *items));
  for (int64_t i = 0; i < d->n; i++) have[stratified ? vg_dataset_label(d, i) : 0]++;
  quotas(quota, have, groups, n, d->n);
  /* Counting sort: items of group c start at the sum of the groups before it; `have` becomes the running end. */
  for (int64_t c = 0, start = 0; c < groups; c++) {
    int64_t size = have[c];
    have[c] = start;
    start += size;
  }
  for (int64_t i = 0; i < d->n; i++) items[have[stratified ? vg_dataset_label(d, i) : 0]++] = i;
  for (int64_t c = 0, start = 0; c < groups; start = have[c++]) {
    vg_rng r = vg_rng_at(seed, vg_rng_stream("subset", 6, c));
    vg_rng_shuffle(&r, items + start, (size_t)(have[c] - start));
    for (int64_t k = 0; k < quota[c]; k++) taken[items[start + k]] = 1;
  }
done:
  vg_free(have);
  vg_free(quota);
  vg_free(items);
  return status;
}

vg_status vg_dataset_split(vg_dataset **a, vg_dataset **b, const vg_dataset *d, int64_t n, uint64_t seed, bool stratified) {
  if (n < 1 || n > d->n - (b != NULL)) {
    return vg_fail(VG_EARG, "%s of data set '%s': n must be in [1, %lld], got %lld", b ? "split" : "subset", d->name,
                   (long long)(d->n - (b != NULL)), (long long)n);
  }
  char *taken = NULL;
  vg_dataset *in = NULL, *rest = NULL;
  vg_status status;
  VG_GOTO(vg_alloc_zero((void **)&taken, (size_t)d->n));
  VG_GOTO(choose(taken, d, n, seed, stratified));
  VG_GOTO(view_new(&in, d, n));
  if (b) VG_GOTO(view_new(&rest, d, d->n - n));
  for (int64_t i = 0, p = 0, q = 0; i < d->n; i++) {
    if (taken[i]) in->index[p++] = vg_dataset_row(d, i);
    else if (rest) rest->index[q++] = vg_dataset_row(d, i);
  }
  *a = in;
  if (b) *b = rest;
done:
  vg_free(taken);
  if (status != VG_OK) {
    vg_dataset_release(in);
    vg_dataset_release(rest);
  }
  return status;
}

vg_status vg_dataset_part(vg_dataset **out, const vg_dataset *d, int part, int parts) {
  vg_dataset *v;
  if (parts < 1 || part < 0 || part >= parts) return vg_fail(VG_EARG, "data set '%s': no part %d of %d", d->name, part + 1, parts);
  int64_t begin = d->n * part / parts, end = d->n * (part + 1) / parts;
  if (d->n < parts) return vg_fail(VG_EARG, "data set '%s': %lld samples for %d parts", d->name, (long long)d->n, parts);
  VG_TRY(view_new(&v, d, end - begin));
  for (int64_t i = begin; i < end; i++) v->index[i - begin] = vg_dataset_row(d, i);
  *out = v;
  return VG_OK;
}

/* u8: exact, by a histogram of each channel. */
static void stats_u8(double *mean, double *std, const vg_dataset *d, uint64_t *count, int64_t pixels, int64_t channels) {
  for (int64_t i = 0; i < d->n; i++) {
    const uint8_t *p = vg_u8(d->images) + vg_dataset_row(d, i) * pixels * channels;
    for (int64_t k = 0; k < pixels; k++) {
      for (int64_t c = 0; c < channels; c++) count[c * 256 + *p++]++;
    }
  }
  double total = (double)d->n * (double)pixels;
  for (int64_t c = 0; c < channels; c++) {
    double sum = 0, squares = 0;
    for (int v = 0; v < 256; v++) {
      sum += (double)count[c * 256 + v] * v;
      squares += (double)count[c * 256 + v] * v * v;
    }
    mean[c] = sum / total / 255;
    std[c] = sqrt(fmax(0, squares / total - sum / total * (sum / total))) / 255;
  }
}

static void stats_f32(double *mean, double *std, const vg_dataset *d, int64_t pixels, int64_t channels) {
  double total = (double)d->n * (double)pixels;
  for (int64_t c = 0; c < channels; c++) mean[c] = std[c] = 0;
  for (int pass = 0; pass < 2; pass++) {   /* two passes: the mean first, so that no large squares cancel */
    for (int64_t i = 0; i < d->n; i++) {
      const float *p = vg_f32(d->images) + vg_dataset_row(d, i) * pixels * channels;
      for (int64_t k = 0; k < pixels * channels; k++) {
        int64_t c = k % channels;
        if (pass == 0) mean[c] += p[k];
        else std[c] += (p[k] - mean[c]) * (p[k] - mean[c]);
      }
    }
    for (int64_t c = 0; c < channels; c++) {
      if (pass == 0) mean[c] /= total;
      else std[c] = sqrt(std[c] / total);
    }
  }
}

vg_status vg_dataset_stats(double *mean, double *std, const vg_dataset *d) {
  const int64_t *dim = d->images->shape.dim;
  if (d->images->dtype == VG_F32) {
    stats_f32(mean, std, d, dim[1] * dim[2], dim[3]);
    return VG_OK;
  }
  uint64_t *count;
  VG_TRY(vg_alloc_zero((void **)&count, (size_t)dim[3] * 256 * sizeof *count));
  stats_u8(mean, std, d, count, dim[1] * dim[2], dim[3]);
  vg_free(count);
  return VG_OK;
}
