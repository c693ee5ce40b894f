/* vega.core.pareto: ranks, crowding, hypervolume, niching of lists of points, all objectives minimised. */
#include "base/pareto.h"

#include <math.h>

#include "base/niche.h"
#include "bind/vgl.h"

#define NICHES "vega.niches"
#define CROWD "vega.crowd"

/* Userdata buffers: collected by Lua, so that any check below may raise.  [-0, +1, e] */
static double *check_points(lua_State *L, int arg, size_t *n, size_t *m) {
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = lua_rawlen(L, arg);
  *m = 1;
  if (*n > 0) {
    luaL_argcheck(L, lua_rawgeti(L, arg, 1) == LUA_TTABLE, arg, "a list of points expected");
    *m = lua_rawlen(L, -1);
    lua_pop(L, 1);
    luaL_argcheck(L, *m > 0, arg, "a point has no objectives");
  }
  double *f = lua_newuserdatauv(L, (*n * *m + 1) * sizeof *f, 0);
  for (size_t i = 0; i < *n; i++) {
    if (lua_rawgeti(L, arg, (lua_Integer)i + 1) != LUA_TTABLE || lua_rawlen(L, -1) != *m)
      luaL_error(L, "pareto: point %d does not have %d objectives", (int)i + 1, (int)*m);
    for (size_t k = 0; k < *m; k++) {
      if (lua_rawgeti(L, -1, (lua_Integer)k + 1) != LUA_TNUMBER)
        luaL_error(L, "pareto: point %d, objective %d is not a number", (int)i + 1, (int)k + 1);
      f[i * *m + k] = lua_tonumber(L, -1);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  return f;
}

/* [-0, +1, e] */
static double *check_numbers(lua_State *L, int arg, size_t n, const char *what) {
  luaL_checktype(L, arg, LUA_TTABLE);
  if (lua_rawlen(L, arg) != n) luaL_error(L, "pareto: %d %s expected, got %d", (int)n, what, (int)lua_rawlen(L, arg));
  double *v = lua_newuserdatauv(L, (n + 1) * sizeof *v, 0);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, arg, (lua_Integer)i + 1);
    luaL_argcheck(L, lua_isnumber(L, -1), arg, "a list of numbers expected");
    v[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return v;
}

/* [-0, +1, m] */
static void push_numbers(lua_State *L, const double *v, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushnumber(L, v[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* [-0, +1, m] */
static void push_ranks(lua_State *L, const int *rank, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushinteger(L, rank[i] + 1);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* A buffer of n elements, collected by Lua.  [-0, +1, m] */
#define BUFFER(L, type, n) ((type *)lua_newuserdatauv(L, ((n) + 1) * sizeof(type), 0))

static double *opt_violations(lua_State *L, int arg, size_t n) {
  return lua_isnoneornil(L, arg) ? NULL : check_numbers(L, arg, n, "violations");
}

static int *check_ranks(lua_State *L, int arg, size_t n) {
  double *given = check_numbers(L, arg, n, "ranks");
  int *rank = BUFFER(L, int, n);
  for (size_t i = 0; i < n; i++) {
    luaL_argcheck(L, given[i] >= 1 && given[i] <= (double)n, arg, "ranks from 1 to the number of points expected");
    rank[i] = (int)given[i] - 1;
  }
  return rank;
}

static int l_rank(lua_State *L) {                     /* rank(points [, violations]) -> list of ranks, 1 = nobody dominates */
  size_t n, m;
  lua_settop(L, 2);
  double *f = check_points(L, 1, &n, &m);
  double *violation = opt_violations(L, 2, n);
  int *rank = BUFFER(L, int, n);
  vg_status s = vg_pareto_rank(rank, f, violation, n, m);
  if (s != VG_OK) return vgl_fail(L, s);
  push_ranks(L, rank, n);
  return 1;
}

static int l_crowding(lua_State *L) {                 /* crowding(points, ranks) -> list of distances */
  size_t n, m;
  lua_settop(L, 2);
  double *f = check_points(L, 1, &n, &m);
  int *rank = check_ranks(L, 2, n);
  double *crowding = BUFFER(L, double, n);
  vg_status s = vg_pareto_crowding(crowding, f, rank, n, m);
  if (s != VG_OK) return vgl_fail(L, s);
  push_numbers(L, crowding, n);
  return 1;
}

static int l_hypervolume(lua_State *L) {              /* hypervolume(points, ref) -> number */
  size_t n, m;
  double volume = 0;
  lua_settop(L, 2);
  double *f = check_points(L, 1, &n, &m);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (n == 0) m = lua_rawlen(L, 2);
  double *ref = check_numbers(L, 2, m, "reference values");
  vg_status s = vg_pareto_hypervolume(&volume, f, ref, n, m);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushnumber(L, volume);
  return 1;
}

static int l_contributions(lua_State *L) {            /* contributions(points, ref) -> list: by how much the volume shrinks without each */
  size_t n, m;
  lua_settop(L, 2);
  double *f = check_points(L, 1, &n, &m);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (n == 0) m = lua_rawlen(L, 2);
  double *ref = check_numbers(L, 2, m, "reference values"), *contribution = BUFFER(L, double, n);
  vg_status s = vg_pareto_contributions(contribution, f, ref, n, m);
  if (s != VG_OK) return vgl_fail(L, s);
  push_numbers(L, contribution, n);
  return 1;
}

static int l_distance(lua_State *L) {                 /* distance(points, targets) -> { igd =, igd_plus =, epsilon =, spread = } */
  size_t n, m, n_target, m_target;
  vg_distance d;
  lua_settop(L, 2);
  double *f = check_points(L, 1, &n, &m);
  double *target = check_points(L, 2, &n_target, &m_target);
  luaL_argcheck(L, m == m_target || n == 0 || n_target == 0, 2, "as many objectives as the points have expected");
  vg_status s = vg_pareto_distance(&d, f, n, target, n_target, m);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_createtable(L, 0, 4);
  lua_pushnumber(L, d.spread);
  lua_setfield(L, -2, "spread");
  lua_pushnumber(L, d.igd);
  lua_setfield(L, -2, "igd");
  lua_pushnumber(L, d.igd_plus);
  lua_setfield(L, -2, "igd_plus");
  lua_pushnumber(L, d.epsilon);
  lua_setfield(L, -2, "epsilon");
  return 1;
}

static size_t check_count(lua_State *L, int arg, lua_Integer max) {
  lua_Integer v = luaL_checkinteger(L, arg);
  luaL_argcheck(L, v >= 1 && v <= max, arg, lua_pushfstring(L, "a whole number from 1 to %I expected", (LUAI_UACINT)max));
  return (size_t)v;
}

static int l_das_dennis_count(lua_State *L) {         /* das_dennis_count(objectives, divisions) -> number of directions (math.huge: too many) */
  size_t count = vg_das_dennis_count(check_count(L, 1, 1000), check_count(L, 2, 100000));
  if (count > (size_t)LUA_MAXINTEGER) lua_pushnumber(L, (lua_Number)HUGE_VAL);
  else lua_pushinteger(L, (lua_Integer)count);
  return 1;
}

static int l_das_dennis(lua_State *L) {               /* das_dennis(objectives, divisions) -> list of directions whose coordinates sum to 1 */
  size_t m = check_count(L, 1, 1000), divisions = check_count(L, 2, 100000), count = vg_das_dennis_count(m, divisions);
  luaL_argcheck(L, count <= 10000000 / m, 2, "that makes too many directions");
  double *w = BUFFER(L, double, count * m);
  vg_das_dennis(w, m, divisions);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    push_numbers(L, w + i * m, m);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_niches(lua_State *L) {                   /* niches(directions) -> the frame of reference of NSGA-III */
  size_t n, m;
  lua_settop(L, 1);
  double *direction = check_points(L, 1, &n, &m);
  vg_niche **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, NICHES);
  vg_status s = vg_niche_new(box, direction, n, m);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int niches_select(lua_State *L) {              /* niches:select(points, violations, capacity, seed) -> list of the places that survive */
  vg_niche *niche = *(vg_niche **)luaL_checkudata(L, 1, NICHES);
  size_t n, m;
  lua_settop(L, 5);
  double *f = check_points(L, 2, &n, &m);
  luaL_argcheck(L, n == 0 || m == vg_niche_objectives(niche), 2, "as many objectives as the directions have expected");
  double *violation = opt_violations(L, 3, n);
  size_t capacity = check_count(L, 4, LUA_MAXINTEGER);
  vg_rng rng = vg_rng_at((uint64_t)luaL_checkinteger(L, 5), vg_rng_stream("niches", 6, 0));
  int *rank = BUFFER(L, int, n);
  unsigned char *keep = BUFFER(L, unsigned char, n);
  vg_status s = n > 0 ? vg_pareto_rank(rank, f, violation, n, m) : VG_OK;
  if (s == VG_OK) s = vg_niche_select(keep, niche, f, rank, violation, n, capacity, &rng);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_createtable(L, (int)(n < capacity ? n : capacity), 0);
  for (size_t i = 0, at = 0; i < n; i++) {
    if (!keep[i]) continue;
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_rawseti(L, -2, (lua_Integer)++at);
  }
  return 1;
}

static int niches_frame(lua_State *L) {               /* niches:frame() -> ideal, nadir */
  vg_niche *niche = *(vg_niche **)luaL_checkudata(L, 1, NICHES);
  size_t m = vg_niche_objectives(niche);
  double *v = BUFFER(L, double, 2 * m);
  vg_niche_frame(v, v + m, niche);
  push_numbers(L, v, m);
  push_numbers(L, v + m, m);
  return 2;
}

static int niches_free(lua_State *L) {
  vg_niche **box = luaL_checkudata(L, 1, NICHES);
  vg_niche_free(*box);
  *box = NULL;
  return 0;
}

static int niches_tostring(lua_State *L) {
  vg_niche *niche = *(vg_niche **)luaL_checkudata(L, 1, NICHES);
  lua_pushfstring(L, "niches (%d objectives)", (int)vg_niche_objectives(niche));
  return 1;
}

static vg_crowd *check_crowd(lua_State *L) { return *(vg_crowd **)luaL_checkudata(L, 1, CROWD); }

/* A member's number, from 0.  [-0, +0, e] */
static size_t check_member(lua_State *L, int arg, const vg_crowd *c) {
  lua_Integer i = luaL_checkinteger(L, arg);
  luaL_argcheck(L, i >= 1 && (size_t)i <= vg_crowd_count(c), arg, "no such member");
  return (size_t)i - 1;
}

static int l_crowd(lua_State *L) {                    /* crowd(objectives, room) -> the sorted population of NSGA-II */
  size_t m = check_count(L, 1, 1000), room = check_count(L, 2, 10000000);
  vg_crowd **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, CROWD);
  vg_status s = vg_crowd_new(box, m, room);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int crowd_add(lua_State *L) {                  /* c:add(costs, violation): one member more, behind the others */
  vg_crowd *c = check_crowd(L);
  size_t m = vg_crowd_objectives(c);
  lua_settop(L, 3);
  vg_status s = vg_crowd_add(c, check_numbers(L, 2, m, "costs"), luaL_checknumber(L, 3));
  return s == VG_OK ? 0 : vgl_fail(L, s);
}

static int crowd_cut(lua_State *L) {                  /* c:cut(capacity) -> list of the places removed, each as of its own removal */
  vg_crowd *c = check_crowd(L);
  size_t capacity = check_count(L, 2, LUA_MAXINTEGER), n = vg_crowd_count(c), *removed = BUFFER(L, size_t, n);
  size_t count = vg_crowd_cut(removed, c, capacity);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushinteger(L, (lua_Integer)removed[i] + 1);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int crowd_before(lua_State *L) {               /* c:before(i, j) -> does member i come before member j? */
  vg_crowd *c = check_crowd(L);
  lua_pushboolean(L, vg_crowd_before(c, check_member(L, 2, c), check_member(L, 3, c)));
  return 1;
}

static int crowd_place(lua_State *L) {                /* c:place(i) -> rank, crowding distance */
  vg_crowd *c = check_crowd(L);
  size_t i = check_member(L, 2, c);
  lua_pushinteger(L, vg_crowd_rank(c, i) + 1);
  lua_pushnumber(L, vg_crowd_distance(c, i));
  return 2;
}

static int crowd_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)vg_crowd_count(check_crowd(L)));
  return 1;
}

static int crowd_free(lua_State *L) {
  vg_crowd **box = luaL_checkudata(L, 1, CROWD);
  vg_crowd_free(*box);
  *box = NULL;
  return 0;
}

static int crowd_tostring(lua_State *L) {
  vg_crowd *c = check_crowd(L);
  lua_pushfstring(L, "crowd (%d members, %d objectives)", (int)vg_crowd_count(c), (int)vg_crowd_objectives(c));
  return 1;
}

static const luaL_Reg FUNCTIONS[] = {
  { "contributions", l_contributions }, { "crowd", l_crowd },             { "crowding", l_crowding }, { "das_dennis", l_das_dennis },
  { "das_dennis_count", l_das_dennis_count }, { "distance", l_distance }, { "hypervolume", l_hypervolume }, { "niches", l_niches },
  { "rank", l_rank },                   { NULL, NULL },
};
static const luaL_Reg NICHES_METHODS[] = {
  { "frame", niches_frame }, { "select", niches_select }, { "__gc", niches_free }, { "__tostring", niches_tostring }, { NULL, NULL },
};
static const luaL_Reg CROWD_METHODS[] = {
  { "add", crowd_add },   { "before", crowd_before }, { "cut", crowd_cut },   { "place", crowd_place },
  { "__gc", crowd_free }, { "__len", crowd_len },     { "__tostring", crowd_tostring }, { NULL, NULL },
};

int luaopen_vega_core_pareto(lua_State *L) {
  vgl_newtype(L, NICHES, NICHES_METHODS, NULL);
  vgl_newtype(L, CROWD, CROWD_METHODS, NULL);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
