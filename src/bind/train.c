/* vega.core.train: a trainer over a graph, a step a call. lua/vega/train.lua makes epochs, validation and checkpoints of it. */
#include <string.h>

#include "base/alloc.h"
#include "bind/comm.h"
#include "bind/graph.h"
#include "bind/vgl.h"
#include "train/checkpoint.h"

#define TYPE "vega.trainer"

static vg_trainer *check_trainer(lua_State *L, int arg) {
  vg_trainer **box = luaL_checkudata(L, arg, TYPE);
  luaL_argcheck(L, *box != NULL, arg, "trainer is closed");
  return *box;
}

/* --- options ---------------------------------------------------------------------------------------------------------------------- */

static const char *const KEYS[] = { "optimiser", "momentum", "nesterov", "beta1", "beta2", "eps", "weight_decay", "decay_norms", "schedule", "lr",
                                    "warmup", "at", "factor", "floor", "total_steps", "clip", "smoothing", "loss", "seed", "replay", "group",
                                    "average", "average_shared", "comm", NULL };
static const char *const OPTIMISERS[] = { "sgd", "adam", "adamw", NULL };
static const char *const SCHEDULES[] = { "constant", "step", "cosine", NULL };

static double number(lua_State *L, const char *key, double def) {
  int type = lua_getfield(L, 2, key);
  if (type != LUA_TNIL && type != LUA_TNUMBER) vgl_error(L, "trainer: %s must be a number, got %s", key, luaL_typename(L, -1));
  double v = type == LUA_TNIL ? def : lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

static int64_t integer(lua_State *L, const char *key, int64_t def) {
  int is_integer = 1, type = lua_getfield(L, 2, key);
  int64_t v = type == LUA_TNIL ? def : lua_tointegerx(L, -1, &is_integer);
  if (!is_integer) vgl_error(L, "trainer: %s must be an integer, got %s", key, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return v;
}

static bool boolean(lua_State *L, const char *key) {
  lua_getfield(L, 2, key);
  bool v = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return v;
}

/* The place in `words` of the text at `key` of the table at `arg`; `absent` without one. */
static int word_or(lua_State *L, int arg, const char *who, const char *key, const char *const *words, int absent) {
  if (lua_getfield(L, arg, key) == LUA_TNIL) {
    lua_pop(L, 1);
    return absent;
  }
  const char *text = lua_tostring(L, -1);
  for (int i = 0; text && words[i]; i++) {
    if (strcmp(text, words[i]) != 0) continue;
    lua_pop(L, 1);
    return i;
  }
  const char *near = text ? vgl_nearest(text, words) : NULL;
  return vgl_error(L, "%s: unknown %s '%s'; did you mean '%s'?", who, key, luaL_tolstring(L, -1, NULL), near ? near : words[0]);
}

static int word(lua_State *L, const char *key, const char *const *words) { return word_or(L, 2, "trainer", key, words, 0); }

static void read_places(lua_State *L, vg_schedule *s) {
  if (lua_getfield(L, 2, "at") != LUA_TNIL) {
    if (!lua_istable(L, -1)) vgl_error(L, "trainer: at must be a list of steps");
    s->n_at = (int)lua_rawlen(L, -1);
    for (int i = 0; i < s->n_at && i < VG_SCHEDULE_STEPS; i++) {
      lua_rawgeti(L, -1, i + 1);
      s->at[i] = luaL_checkinteger(L, -1);
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

/* The loss name it points to lives in the options table, which stays on the stack. */
static vg_trainer_opts read_options(lua_State *L) {
  vg_trainer_opts o = { 0 };
  vgl_checkkeys(L, 2, "trainer", KEYS);
  o.optim = vg_optim_defaults((vg_optim_kind)word(L, "optimiser", OPTIMISERS));
  o.optim.momentum = number(L, "momentum", o.optim.momentum);
  o.optim.nesterov = boolean(L, "nesterov");
  o.optim.beta1 = number(L, "beta1", o.optim.beta1);
  o.optim.beta2 = number(L, "beta2", o.optim.beta2);
  o.optim.eps = number(L, "eps", o.optim.eps);
  o.optim.weight_decay = number(L, "weight_decay", 0);
  o.optim.decay_norms = boolean(L, "decay_norms");
  o.optim.group = (vg_group)word(L, "group", vgl_groups);
  o.schedule.kind = (vg_schedule_kind)word(L, "schedule", SCHEDULES);
  o.schedule.lr = number(L, "lr", 0.1);
  o.schedule.warmup = integer(L, "warmup", 0);
  o.schedule.factor = number(L, "factor", 0.1);
  o.schedule.floor = number(L, "floor", 0);
  read_places(L, &o.schedule);
  o.total_steps = integer(L, "total_steps", 1);
  o.clip = number(L, "clip", 0);
  o.average = boolean(L, "average");
  o.average_shared = boolean(L, "average_shared");
  o.smoothing = number(L, "smoothing", 0);
  o.seed = (uint64_t)integer(L, "seed", 1);
  if (lua_getfield(L, 2, "replay") != LUA_TNIL) o.replay = lua_toboolean(L, -1) ? VG_REPLAY_ON : VG_REPLAY_OFF;
  lua_pop(L, 1);
  if (lua_getfield(L, 2, "comm") != LUA_TNIL) o.comm = vgl_checkcomm(L, lua_gettop(L));
  lua_pop(L, 1);
  if (lua_getfield(L, 2, "loss") != LUA_TNIL) o.loss = luaL_checkstring(L, -1);
  lua_pop(L, 1);
  return o;
}

/* --- trainer ---------------------------------------------------------------------------------------------------------------------- */

static int l_new(lua_State *L) {                          /* new(graph, options) -> trainer */
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_trainer_opts o = read_options(L);
  vg_trainer **box = lua_newuserdatauv(L, sizeof *box, 2);
  *box = NULL;
  luaL_setmetatable(L, TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);                            /* the graph outlives its trainer, and so does the communicator */
  lua_getfield(L, 2, "comm");
  lua_setiuservalue(L, -2, 2);
  vg_status s = vg_trainer_new(box, g, &o);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* trainer:step(x, y, settings?) -> loss, lr, gradient norm | nil, message, code. settings: a list of lists of slots, one a path. */
static int l_step(lua_State *L) {
  vg_trainer *t = check_trainer(L, 1);
  vg_tensor *x = vgl_checktensor(L, 2), *y = vgl_checktensor(L, 3);
  double loss;
  vg_paths paths = { .n = 1 };
  if (!lua_isnoneornil(L, 4)) paths.slots = vgl_checksettings(L, 4, t->g, &paths.n, "step");
  vg_status s = vg_trainer_step(&loss, t, x, y, &paths);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushnumber(L, loss);
  lua_pushnumber(L, t->lr);
  lua_pushnumber(L, t->grad_norm);
  return 3;
}

/* trainer:gradients(x, y, { settings = as in step, group = "weights" | "arch" | "both" (its own), frozen = false }) -> loss | nil, message, code.
 * They stand in graph:arena() afterwards, nothing is updated. frozen: batch norms use the batch's statistics and leave the running ones alone. */
static int l_gradients(lua_State *L) {
  static const char *const KNOWN[] = { "settings", "group", "frozen", NULL };
  static const char *const GROUPS[] = { "weights", "arch", "both", NULL };
  vg_trainer *t = check_trainer(L, 1);
  vg_tensor *x = vgl_checktensor(L, 2), *y = vgl_checktensor(L, 3);
  vg_gradient_opts o = { 0 };
  double loss;
  lua_settop(L, 4);
  if (!lua_isnil(L, 4)) {
    vgl_checkkeys(L, 4, "gradients", KNOWN);
    o.of = (vg_wanted)(VG_OF_WEIGHTS + word_or(L, 4, "gradients", "group", GROUPS, -1));
    lua_getfield(L, 4, "frozen");
    o.frozen = lua_toboolean(L, -1);
    if (lua_getfield(L, 4, "settings") != LUA_TNIL) {
      o.paths.slots = vgl_checksettings(L, lua_gettop(L), t->g, &o.paths.n, "gradients");
      if (o.paths.n == 0) return vgl_error(L, "gradients: settings are empty");
    }
  }
  vg_status s = vg_trainer_gradients(&loss, t, x, y, &o);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushnumber(L, loss);
  return 1;
}

static int l_update(lua_State *L) {                       /* trainer:update() -> lr, gradient norm | nil, message, code: the second part of step */
  vg_trainer *t = check_trainer(L, 1);
  vg_status s = vg_trainer_update(t);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushnumber(L, t->lr);
  lua_pushnumber(L, t->grad_norm);
  return 2;
}

static int l_rate(lua_State *L) {                         /* trainer:rate() -> the learning rate of the next step */
  lua_pushnumber(L, vg_trainer_rate(check_trainer(L, 1)));
  return 1;
}

/* trainer:virtual_step(rate) -> gain: the weights move as the next sgd step would move them with the gradients as they stand, at this rate, without
 * clipping. Momentum and step count stay. gain: how far a weight moves for one more unit of its gradient. */
static int l_virtual_step(lua_State *L) {
  double gain;
  vg_status s = vg_trainer_virtual_step(&gain, check_trainer(L, 1), luaL_checknumber(L, 2));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushnumber(L, gain);
  return 1;
}

static int l_momentum(lua_State *L) {                     /* trainer:momentum() -> that of sgd for its group, flat, shared | nil without one */
  vg_trainer *t = check_trainer(L, 1);
  vg_status s = VG_OK;
  if (t->opts.optim.kind == VG_SGD && t->optim->m) s = vgl_pushslice(L, t->g, t->optim->m, t->opts.optim.group);
  else lua_pushnil(L);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int l_place(lua_State *L) {                        /* trainer:place([epoch, batch]) -> step, epoch, batch; sets the last two first */
  vg_trainer *t = check_trainer(L, 1);
  if (!lua_isnoneornil(L, 2)) {
    int64_t epoch = luaL_checkinteger(L, 2), batch = luaL_checkinteger(L, 3);
    luaL_argcheck(L, epoch >= 0, 2, "epoch counts from 0");
    luaL_argcheck(L, batch >= 0, 3, "batch counts from 0");
    t->epoch = epoch;
    t->batch = batch;
  }
  lua_pushinteger(L, t->step);
  lua_pushinteger(L, t->epoch);
  lua_pushinteger(L, t->batch);
  return 3;
}

static int l_save(lua_State *L) {                         /* trainer:save(path, text?) -> true | nil, message, code */
  vg_trainer *t = check_trainer(L, 1);
  vg_status s = vg_checkpoint_save(luaL_checkstring(L, 2), t, luaL_optstring(L, 3, NULL));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_load(lua_State *L) {                         /* trainer:load(path) -> true, text or nil, fell back to .prev | nil, message, code */
  vg_trainer *t = check_trainer(L, 1);
  vg_checkpoint_loaded loaded;
  vg_status s = vg_checkpoint_load(&loaded, t, luaL_checkstring(L, 2));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  if (loaded.user) vgl_pushtext(L, loaded.user, strlen(loaded.user));
  else lua_pushnil(L);
  lua_pushboolean(L, loaded.fell_back);
  return 3;
}

static int l_close(lua_State *L) {
  vg_trainer **box = luaL_checkudata(L, 1, TYPE);
  vg_trainer_free(*box);
  *box = NULL;
  return 0;
}

static int l_tostring(lua_State *L) {
  vg_trainer **box = luaL_checkudata(L, 1, TYPE);
  if (*box) lua_pushfstring(L, "vega.trainer (step %I)", (LUAI_UACINT)(*box)->step);
  else lua_pushstring(L, "vega.trainer (closed)");
  return 1;
}

/* --- functions -------------------------------------------------------------------------------------------------------------------- */

static int l_score(lua_State *L) {                        /* score(graph, x, labels, slots?) -> samples, correct, sum of losses | nil, ... */
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_tensor *x = vgl_checktensor(L, 2), *y = vgl_checktensor(L, 3);
  vg_score score = { 0 };
  vg_status s = vg_score_add(&score, g, x, y, vgl_optslots(L, 4, g));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, score.n);
  lua_pushinteger(L, score.correct);
  lua_pushnumber(L, score.loss_sum);
  return 3;
}

static int l_has_checkpoint(lua_State *L) {               /* has_checkpoint(path) -> boolean */
  lua_pushboolean(L, vg_checkpoint_exists(luaL_checkstring(L, 1)));
  return 1;
}

static const luaL_Reg METHODS[] = {
  { "step", l_step }, { "gradients", l_gradients }, { "update", l_update }, { "rate", l_rate }, { "virtual_step", l_virtual_step },
  { "momentum", l_momentum }, { "place", l_place }, { "save", l_save }, { "load", l_load }, { "close", l_close }, { NULL, NULL }
};
static const luaL_Reg META[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "new", l_new }, { "score", l_score }, { "has_checkpoint", l_has_checkpoint }, { NULL, NULL } };

int luaopen_vega_core_train(lua_State *L) {
  vgl_newtype(L, TYPE, META, METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
