/* vega.core.model.ensemble(inputs [, { models =, layers =, width =, epochs =, rate =, l1 = }]) -> ensemble of perceptrons. */
#include "bind/model.h"
#include "model/ensemble.h"

typedef struct box {
  vg_ensemble *e;
  size_t inputs;
} box;

static box *check_box(lua_State *L, int arg) { return luaL_checkudata(L, arg, VGL_ENSEMBLE); }

static int ensemble_new(lua_State *L) {
  static const char *const KEYS[] = { "models", "layers", "width", "epochs", "rate", "l1", NULL };
  lua_Integer inputs = luaL_checkinteger(L, 1);
  luaL_argcheck(L, inputs > 0 && inputs < 1 << 20, 1, "1 to 2^20 inputs");
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  vgl_checkkeys(L, 2, "ensemble", KEYS);
  vg_ensemble_opts opts = { .models = vgl_countfield(L, 2, "models", 3), .layers = vgl_countfield(L, 2, "layers", 10),
    .width = vgl_countfield(L, 2, "width", 20), .epochs = vgl_countfield(L, 2, "epochs", 100), .rate = vgl_numberfield(L, 2, "rate", 1e-2),
    .l1 = vgl_numberfield(L, 2, "l1", 0) };
  box *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (box){ NULL, (size_t)inputs };
  luaL_setmetatable(L, VGL_ENSEMBLE);
  vg_status s = vg_ensemble_new(&b->e, b->inputs, &opts);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static float *check_floats(lua_State *L, int arg, size_t columns, size_t *n) {
  double *wide = vgl_checkpoints(L, arg, columns, n);
  float *narrow = lua_newuserdatauv(L, (*n * columns + 1) * sizeof *narrow, 0);
  for (size_t i = 0; i < *n * columns; i++) narrow[i] = (float)wide[i];
  return narrow;
}

static int ensemble_fit(lua_State *L) {               /* ensemble:fit(rows, y, seed): trains all models anew; every y > 0 */
  box *b = check_box(L, 1);
  size_t n, m;
  float *x = check_floats(L, 2, b->inputs, &n);
  double *wide = vgl_checkdoubles(L, 3, &m);
  luaL_argcheck(L, n == m, 3, "as many targets as rows expected");
  float *y = lua_newuserdatauv(L, (n + 1) * sizeof *y, 0);
  for (size_t i = 0; i < n; i++) y[i] = (float)wide[i];
  vg_rng rng = vg_rng_at((uint64_t)luaL_checkinteger(L, 4), 0);
  vg_status s = vg_ensemble_fit(b->e, x, y, n, &rng);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int ensemble_predict(lua_State *L) {           /* ensemble:predict(rows) -> means, standard deviations */
  box *b = check_box(L, 1);
  size_t m;
  float *x = check_floats(L, 2, b->inputs, &m);
  double *mean = lua_newuserdatauv(L, (2 * m + 1) * sizeof *mean, 0);
  vg_status s = vg_ensemble_predict(b->e, mean, mean + m, x, m);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushdoubles(L, mean, m);
  vgl_pushdoubles(L, mean + m, m);
  return 2;
}

static int ensemble_gc(lua_State *L) {
  box *b = check_box(L, 1);
  vg_ensemble_free(b->e);
  b->e = NULL;
  return 0;
}

static const luaL_Reg METHODS[] = { { "fit", ensemble_fit }, { "predict", ensemble_predict }, { "__gc", ensemble_gc }, { NULL, NULL } };

void vgl_open_ensemble(lua_State *L) {
  vgl_newtype(L, VGL_ENSEMBLE, METHODS, NULL);
  lua_pushcfunction(L, ensemble_new);
  lua_setfield(L, -2, "ensemble");
}
