/* vega.core.data: data sets, their readers, loaders. A loader keeps its data set alive by the C count. Indexes count from 1, labels are as stored. */
#include "bind/data.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "data/image.h"

/* ---- data sets ---- */

static vg_dataset **new_dataset(lua_State *L) {
  vg_dataset **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, VGL_DATASET);
  return box;
}

vg_dataset *vgl_checkdataset(lua_State *L, int arg) {
  vg_dataset **box = luaL_checkudata(L, arg, VGL_DATASET);
  luaL_argcheck(L, *box, arg, "the data set is closed");
  return *box;
}

/* The result of a reader that filled the box on top: the data set, or nil, message, code. */
static int finish(lua_State *L, vg_dataset *const *box, vg_status s) {
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_account(L, vg_tensor_bytes((*box)->images));
  return 1;
}

/* idx(name, images, labels [, n_classes]) -> data set | nil, message, code */
static int l_idx(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *images = luaL_checkstring(L, 2), *labels = luaL_checkstring(L, 3);
  int n_classes = (int)luaL_optinteger(L, 4, 0);
  vg_dataset **box = new_dataset(L);
  return finish(L, box, vg_read_idx(box, name, images, labels, n_classes));
}

/* npy(name, images, labels [, n_classes]) -> data set | nil, message, code */
static int l_npy(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *images = luaL_checkstring(L, 2), *labels = luaL_checkstring(L, 3);
  int n_classes = (int)luaL_optinteger(L, 4, 0);
  vg_dataset **box = new_dataset(L);
  return finish(L, box, vg_read_npy(box, name, images, labels, n_classes));
}

/* cifar10(name, { file, ... }) -> data set | nil, message, code */
static int l_cifar10(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *files[16];
  luaL_checktype(L, 2, LUA_TTABLE);
  int n = (int)luaL_len(L, 2);
  luaL_argcheck(L, n >= 1 && n <= 16, 2, "expected 1 to 16 files");
  luaL_checkstack(L, n + 2, "files");
  for (int i = 0; i < n; i++) {              /* the texts stay on the stack while C borrows them */
    lua_geti(L, 2, i + 1);
    files[i] = luaL_checkstring(L, -1);
  }
  vg_dataset **box = new_dataset(L);
  return finish(L, box, vg_read_cifar10(box, name, files, n));
}

/* folder(name, path [, height, width]) -> data set | nil, message, code */
static int l_folder(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
  int h = (int)luaL_optinteger(L, 3, 0), w = (int)luaL_optinteger(L, 4, 0);
  vg_dataset **box = new_dataset(L);
  return finish(L, box, vg_read_folder(box, name, path, h, w));
}

