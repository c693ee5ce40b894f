/* Loading has two passes over one list of (name, tensor): first every tensor of the file is compared in type and shape, then all are copied,
 * so that a checkpoint of another network leaves the trainer as it was. */
#include "train/checkpoint.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json_text.h"
#include "tensor/safetensors.h"

#define FORMAT "vega-checkpoint-1"

static vg_status no_memory(void) { return vg_fail(VG_ENOMEM, "checkpoint: no memory for its state"); }

/* --- what is kept ----------------------------------------------------------------------------------------------------------------- */

static vg_status add_node(vg_bundle *b, const vg_node *n) {
  char *name;
  size_t room;
  const char *kind = n->kind == VG_NODE_PARAM ? "param." : "buffer.";
  if ((n->kind != VG_NODE_PARAM && n->kind != VG_NODE_BUFFER) || !n->tensor) return VG_OK;
  room = strlen(kind) + strlen(n->name) + 1;
  VG_TRY(vg_alloc((void **)&name, room));
  snprintf(name, room, "%s%s", kind, n->name);
  vg_status s = vg_bundle_add(b, name, n->tensor);
  vg_free(name);
  return s;
}

/* The trainer's own tensors, under their names. */
static vg_status list_tensors(vg_bundle *b, const vg_trainer *t) {
  for (int i = 0; i < t->g->n; i++) VG_TRY(add_node(b, &t->g->nodes[i]));
  if (t->optim->m) VG_TRY(vg_bundle_add(b, "optim.m", t->optim->m));
  if (t->optim->v) VG_TRY(vg_bundle_add(b, "optim.v", t->optim->v));
  return vg_bundle_add(b, "optim.counts", t->optim->counts);
}

/* Settings that must agree for a run to go on as the same run. NULL when memory is short. */
static json_t *settings(const vg_trainer *t) {
  const vg_trainer_opts *o = &t->opts;
  json_t *at = json_array();
  int bad = !at;
  for (int i = 0; i < o->schedule.n_at && !bad; i++) bad = json_array_append_new(at, json_integer(o->schedule.at[i]));
  if (bad) {
    json_decref(at);
    return NULL;
  }
  json_t *all = json_pack("{s:i s:f s:b s:f s:f s:f s:f s:b s:i s:f s:I s:o s:f s:f s:I s:f s:b s:f s:s s:I}",
                           "optimiser", (int)o->optim.kind, "momentum", o->optim.momentum, "nesterov", o->optim.nesterov,
                           "beta1", o->optim.beta1, "beta2", o->optim.beta2, "eps", o->optim.eps,
                           "weight_decay", o->optim.weight_decay, "decay_norms", o->optim.decay_norms,
                           "schedule", (int)o->schedule.kind, "lr", o->schedule.lr, "warmup", (json_int_t)o->schedule.warmup, "at", at,
                           "factor", o->schedule.factor, "floor", o->schedule.floor, "total_steps", (json_int_t)o->total_steps,
                           "clip", o->clip, "average", o->average, "smoothing", o->smoothing, "loss", o->loss ? o->loss : "", "seed",
                           (json_int_t)o->seed);
  /* The arena has the architecture's parameters last: a file that knows nothing of them, with an optimiser's state in another order, is refused. */
  int64_t arch = t->g->n_params - t->g->n_weights;
  if (arch > 0 && json_object_set_new(all, "arch", json_integer(arch)) != 0) {
    json_decref(all);
    return NULL;
  }
  return all;
}

static vg_status add_state(vg_bundle *b, const vg_trainer *t) {
  json_t *state = json_pack("{s:I s:I s:I s:o}", "step", (json_int_t)t->step, "epoch", (json_int_t)t->epoch, "batch", (json_int_t)t->batch,
                            "settings", settings(t));
  char *text = NULL;
  vg_status s = vg_json_print(&text, state, JSON_COMPACT | JSON_REAL_PRECISION(17));
  if (s == VG_OK) s = vg_bundle_set_meta(b, "state", text);
  vg_free(text);
  json_decref(state);
  return s;
}

