/* vega.core.model.maximise(rows, { kind =, objectives =, constraints =, best =, ... }) -> rows not yet in the table, the best first. */
#include "bind/model.h"
#include "model/forest.h"

#include <string.h>

static vg_status predict_gp(void *model, double *mean, double *sd, const double *points, size_t m) {
  return vg_gp_predict(model, mean, sd, points, m);
}
static void slope_gp(void *model, double *mean, double *sd, double *mean_slope, double *sd_slope, const double *point) {
  vg_gp_predict_slope(model, mean, sd, mean_slope, sd_slope, point);
}
static vg_status predict_forest(void *model, double *mean, double *sd, const double *points, size_t m) {
  return vg_forest_predict(model, mean, sd, points, m);
}

bool vgl_tosurrogate(lua_State *L, int arg, vg_surrogate *out) {
  void **box = luaL_testudata(L, arg, VGL_GP);
  if (box) {
    *out = (vg_surrogate){ predict_gp, slope_gp, *box };
    return true;
  }
  box = luaL_testudata(L, arg, VGL_FOREST);
  if (box) *out = (vg_surrogate){ predict_forest, NULL, *box };
  return box != NULL;
}

static const char *const KINDS[] = { "ei", "log_ei", "lcb", "ehvi", "feasible", NULL };
static const char *const KEYS[] = { "kind", "objectives", "constraints", "best", "kappa", "front", "reference", "elite", "extra", "random", "local_",
                                    "step", "starts", "rounds", "keep", "seed", NULL };

/* The models of a list at `key`; the list stays on the stack and keeps them alive.  [-0, +2, e] */
static vg_surrogate *check_models(lua_State *L, const char *key, size_t *n) {
  lua_getfield(L, 2, key);
  *n = lua_isnil(L, -1) ? 0 : lua_rawlen(L, -1);
  int list = lua_gettop(L);
  vg_surrogate *models = lua_newuserdatauv(L, (*n + 1) * sizeof *models, 0);
  for (size_t i = 0; i < *n; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    if (!vgl_tosurrogate(L, -1, &models[i])) vgl_error(L, "maximise: %s must be a list of models", key);
    lua_pop(L, 1);
  }
  return models;
}

static vg_bayes_kind check_kind(lua_State *L) {
  lua_getfield(L, 2, "kind");
  const char *word = luaL_checkstring(L, -1);
  for (int i = 0; KINDS[i]; i++)
    if (strcmp(KINDS[i], word) == 0) return (vg_bayes_kind)i;
  const char *near = vgl_nearest(word, KINDS);
  return (vg_bayes_kind)vgl_error(L, "maximise: unknown kind '%s'; did you mean '%s'?", word, near ? near : "ei");
}

static void read_front(lua_State *L, vg_bayes *b) {
  size_t n;
  lua_getfield(L, 2, "front");
  b->front = vgl_checkpoints(L, lua_gettop(L), 2, &b->n_front);
  lua_getfield(L, 2, "reference");
  double *reference = vgl_checkdoubles(L, lua_gettop(L), &n);
  if (n != 2) vgl_error(L, "maximise: a reference of two numbers expected");
  memcpy(b->reference, reference, sizeof b->reference);
}

/* Everything in `opts`: the acquisition, and where to look for its maximum. */
static int l_maximise(lua_State *L) {
  vg_rows *rows = vgl_checkrows(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  luaL_checkstack(L, 40, NULL);
  vgl_checkkeys(L, 2, "maximise", KEYS);
  size_t n_objectives, n_elite = 0, n_extra = 0, found;
  vg_bayes b = { .kind = check_kind(L), .n_columns = rows->columns->n, .best = vgl_numberfield(L, 2, "best", 0),
    .kappa = vgl_numberfield(L, 2, "kappa", 1.96) };
  vg_surrogate *objectives = check_models(L, "objectives", &n_objectives);
  b.constraint = check_models(L, "constraints", &b.n_constraints);
  size_t wanted = b.kind == VG_BAYES_FEASIBLE ? 0 : b.kind == VG_BAYES_EHVI ? 2 : 1;
  if (n_objectives < wanted) vgl_error(L, "maximise: kind '%s' wants %d objectives, got %d", KINDS[b.kind], (int)wanted, (int)n_objectives);
  for (size_t i = 0; i < wanted; i++) b.objective[i] = objectives[i];
  if (b.kind == VG_BAYES_EHVI) read_front(L, &b);
  uint32_t *elite = NULL;
  double *extra = NULL;
  if (lua_getfield(L, 2, "elite") != LUA_TNIL) elite = vgl_checkindex(L, lua_gettop(L), rows, &n_elite);
  if (lua_getfield(L, 2, "extra") != LUA_TNIL) extra = vgl_checkpoints(L, lua_gettop(L), rows->columns->n, &n_extra);
  vg_search_opts opts = { .n_random = vgl_countfield(L, 2, "random", 1000), .n_local = vgl_countfield(L, 2, "local_", 100),
    .step = vgl_numberfield(L, 2, "step", 0.1), .n_starts = vgl_countfield(L, 2, "starts", 10), .rounds = (int)vgl_countfield(L, 2, "rounds", 10) };
  size_t keep = vgl_countfield(L, 2, "keep", 16);
  lua_getfield(L, 2, "seed");
  vg_rng rng = vg_rng_at((uint64_t)luaL_checkinteger(L, -1), 0);
  double *out = lua_newuserdatauv(L, (keep * rows->columns->n + 1) * sizeof *out, 0);
  vg_acquisition acquisition = vg_bayes_acquisition(&b);
  vg_status s = vg_search_maximise(out, &found, keep, &acquisition, rows, elite, n_elite, extra, n_extra, &opts, &rng);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushpoints(L, out, found, rows->columns->n);
  return 1;
}

void vgl_open_bayes(lua_State *L) {
  lua_pushcfunction(L, l_maximise);
  lua_setfield(L, -2, "maximise");
}
