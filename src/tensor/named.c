#include "tensor/named.h"

#include <string.h>

#include "base/alloc.h"

static vg_status copy_text(char **out, const char *text) {
  size_t bytes = strlen(text) + 1;
  VG_TRY(vg_alloc((void **)out, bytes));
  memcpy(*out, text, bytes);
  return VG_OK;
}

static vg_status grow(void **items, int *room, int n, size_t size) {
  if (n < *room) return VG_OK;
  int more = *room ? 2 * *room : 8;
  VG_TRY(vg_realloc(items, (size_t)more * size));
  *room = more;
  return VG_OK;
}

vg_status vg_bundle_add(vg_bundle *b, const char *name, vg_tensor *tensor) {
  if (vg_bundle_find(b, name)) return vg_fail(VG_EFORMAT, "tensor '%s' is there twice", name);
  VG_TRY(grow((void **)&b->item, &b->room, b->n, sizeof *b->item));
  VG_TRY(copy_text(&b->item[b->n].name, name));
  b->item[b->n++].tensor = vg_tensor_retain(tensor);
  return VG_OK;
}

vg_status vg_bundle_set_meta(vg_bundle *b, const char *key, const char *value) {
  char *text;
  for (int i = 0; i < b->n_meta; i++) {
    if (strcmp(b->meta[i].key, key) != 0) continue;
    VG_TRY(copy_text(&text, value));
    vg_free(b->meta[i].value);
    b->meta[i].value = text;
    return VG_OK;
  }
  VG_TRY(grow((void **)&b->meta, &b->room_meta, b->n_meta, sizeof *b->meta));
  vg_pair p;
  VG_TRY(copy_text(&p.key, key));
  vg_status s = copy_text(&p.value, value);
  if (s != VG_OK) vg_free(p.key);
  else b->meta[b->n_meta++] = p;
  return s;
}

vg_tensor *vg_bundle_find(const vg_bundle *b, const char *name) {
  for (int i = 0; i < b->n; i++) {
    if (strcmp(b->item[i].name, name) == 0) return b->item[i].tensor;
  }
  return NULL;
}

const char *vg_bundle_meta(const vg_bundle *b, const char *key) {
  for (int i = 0; i < b->n_meta; i++) {
    if (strcmp(b->meta[i].key, key) == 0) return b->meta[i].value;
  }
  return NULL;
}

void vg_bundle_clear(vg_bundle *b) {
  for (int i = 0; i < b->n; i++) {
    vg_free(b->item[i].name);
    vg_tensor_release(b->item[i].tensor);
  }
  for (int i = 0; i < b->n_meta; i++) {
    vg_free(b->meta[i].key);
    vg_free(b->meta[i].value);
  }
  vg_free(b->item);
  vg_free(b->meta);
  *b = (vg_bundle){ 0 };
}