/* --- save ------------------------------------------------------------------------------------------------------------------------- */

static vg_status name_previous(char **out, const char *path) {
  size_t room = strlen(path) + sizeof ".prev";
  VG_TRY(vg_alloc((void **)out, room));
  snprintf(*out, room, "%s.prev", path);
  return VG_OK;
}

/* A damaged file must not push a whole one out of PATH.prev: only a file that reads is kept. */
static vg_status keep_previous(const char *path, const char *previous) {
  vg_bundle old = { 0 };
  if (!vg_file_exists(path)) return VG_OK;
  vg_status s = vg_safetensors_read(&old, path);
  vg_bundle_clear(&old);
  if (s == VG_ENOMEM) return s;
  if (s != VG_OK) return VG_OK;
  if (rename(path, previous) != 0) return vg_fail(VG_EIO, "checkpoint: cannot rename '%s' to '%s': %s", path, previous, strerror(errno));
  return VG_OK;
}

static vg_status read_back(const char *path, const char *previous) {
  vg_bundle again = { 0 };
  vg_status s = vg_safetensors_read(&again, path);
  vg_bundle_clear(&again);
  if (s == VG_OK) unlink(previous);
  return s;
}

vg_status vg_checkpoint_save(const char *path, const vg_trainer *t, const char *user) {
  vg_bundle b = { 0 };
  char *previous = NULL;
  vg_status status;
  VG_GOTO(name_previous(&previous, path));
  VG_GOTO(list_tensors(&b, t));
  VG_GOTO(vg_bundle_set_meta(&b, "format", FORMAT));
  VG_GOTO(add_state(&b, t));
  if (user) VG_GOTO(vg_bundle_set_meta(&b, "user", user));
  VG_GOTO(keep_previous(path, previous));
  VG_GOTO(vg_safetensors_write(path, &b));
  VG_GOTO(read_back(path, previous));
done:
  vg_bundle_clear(&b);
  vg_free(previous);
  return status;
}

/* --- load ------------------------------------------------------------------------------------------------------------------------- */

typedef struct place { int64_t step, epoch, batch; } place;

static vg_status differing(const json_t *file, const json_t *now, const char *path) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)now, key, value) {
    const json_t *other = json_object_get(file, key);
    if (!other || !json_equal((json_t *)other, value))
      return vg_fail(VG_EARG, "checkpoint '%s': its '%s' is not that of this run", path, key);
  }
  return VG_OK;
}

static vg_status read_state(place *p, const vg_bundle *b, const vg_trainer *t, const char *path) {
  const char *format = vg_bundle_meta(b, "format"), *text = vg_bundle_meta(b, "state");
  json_int_t step, epoch, batch;
  json_t *kept;
  if (!format || strcmp(format, FORMAT) != 0 || !text) return vg_fail(VG_EFORMAT, "'%s' is no checkpoint of a training (format %s)", path, FORMAT);
  json_error_t error;
  json_t *state = json_loads(text, 0, &error);
  if (!state && json_error_code(&error) == json_error_out_of_memory) return no_memory();
  if (!state || json_unpack(state, "{s:I s:I s:I s:o}", "step", &step, "epoch", &epoch, "batch", &batch, "settings", &kept) != 0 ||
      step < 0 || epoch < 0 || batch < 0) {
    json_decref(state);
    return vg_fail(VG_EFORMAT, "checkpoint '%s': its state is damaged", path);
  }
  /* Through text and back, as the file's went, so that 1 and 1.0 compare as they were written. */
  json_t *fresh = settings(t);
  char *same = NULL;
  json_t *now = NULL;
  vg_status s = vg_json_print(&same, fresh, JSON_COMPACT | JSON_REAL_PRECISION(17));
  if (s == VG_OK) now = json_loads(same, 0, NULL);
  if (s == VG_OK) s = now ? differing(kept, now, path) : no_memory();
  json_decref(fresh);
  json_decref(now);
  vg_free(same);
  json_decref(state);
  if (s == VG_OK) *p = (place){ step, epoch, batch };
  return s;
}

