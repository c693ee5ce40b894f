#include "base/json_text.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

typedef struct text {
  char *data;
  size_t length, room;
  bool failed;          /* kept here: jansson forgets what its callback returned for a key */
} text;

static int append(const char *bytes, size_t n, void *to) {
  text *t = to;
  if (t->failed) return -1;
  if (t->length + n + 1 > t->room) {
    size_t room = 2 * (t->length + n + 1);
    if (vg_realloc((void **)&t->data, room) != VG_OK) {
      t->failed = true;
      return -1;
    }
    t->room = room;
  }
  memcpy(t->data + t->length, bytes, n);
  t->length += n;
  t->data[t->length] = '\0';
  return 0;
}

vg_status vg_json_print(char **out, const json_t *value, size_t flags) {
  text t = { NULL, 0, 0, false };
  if (value && json_dump_callback(value, append, &t, flags) == 0 && !t.failed) {
    *out = t.data;
    return VG_OK;
  }
  vg_free(t.data);
  return vg_fail(VG_ENOMEM, "json: not enough memory to write a value");
}
