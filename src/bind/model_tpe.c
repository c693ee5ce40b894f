/* vega.core.model.tpe(rows, good, bad, { candidates =, prior_weight =, multivariate =, keep =, seed = }) -> a list of rows, best first. */
#include "bind/model.h"
#include "model/tpe.h"

static int l_tpe(lua_State *L) {
  static const char *const KEYS[] = { "candidates", "prior_weight", "multivariate", "keep", "seed", NULL };
  vg_rows *rows = vgl_checkrows(L, 1);
  size_t n_good, n_bad;
  luaL_checktype(L, 4, LUA_TTABLE);
  lua_settop(L, 4);
  vgl_checkkeys(L, 4, "tpe", KEYS);
  uint32_t *good = vgl_checkindex(L, 2, rows, &n_good), *bad = vgl_checkindex(L, 3, rows, &n_bad);
  vg_tpe_opts opts = { .candidates = vgl_countfield(L, 4, "candidates", 24), .prior_weight = vgl_numberfield(L, 4, "prior_weight", 1),
    .multivariate = vgl_boolfield(L, 4, "multivariate", true) };
  size_t keep = vgl_countfield(L, 4, "keep", 1);
  if (keep < 1 || keep > opts.candidates) vgl_error(L, "tpe: keep must be 1 to %d", (int)opts.candidates);
  lua_getfield(L, 4, "seed");
  vg_rng rng = vg_rng_at((uint64_t)luaL_checkinteger(L, -1), 0);
  double *out = lua_newuserdatauv(L, keep * rows->columns->n * sizeof *out, 0);
  vg_status s = vg_tpe_suggest(out, keep, rows, good, n_good, bad, n_bad, &opts, &rng);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushpoints(L, out, keep, rows->columns->n);
  return 1;
}

void vgl_open_tpe(lua_State *L) {
  lua_pushcfunction(L, l_tpe);
  lua_setfield(L, -2, "tpe");
}