static vg_status compare(const vg_bundle *file, const vg_bundle *own, const char *path) {
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  for (int i = 0; i < own->n; i++) {
    const vg_tensor *want = own->item[i].tensor, *got = vg_bundle_find(file, own->item[i].name);
    if (!got) return vg_fail(VG_EARG, "checkpoint '%s' has no '%s': it is of another network or optimiser", path, own->item[i].name);
    if (got->dtype != want->dtype || !vg_shape_is_equal(&got->shape, &want->shape))
      return vg_fail(VG_EARG, "checkpoint '%s': '%s' is %s %s, this network wants %s %s", path, own->item[i].name, vg_dtype_name(got->dtype),
                     vg_shape_text(a, &got->shape), vg_dtype_name(want->dtype), vg_shape_text(b, &want->shape));
  }
  if (file->n != own->n) return vg_fail(VG_EARG, "checkpoint '%s' holds %d tensors, this network and optimiser %d", path, file->n, own->n);
  return VG_OK;
}

static vg_status copy_text(char **out, const char *text) {
  *out = NULL;
  if (!text) return VG_OK;
  VG_TRY(vg_alloc((void **)out, strlen(text) + 1));
  strcpy(*out, text);
  return VG_OK;
}

static vg_status restore(char **user, vg_trainer *t, const vg_bundle *file, const char *path) {
  vg_bundle own = { 0 };
  place p = { 0 };
  vg_status status;
  VG_GOTO(read_state(&p, file, t, path));
  VG_GOTO(list_tensors(&own, t));
  VG_GOTO(compare(file, &own, path));
  VG_GOTO(copy_text(user, vg_bundle_meta(file, "user")));
  for (int i = 0; i < own.n; i++) {
    vg_tensor *to = own.item[i].tensor;
    memcpy(vg_tensor_data(to), vg_tensor_data(vg_bundle_find(file, own.item[i].name)), vg_tensor_bytes(to));
  }
  t->step = p.step;
  t->epoch = p.epoch;
  t->batch = p.batch;
  vg_graph_refresh_shadow(t->g);
done:
  vg_bundle_clear(&own);
  return status;
}

bool vg_checkpoint_exists(const char *path) {
  char *previous;
  if (vg_file_exists(path)) return true;
  if (name_previous(&previous, path) != VG_OK) return false;
  bool found = vg_file_exists(previous);
  vg_free(previous);
  return found;
}

/* PATH, or PATH.prev when PATH cannot be read. */
static vg_status read_either(vg_bundle *file, bool *fell_back, const char *path) {
  char first[512], *previous;
  *fell_back = false;
  vg_status s = vg_safetensors_read(file, path);
  if (s != VG_EIO && s != VG_EFORMAT) return s;
  vg_bundle_clear(file);
  snprintf(first, sizeof first, "%s", vg_message());
  VG_TRY(name_previous(&previous, path));
  if (!vg_file_exists(previous)) {
    s = vg_fail(s, "%s; there is no '%s' either", first, previous);
  } else {
    s = vg_safetensors_read(file, previous);
    *fell_back = s == VG_OK;
    if (s != VG_OK) {
      char second[400];
      snprintf(second, sizeof second, "%s", vg_message());
      s = vg_fail(s, "%s; %s", first, second);
    }
  }
  vg_free(previous);
  return s;
}

vg_status vg_checkpoint_load(vg_checkpoint_loaded *out, vg_trainer *t, const char *path) {
  vg_bundle file = { 0 };
  vg_checkpoint_loaded loaded = { 0 };
  vg_status s = read_either(&file, &loaded.fell_back, path);
  if (s == VG_OK) s = restore(&loaded.user, t, &file, path);
  vg_bundle_clear(&file);
  if (s == VG_OK) *out = loaded;
  return s;
}
