/* A folder of images: the names are listed first, so that the tensor is allocated once. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "data/dataset.h"
#include "data/image.h"

typedef struct list {
  char **text;
  int *label;
  int64_t n, room;
} list;

static void list_free(list *l) {
  for (int64_t i = 0; i < l->n; i++) vg_free(l->text[i]);
  vg_free(l->text);
  vg_free(l->label);
}

static vg_status list_add(list *l, const char *folder, const char *name, int label) {
  if (l->n == l->room) {
    int64_t more = l->room ? 2 * l->room : 64;
    VG_TRY(vg_realloc((void **)&l->text, (size_t)more * sizeof *l->text));
    VG_TRY(vg_realloc((void **)&l->label, (size_t)more * sizeof *l->label));
    l->room = more;
  }
  size_t bytes = strlen(folder) + strlen(name) + 2;
  VG_TRY(vg_alloc((void **)&l->text[l->n], bytes));
  snprintf(l->text[l->n], bytes, "%s%s%s", folder, *folder ? "/" : "", name);
  l->label[l->n++] = label;
  return VG_OK;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Appends to `l` the sub-folders (or else the images) of `path`, sorted by bytes. Folders are listed by name, images by path. */
static vg_status scan(list *l, const char *path, bool folders, int label) {
  struct dirent **entry;
  int n = scandir(path, &entry, NULL, NULL);
  if (n < 0) return vg_fail(VG_EIO, "%s: %s", path, strerror(errno));
  vg_status s = VG_OK;
  int64_t first = l->n;
  for (int i = 0; i < n; i++) {
    const char *name = entry[i]->d_name;
    char full[PATH_MAX];
    struct stat st;
    bool fits = snprintf(full, sizeof full, "%s/%s", path, name) < (int)sizeof full;
    if (s == VG_OK && name[0] != '.' && fits && stat(full, &st) == 0) {
      if (folders && S_ISDIR(st.st_mode)) s = list_add(l, "", name, 0);
      else if (!folders && S_ISREG(st.st_mode) && vg_image_is_name(name)) s = list_add(l, path, name, label);
    }
    free(entry[i]);
  }
  free(entry);
  if (s == VG_OK && l->n > first) qsort(l->text + first, (size_t)(l->n - first), sizeof *l->text, by_bytes);
  return s;
}

static vg_status put(uint8_t *dst, int h, int w, bool resize, const char *file, const char *model) {
  vg_image image;
  VG_TRY(vg_image_read(&image, file));
  vg_status s = VG_OK;
  if (resize) vg_image_resize(dst, h, w, &image);
  else if (image.h == h && image.w == w) memcpy(dst, image.rgb, (size_t)h * (size_t)w * 3);
  else s = vg_fail(VG_EFORMAT, "%s: %d x %d, but %s is %d x %d (give a size to resize them)", file, image.h, image.w, model, h, w);
  vg_free(image.rgb);
  return s;
}

static vg_status load(vg_dataset **out, const char *name, const list *files, const list *classes, int h, int w) {
  bool resize = h > 0;
  vg_tensor *x = NULL, *y = NULL;
  vg_dataset *d = NULL;
  vg_status status;
  if (!resize) {
    vg_image first;
    VG_TRY(vg_image_read(&first, files->text[0]));
    h = first.h;
    w = first.w;
    vg_free(first.rgb);
  }
  vg_shape xs = VG_SHAPE(files->n, h, w, 3), ys = VG_SHAPE(files->n);
  VG_GOTO(vg_tensor_new(&x, VG_U8, &xs));
  VG_GOTO(vg_tensor_new(&y, VG_I32, &ys));
  for (int64_t i = 0; i < files->n; i++) {
    VG_GOTO(put(vg_u8(x) + i * h * w * 3, h, w, resize, files->text[i], files->text[0]));
    vg_i32(y)[i] = files->label[i];
  }
  VG_GOTO(vg_dataset_new(&d, name, x, y, (int)classes->n));
  VG_GOTO(vg_dataset_set_class_names(d, (const char *const *)classes->text));
  *out = d;
done:
  vg_tensor_release(x);
  vg_tensor_release(y);
  if (status != VG_OK) vg_dataset_release(d);
  return status;
}

vg_status vg_read_folder(vg_dataset **out, const char *name, const char *path, int h, int w) {
  if ((h == 0) != (w == 0) || h < 0 || w < 0 || h > 16384 || w > 16384) return vg_fail(VG_EARG, "data set '%s': size must be two numbers from 1 to 16384, got %d x %d", name, h, w);
  list classes = { 0 }, files = { 0 };
  vg_status status;
  VG_GOTO(scan(&classes, path, true, 0));
  if (classes.n == 0 || classes.n > VG_MAX_CLASSES) VG_GOTO(vg_fail(VG_EFORMAT, "%s: %lld sub-folders, expected one a class", path, (long long)classes.n));
  for (int c = 0; c < (int)classes.n; c++) {
    char folder[PATH_MAX];
    int64_t before = files.n;
    if (snprintf(folder, sizeof folder, "%s/%s", path, classes.text[c]) >= (int)sizeof folder) VG_GOTO(vg_fail(VG_EIO, "%s: the path is too long", path));
    VG_GOTO(scan(&files, folder, false, c));
    if (files.n == before) VG_GOTO(vg_fail(VG_EFORMAT, "%s: no .png, .jpg or .jpeg in it", folder));
  }
  VG_GOTO(load(out, name, &files, &classes, h, w));
done:
  list_free(&classes);
  list_free(&files);
  return status;
}
