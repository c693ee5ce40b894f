/* vega.core.model.gp: Gaussian processes. gp(rows [, noise]) -> gp; noise: a fixed variance of standardised targets, else fitted. */
#include "bind/model.h"

vg_gp **vgl_checkgp(lua_State *L, int arg) { return luaL_checkudata(L, arg, VGL_GP); }

static vg_rows *rows_of(lua_State *L, int arg) {      /* the table a model was made for */
  lua_getiuservalue(L, arg, 1);
  vg_rows *rows = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return rows;
}

static int gp_new(lua_State *L) {
  vg_rows *rows = vgl_checkrows(L, 1);
  double noise = luaL_optnumber(L, 2, -1);
  vg_gp **box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = NULL;
  luaL_setmetatable(L, VGL_GP);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  vg_status s = vg_gp_new(box, rows->columns, noise);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* gp:set_data(index, y): row numbers and their targets; rows beyond the targets are pending. -> true, or nil, message, code */
static int gp_set_data(lua_State *L) {
  vg_gp *gp = *vgl_checkgp(L, 1);
  vg_rows *rows = rows_of(L, 1);
  size_t all, n;
  uint32_t *index = vgl_checkindex(L, 2, rows, &all);
  double *y = vgl_checkdoubles(L, 3, &n);
  luaL_argcheck(L, n <= all, 3, "more targets than rows");
  vg_status s = vg_gp_set_data(gp, rows, index, n, all - n, y);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

/* gp:fit(restart, random, seed): fits the kernel's parameters. */
static int gp_fit(lua_State *L) {
  vg_gp *gp = *vgl_checkgp(L, 1);
  vg_rng rng = vg_rng_at((uint64_t)luaL_optinteger(L, 4, 0), 0);
  vg_status s = vg_gp_fit(gp, lua_toboolean(L, 2), (int)luaL_optinteger(L, 3, 0), &rng);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

/* gp:parameters(): log relevance of each column, log scale, log noise variance. */
static int gp_parameters(lua_State *L) {
  vg_gp *gp = *vgl_checkgp(L, 1);
  size_t n = rows_of(L, 1)->columns->n + 2;
  double *p = lua_newuserdatauv(L, n * sizeof *p, 0);
  vg_gp_get_parameters(gp, p);
  vgl_pushdoubles(L, p, n);
  return 1;
}

static int gp_set_parameters(lua_State *L) {          /* gp:set_parameters(list) */
  vg_gp *gp = *vgl_checkgp(L, 1);
  size_t n;
  double *p = vgl_checkdoubles(L, 2, &n);
  luaL_argcheck(L, n == rows_of(L, 1)->columns->n + 2, 2, "one number a column and two more expected");
  vg_status s = vg_gp_set_parameters(gp, p);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int gp_predict(lua_State *L) {                 /* gp:predict(points) -> means, standard deviations */
  vg_gp *gp = *vgl_checkgp(L, 1);
  size_t m, d = rows_of(L, 1)->columns->n;
  double *points = vgl_checkpoints(L, 2, d, &m);
  double *mean = lua_newuserdatauv(L, (2 * m + 1) * sizeof *mean, 0);
  vg_status s = vg_gp_predict(gp, mean, mean + m, points, m);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushdoubles(L, mean, m);
  vgl_pushdoubles(L, mean + m, m);
  return 2;
}

static int gp_gc(lua_State *L) {
  vg_gp **box = vgl_checkgp(L, 1);
  vg_gp_free(*box);
  *box = NULL;
  return 0;
}

static const luaL_Reg METHODS[] = {
  { "set_data", gp_set_data }, { "fit", gp_fit },   { "parameters", gp_parameters }, { "set_parameters", gp_set_parameters },
  { "predict", gp_predict },   { "__gc", gp_gc },   { NULL, NULL },
};

void vgl_open_gp(lua_State *L) {
  vgl_newtype(L, VGL_GP, METHODS, NULL);
  lua_pushcfunction(L, gp_new);
  lua_setfield(L, -2, "gp");
}