/* new(name, images, labels [, n_classes]) -> data set. Tensors u8 or f32 [N, H, W, C] and i32 [N], shared. */
static int l_new(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  vg_tensor *x = vgl_checktensor(L, 2), *y = vgl_checktensor(L, 3);
  int n_classes = (int)luaL_optinteger(L, 4, 0);
  vg_dataset **box = new_dataset(L);
  vg_status s = vg_dataset_new(box, name, x, y, n_classes);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* decode(text [, name]) -> u8 tensor [H, W, 3] of a PNG or JPEG in memory | nil, message, code; the name is for messages */
static int l_decode(lua_State *L) {
  size_t bytes;
  const char *data = luaL_checklstring(L, 1, &bytes), *name = luaL_optstring(L, 2, "image");
  vg_tensor **box = vgl_newtensor(L);
  vg_image image = { 0 };
  vg_status s = vg_image_decode(&image, data, bytes, name);
  if (s == VG_OK) s = vg_tensor_new(box, VG_U8, &VG_SHAPE(image.h, image.w, 3));
  if (s == VG_OK) memcpy(vg_tensor_data(*box), image.rgb, vg_tensor_bytes(*box));
  vg_free(image.rgb);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* d:close(), loader:close(): frees it now */
static int l_dataset_close(lua_State *L) {
  vg_dataset **box = luaL_checkudata(L, 1, VGL_DATASET);
  vg_dataset_release(*box);
  *box = NULL;
  return 0;
}

static int l_dataset_tostring(lua_State *L) {
  vg_dataset **box = luaL_checkudata(L, 1, VGL_DATASET), *d = *box;
  if (!d) {
    lua_pushliteral(L, "dataset (closed)");
    return 1;
  }
  const int64_t *dim = d->images->shape.dim;
  lua_pushfstring(L, "dataset %s: %I images of %Ix%Ix%I, %d classes", d->name, (LUAI_UACINT)d->n, (LUAI_UACINT)dim[1], (LUAI_UACINT)dim[2],
                  (LUAI_UACINT)dim[3], d->n_classes);
  return 1;
}

static int l_dataset_len(lua_State *L) {
  lua_pushinteger(L, vgl_checkdataset(L, 1)->n);
  return 1;
}

static int64_t check_index(lua_State *L, const vg_dataset *d) {
  lua_Integer i = luaL_checkinteger(L, 2);
  if (i < 1 || i > d->n) luaL_argerror(L, 2, lua_pushfstring(L, "expected an index from 1 to %I, got %I", (LUAI_UACINT)d->n, (LUAI_UACINT)i));
  return i - 1;
}

/* d:label(i) -> class of sample i, from 0 */
static int l_label(lua_State *L) {
  const vg_dataset *d = vgl_checkdataset(L, 1);
  lua_pushinteger(L, vg_dataset_label(d, check_index(L, d)));
  return 1;
}

/* d:image(i) -> tensor [H, W, C] that shares the data set's memory */
static int l_image(lua_State *L) {
  const vg_dataset *d = vgl_checkdataset(L, 1);
  int64_t i = check_index(L, d);
  const int64_t *dim = d->images->shape.dim;
  vg_shape one = VG_SHAPE(dim[1], dim[2], dim[3]);
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_view(box, d->images, vg_dataset_row(d, i) * dim[1] * dim[2] * dim[3], &one);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static uint64_t opt_seed(lua_State *L, int arg) {
  lua_Integer seed = 0;
  if (lua_getfield(L, arg, "seed") != LUA_TNIL) {
    int whole;
    seed = lua_tointegerx(L, -1, &whole);
    if (!whole) vgl_error(L, "seed must be an integer, got %s", luaL_tolstring(L, -1, NULL));
  }
  lua_pop(L, 1);
  return (uint64_t)seed;
}

static bool opt_flag(lua_State *L, int arg, const char *key, bool def) {
  int type = lua_getfield(L, arg, key);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) vgl_error(L, "%s must be true or false, got %s", key, luaL_typename(L, -1));
  bool v = type == LUA_TNIL ? def : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return v;
}

static int64_t opt_count(lua_State *L, int arg, const char *key, int64_t def) {
  int whole = 1;
  lua_Integer v = def;
  if (lua_getfield(L, arg, key) != LUA_TNIL) v = lua_tointegerx(L, -1, &whole);
  if (!whole || v < INT32_MIN || v > INT32_MAX) vgl_error(L, "%s must be an integer, got %s", key, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return v;
}

/* d:subset{ n=, seed=0, stratified=true } -> data set */
static int l_subset(lua_State *L) {
  static const char *const KNOWN[] = { "n", "seed", "stratified", NULL };
  vg_dataset *d = vgl_checkdataset(L, 1);
  vgl_checkkeys(L, 2, "subset", KNOWN);
  int64_t n = opt_count(L, 2, "n", 0);
  uint64_t seed = opt_seed(L, 2);
  bool stratified = opt_flag(L, 2, "stratified", true);
  vg_dataset **box = new_dataset(L);
  vg_status s = vg_dataset_split(box, NULL, d, n, seed, stratified);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* d:split{ n= or fraction=, seed=0, stratified=true } -> data set of n, data set of the others */
static int l_split(lua_State *L) {
  static const char *const KNOWN[] = { "n", "fraction", "seed", "stratified", NULL };
  vg_dataset *d = vgl_checkdataset(L, 1);
  vgl_checkkeys(L, 2, "split", KNOWN);
  int64_t n = opt_count(L, 2, "n", -1);
  if (lua_getfield(L, 2, "fraction") != LUA_TNIL) {
    lua_Number f = lua_tonumber(L, -1);
    if (!(f > 0 && f < 1)) return vgl_error(L, "split: fraction must be a number between 0 and 1, got %s", luaL_tolstring(L, -1, NULL));
    if (n != -1) return vgl_error(L, "split: give n or fraction, not both");
    n = llround(f * (double)d->n);
  } else if (n == -1) {
    return vgl_error(L, "split: n or fraction is missing");
  }
  uint64_t seed = opt_seed(L, 2);
  bool stratified = opt_flag(L, 2, "stratified", true);
  vg_dataset **a = new_dataset(L), **b = new_dataset(L);
  vg_status s = vg_dataset_split(a, b, d, n, seed, stratified);
  return s == VG_OK ? 2 : vgl_fail(L, s);
}

/* d:part(k, parts) -> data set: the k-th of `parts` nearly equal pieces, in the order of d */
static int l_part(lua_State *L) {
  vg_dataset *d = vgl_checkdataset(L, 1);
  int k = (int)luaL_checkinteger(L, 2), parts = (int)luaL_checkinteger(L, 3);
  vg_dataset **box = new_dataset(L);
  vg_status s = vg_dataset_part(box, d, k - 1, parts);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* d:stats() -> { mean = { .. }, std = { .. } } per channel, u8 on the scale 0..1 */
static int l_stats(lua_State *L) {
  const vg_dataset *d = vgl_checkdataset(L, 1);
  int64_t channels = d->images->shape.dim[3];
  double *mean = lua_newuserdatauv(L, (size_t)channels * 2 * sizeof *mean, 0), *both[2] = { mean, mean + channels };
  vg_status s = vg_dataset_stats(both[0], both[1], d);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_createtable(L, 0, 2);
  for (int k = 0; k < 2; k++) {
    lua_createtable(L, (int)channels, 0);
    for (int64_t c = 0; c < channels; c++) {
      lua_pushnumber(L, both[k][c]);
      lua_seti(L, -2, c + 1);
    }
    lua_setfield(L, -2, k ? "std" : "mean");
  }
  return 1;
}

static int push_class_names(lua_State *L, const vg_dataset *d) {
  if (!d->class_names) return 0;
  lua_createtable(L, d->n_classes, 0);
  for (int c = 0; c < d->n_classes; c++) {
    lua_pushstring(L, d->class_names[c]);
    lua_seti(L, -2, c + 1);
  }
  return 1;
}

/* d.name, d.n, d.n_classes, d.shape { H, W, C }, d.class_names ([label + 1], or nil), or a method */
static int l_dataset_index(lua_State *L) {
  const char *key = luaL_checkstring(L, 2);
  const vg_dataset *d = *(vg_dataset **)luaL_checkudata(L, 1, VGL_DATASET);
  if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TNIL) return 1;
  luaL_argcheck(L, d, 1, "the data set is closed");
  if (strcmp(key, "name") == 0) lua_pushstring(L, d->name);
  else if (strcmp(key, "n") == 0) lua_pushinteger(L, d->n);
  else if (strcmp(key, "n_classes") == 0) lua_pushinteger(L, d->n_classes);
  else if (strcmp(key, "class_names") == 0) return push_class_names(L, d);
  else if (strcmp(key, "shape") == 0) {
    lua_createtable(L, 3, 0);
    for (int a = 1; a < 4; a++) {
      lua_pushinteger(L, d->images->shape.dim[a]);
      lua_seti(L, -2, a);
    }
  } else return 0;
  return 1;
}

/* d:set_class_names{ .. } -> d */
static int l_set_class_names(lua_State *L) {
  vg_dataset *d = vgl_checkdataset(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (luaL_len(L, 2) != d->n_classes) return vgl_error(L, "data set '%s': expected %d class names, got %d", d->name, d->n_classes, (int)luaL_len(L, 2));
  luaL_checkstack(L, d->n_classes + 2, "class names");
  const char **names = lua_newuserdatauv(L, (size_t)d->n_classes * sizeof *names, 0);
  for (int c = 0; c < d->n_classes; c++) {
    lua_geti(L, 2, c + 1);
    names[c] = luaL_checkstring(L, -1);
  }
  vg_status s = vg_dataset_set_class_names(d, names);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_settop(L, 1);
  return 1;
}

/* ---- loaders ---- */

vg_loader *vgl_checkloader(lua_State *L, int arg) {
  vg_loader **box = luaL_checkudata(L, arg, VGL_LOADER);
  luaL_argcheck(L, *box, arg, "the loader is closed");
  return *box;
}

/* Option `key`: one number for all channels or a number each; NULL when absent. Pushes the block that holds them. */
static const float *opt_channels(lua_State *L, int arg, const char *key, int64_t channels) {
  int type = lua_getfield(L, arg, key);
  if (type == LUA_TNIL) return NULL;
  float *v = lua_newuserdatauv(L, (size_t)channels * sizeof *v, 0);
  if (type != LUA_TNUMBER && (type != LUA_TTABLE || luaL_len(L, -2) != channels)) vgl_error(L, "loader: %s must be a number or %d numbers", key, (int)channels);
  for (int64_t c = 0; c < channels; c++) {
    int is_number = 1;
    if (type == LUA_TNUMBER) lua_pushvalue(L, -2);
    else lua_geti(L, -2, c + 1);
    v[c] = (float)lua_tonumberx(L, -1, &is_number);
    if (!is_number) vgl_error(L, "loader: %s[%d] must be a number, got %s", key, (int)c + 1, luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  return v;
}

/* d:loader{ batch=, shuffle=false, seed=0, flip=false, crop=0, cutout=0, mean=0, std=1, precision="f32", drop_last=false, ahead=3,
 * parts=, part= } -> loader; with parts, of each batch only its part-th piece (from 1) */
static int l_loader(lua_State *L) {
  static const char *const KNOWN[] = { "batch", "shuffle", "seed", "flip", "crop", "cutout", "mean", "std", "precision", "drop_last", "ahead", "part",
                                      "parts", NULL };
  vg_dataset *d = vgl_checkdataset(L, 1);
  vgl_checkkeys(L, 2, "loader", KNOWN);
  vg_loader_opts o = {
    .batch = (int)opt_count(L, 2, "batch", 0), .shuffle = opt_flag(L, 2, "shuffle", false), .seed = opt_seed(L, 2),
    .flip = opt_flag(L, 2, "flip", false), .crop = (int)opt_count(L, 2, "crop", 0), .cutout = (int)opt_count(L, 2, "cutout", 0),
    .drop_last = opt_flag(L, 2, "drop_last", false), .ahead = (int)opt_count(L, 2, "ahead", 3),
    .part = (int)opt_count(L, 2, "part", 1) - 1, .parts = (int)opt_count(L, 2, "parts", 0),
  };
  if (lua_getfield(L, 2, "precision") != LUA_TNIL) {
    const char *name = lua_tostring(L, -1);
    if (!name || !vg_dtype_parse(&o.dtype, name)) return vgl_error(L, "loader: precision must be 'f32' or 'bf16', got %s", luaL_tolstring(L, -1, NULL));
  }
  int64_t channels = d->images->shape.dim[3];
  o.mean = opt_channels(L, 2, "mean", channels);
  o.std = opt_channels(L, 2, "std", channels);
  vg_loader **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, VGL_LOADER);
  vg_status s = vg_loader_new(box, d, &o);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int l_loader_close(lua_State *L) {
  vg_loader **box = luaL_checkudata(L, 1, VGL_LOADER);
  vg_loader_free(*box);
  *box = NULL;
  return 0;
}

static int l_loader_tostring(lua_State *L) {
  vg_loader **box = luaL_checkudata(L, 1, VGL_LOADER);
  if (!*box) lua_pushliteral(L, "loader (closed)");
  else lua_pushfstring(L, "loader of %s: %I batches of %d", vg_loader_dataset(*box)->name, (LUAI_UACINT)vg_loader_batches(*box), vg_loader_options(*box)->batch);
  return 1;
}

/* loader:next() -> x, y | nothing at the end of the epoch (once) | nil, message, code */
static int l_next(lua_State *L) {
  vg_loader *l = vgl_checkloader(L, 1);
  vg_tensor **x = vgl_newtensor(L), **y = vgl_newtensor(L);
  vg_status s = vg_loader_next(l, x, y);
  if (s != VG_OK) return vgl_fail(L, s);
  if (!*x) return 0;
  vgl_account(L, vg_tensor_bytes(*x));
  return 2;
}

/* loader:seek(epoch, batch): both from 1; batch 1 is the first */
static int l_seek(lua_State *L) {
  vg_status s = vg_loader_seek(vgl_checkloader(L, 1), luaL_checkinteger(L, 2) - 1, luaL_optinteger(L, 3, 1) - 1);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_settop(L, 1);
  return 1;
}

/* loader:tell() -> epoch, batch: what seek takes to continue here */
static int l_tell(lua_State *L) {
  int64_t epoch, batch;
  vg_loader_tell(vgl_checkloader(L, 1), &epoch, &batch);
  lua_pushinteger(L, epoch + 1);
  lua_pushinteger(L, batch + 1);
  return 2;
}

/* loader:batches() -> number of batches of an epoch; also #loader */
static int l_batches(lua_State *L) {
  lua_pushinteger(L, vg_loader_batches(vgl_checkloader(L, 1)));
  return 1;
}

static const luaL_Reg DATASET_METHODS[] = {
  { "subset", l_subset }, { "split", l_split }, { "part", l_part }, { "stats", l_stats }, { "image", l_image }, { "label", l_label },
  { "loader", l_loader }, { "set_class_names", l_set_class_names }, { "close", l_dataset_close }, { NULL, NULL },
};
static const luaL_Reg DATASET_META[] = {
  { "__gc", l_dataset_close }, { "__close", l_dataset_close }, { "__tostring", l_dataset_tostring }, { "__len", l_dataset_len }, { NULL, NULL },
};
static const luaL_Reg LOADER_METHODS[] = { { "next", l_next }, { "seek", l_seek }, { "tell", l_tell }, { "batches", l_batches }, { "close", l_loader_close }, { NULL, NULL } };
static const luaL_Reg LOADER_META[] = { { "__gc", l_loader_close }, { "__close", l_loader_close }, { "__tostring", l_loader_tostring }, { "__len", l_batches }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "new", l_new }, { "idx", l_idx }, { "npy", l_npy }, { "cifar10", l_cifar10 }, { "folder", l_folder }, { "decode", l_decode }, { NULL, NULL } };

int luaopen_vega_core_data(lua_State *L) {
  luaL_newmetatable(L, VGL_DATASET);
  luaL_setfuncs(L, DATASET_META, 0);
  luaL_newlib(L, DATASET_METHODS);
  lua_pushcclosure(L, l_dataset_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  vgl_newtype(L, VGL_LOADER, LOADER_META, LOADER_METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
