/* vega.core.space: fast draws from compiled search spaces, and the numbers Lua has no function for.
 * A sampler keeps the arrays of vg_sampler in user values, so the collector frees everything and any check below may raise. */
#include "base/sample.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "bind/vgl.h"

#define TYPE "vega.space.sampler"

typedef enum emit_kind { EMIT_LISTED, EMIT_INTEGER, EMIT_STEP, EMIT_CODE, EMIT_LIST_OF } emit_kind;

/* How a code becomes a Lua value: an entry of the decision's list, base + index*step, the code itself, or a list of entries. */
typedef struct emit {
  emit_kind kind;
  lua_Integer base, step;
} emit;

typedef struct sampler {
  vg_sampler s;
  emit *emits;
  double *codes;
} sampler;

/* User values of the box: Lua tables first, then the arrays, which only need to stay alive. */
enum { UV_NAMES = 1, UV_VALUES, UV_ARRAYS, UV_COUNT = UV_ARRAYS };

static const char *const KINDS[] = { "index", "weighted", "log_step", "float", "log_float", "normal", "log_normal", "subset", "sequence",
  "permutation", NULL };

/* A zeroed array that lives as long as the table at `keep`. [-0, +0, m] */
static void *new_array(lua_State *L, int keep, size_t count, size_t size) {
  size_t bytes = (count + 1) * size;
  void *p = memset(lua_newuserdatauv(L, bytes, 0), 0, bytes);
  lua_rawseti(L, keep, (lua_Integer)lua_rawlen(L, keep) + 1);
  return p;
}

/* The list of numbers in field `name` of the description at 1. [-0, +0, e] */
static double *number_list(lua_State *L, int keep, const char *name, size_t *count) {
  if (lua_getfield(L, 1, name) != LUA_TTABLE) luaL_error(L, "space.sampler: '%s' must be a list", name);
  *count = lua_rawlen(L, -1);
  double *list = new_array(L, keep, *count, sizeof *list);
  for (size_t i = 0; i < *count; i++) {
    if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TNUMBER) luaL_error(L, "space.sampler: '%s' must hold numbers", name);
    list[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return list;
}

static double number_field(lua_State *L, const char *name, double otherwise) {      /* of the table on top. [-0, +0, -] */
  double v = lua_getfield(L, -1, name) == LUA_TNUMBER ? lua_tonumber(L, -1) : otherwise;
  lua_pop(L, 1);
  return v;
}

static lua_Integer integer_field(lua_State *L, const char *name, lua_Integer otherwise) {
  lua_Integer v = lua_getfield(L, -1, name) == LUA_TNUMBER ? lua_tointeger(L, -1) : otherwise;
  lua_pop(L, 1);
  return v;
}

static vg_draw_kind kind_field(lua_State *L) {
  lua_getfield(L, -1, "kind");
  const char *name = lua_tostring(L, -1);
  for (int k = 0; name && KINDS[k]; k++)
    if (strcmp(name, KINDS[k]) == 0) {
      lua_pop(L, 1);
      return (vg_draw_kind)k;
    }
  return (vg_draw_kind)luaL_error(L, "space.sampler: unknown kind '%s'", name ? name : "nil");
}

static size_t slots_of(const vg_draw *d) {
  if (d->kind == VG_DRAW_SUBSET) return (size_t)d->high + 1;
  if (d->kind == VG_DRAW_SEQUENCE) return (size_t)d->high;
  return d->kind == VG_DRAW_PERMUTATION ? (size_t)d->n : 1;
}

/* Lists of values, ints and steps differ only in what is pushed for an index. */
static emit emit_of(lua_State *L, const vg_draw *d) {
  emit e = { EMIT_LISTED, integer_field(L, "base", 0), integer_field(L, "integer_step", 0) };
  if (d->kind >= VG_DRAW_SUBSET) e.kind = EMIT_LIST_OF;
  else if (d->kind >= VG_DRAW_FLOAT) e.kind = EMIT_CODE;
  else if (e.step != 0) e.kind = EMIT_INTEGER;
  else if (d->step != 0) e.kind = EMIT_STEP;
  return e;
}

static void read_draw(lua_State *L, vg_draw *d, const double *cumulative, size_t n_cumulative) {
  d->kind = kind_field(L);
  d->n = integer_field(L, "n", 1);
  d->low = (int)integer_field(L, "low", 0);
  d->high = (int)integer_field(L, "high", 0);
  d->lo = number_field(L, "lo", 0);
  d->hi = number_field(L, "hi", 0);
  d->step = number_field(L, "step", 0);
  d->mean = number_field(L, "mean", 0);
  d->sd = number_field(L, "sd", 1);
  d->guard = (size_t)integer_field(L, "guard", 0);
  d->guard_length = (size_t)integer_field(L, "guard_length", 0);
  size_t first = (size_t)integer_field(L, "cumulative", 0);
  size_t wanted = d->kind == VG_DRAW_WEIGHTED ? (size_t)d->n : d->kind == VG_DRAW_SUBSET ? (size_t)(d->high - d->low) + 1 : 0;
  if (d->n < 1 || d->low < 0 || d->high < d->low || first > n_cumulative || wanted > n_cumulative - first)
    luaL_error(L, "space.sampler: a decision's numbers disagree");
  d->cumulative = cumulative + first;
}

/* Guards come as four numbers a step: op, decision (from 1), first interval (from 0), count. [-0, +0, e] */
static void read_guards(lua_State *L, sampler *b, int keep, vg_draw *draws) {
  size_t n_numbers, n_bounds;
  double *flat = number_list(L, keep, "guards", &n_numbers), *bounds = number_list(L, keep, "intervals", &n_bounds);
  vg_guard *guards = new_array(L, keep, n_numbers / 4, sizeof *guards);
  vg_interval *intervals = new_array(L, keep, n_bounds / 2, sizeof *intervals);
  for (size_t i = 0; i < n_bounds / 2; i++) intervals[i] = (vg_interval){ bounds[2 * i], bounds[2 * i + 1] };
  for (size_t i = 0; i < n_numbers / 4; i++) {
    const double *g = flat + 4 * i;
    size_t decision = (size_t)g[1];
    if (g[0] == VG_GUARD_WITHIN && (decision < 1 || decision > b->s.n_draws || g[2] + g[3] > (double)(n_bounds / 2)))
      luaL_error(L, "space.sampler: a condition looks outside the space");
    guards[i] = (vg_guard){ (vg_guard_op)g[0], g[0] == VG_GUARD_WITHIN ? draws[decision - 1].slot : 0, (size_t)g[2], (size_t)g[3] };
  }
  for (size_t i = 0; i < b->s.n_draws; i++)
    if (draws[i].guard + draws[i].guard_length > n_numbers / 4) luaL_error(L, "space.sampler: a condition is cut off");
  b->s.guards = guards;
  b->s.intervals = intervals;
}

/* sampler{ draws =, names =, values =, guards =, intervals =, cumulative = } -> sampler. Written by lua/vega/space/sample.lua alone. */
static int l_sampler(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  sampler *b = lua_newuserdatauv(L, sizeof *b, UV_COUNT);
  *b = (sampler){ 0 };
  luaL_setmetatable(L, TYPE);
  lua_newtable(L);                                                        /* 3: the arrays */
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 2, UV_ARRAYS);
  lua_getfield(L, 1, "names");
  lua_setiuservalue(L, 2, UV_NAMES);
  lua_getfield(L, 1, "values");
  lua_setiuservalue(L, 2, UV_VALUES);
  size_t n_cumulative;
  const double *cumulative = number_list(L, 3, "cumulative", &n_cumulative);
  lua_getfield(L, 1, "draws");
  luaL_checktype(L, -1, LUA_TTABLE);
  size_t n = lua_rawlen(L, -1), n_slots = 0;
  vg_draw *draws = new_array(L, 3, n, sizeof *draws);
  b->emits = new_array(L, 3, n, sizeof *b->emits);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    read_draw(L, &draws[i], cumulative, n_cumulative);
    draws[i].slot = n_slots;
    n_slots += slots_of(&draws[i]);
    b->emits[i] = emit_of(L, &draws[i]);
    lua_pop(L, 1);
  }
  b->codes = new_array(L, 3, n_slots, sizeof *b->codes);
  b->s = (vg_sampler){ .draws = draws, .n_draws = n, .n_slots = n_slots };
  read_guards(L, b, 3, draws);
  lua_settop(L, 2);
  return 1;
}

/* Pushes the list of a subset, sequence or permutation; its values are at stack place `values`. [-0, +1, m] */
static void push_list(lua_State *L, const vg_draw *d, const double *codes, int values) {
  int n = d->kind == VG_DRAW_SUBSET ? (int)codes[0] : d->kind == VG_DRAW_SEQUENCE ? d->high : (int)d->n;
  if (d->kind == VG_DRAW_SUBSET) codes++;
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, values, (lua_Integer)codes[i] + 1);
    lua_rawseti(L, -2, i + 1);
  }
}

static void push_value(lua_State *L, const sampler *b, size_t i, int all_values) {  /* [-0, +1, m] */
  const vg_draw *d = &b->s.draws[i];
  const emit *e = &b->emits[i];
  double code = b->codes[d->slot];
  switch (e->kind) {
    case EMIT_INTEGER: lua_pushinteger(L, e->base + (lua_Integer)code * e->step); return;
    case EMIT_STEP: lua_pushnumber(L, d->lo + code * d->step); return;
    case EMIT_CODE: lua_pushnumber(L, code); return;
    default: break;
  }
  lua_rawgeti(L, all_values, (lua_Integer)i + 1);
  if (e->kind == EMIT_LISTED) lua_rawgeti(L, -1, (lua_Integer)code + 1);
  else push_list(L, d, b->codes + d->slot, lua_gettop(L));
  lua_remove(L, -2);
}

/* sampler:draw(rng) -> an architecture */
static int l_draw(lua_State *L) {
  sampler *b = luaL_checkudata(L, 1, TYPE);
  vg_rng *rng = vgl_checkrng(L, 2);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, UV_NAMES);                                      /* 3 */
  lua_getiuservalue(L, 1, UV_VALUES);                                     /* 4 */
  vg_sample(b->codes, &b->s, rng);
  lua_createtable(L, 0, b->s.n_draws < INT_MAX ? (int)b->s.n_draws : 0);
  for (size_t i = 0; i < b->s.n_draws; i++) {
    if (isnan(b->codes[b->s.draws[i].slot])) continue;
    lua_rawgeti(L, 3, (lua_Integer)i + 1);
    push_value(L, b, i, 4);
    lua_rawset(L, -3);
  }
  return 1;
}

/* The place of a code in [0, 1]; the same as domain:unit of its value. */
static double unit_of(const vg_draw *d, double code) {
  switch (d->kind) {
    case VG_DRAW_LOG_STEP: {
      double low = d->lo - d->step / 2 > 0 ? d->lo - d->step / 2 : d->lo / 2, high = d->lo + ((double)d->n - 0.5) * d->step;
      return log((d->lo + code * d->step) / low) / log(high / low);
    }
    case VG_DRAW_FLOAT: return d->hi > d->lo ? (code - d->lo) / (d->hi - d->lo) : 0.5;
    case VG_DRAW_LOG_FLOAT: return d->hi > d->lo ? log(code / d->lo) / log(d->hi / d->lo) : 0.5;
    case VG_DRAW_NORMAL: return vg_normal_cut_share(code, d->mean, d->sd, d->lo, d->hi);
    case VG_DRAW_LOG_NORMAL: return vg_normal_cut_share(log(code), d->mean, d->sd, d->lo, d->hi);
    default: return (code + 0.5) / (double)d->n;
  }
}

/* sampler:rows(n, rng) -> a list of n encoded configurations: one number in [0, 1] a decision, -1 for an inactive one. */
static int l_rows(lua_State *L) {
  sampler *b = luaL_checkudata(L, 1, TYPE);
  lua_Integer n = luaL_checkinteger(L, 2);
  vg_rng *rng = vgl_checkrng(L, 3);
  luaL_argcheck(L, n >= 0 && n < INT_MAX, 2, "a number of rows expected");
  lua_createtable(L, (int)n, 0);
  for (lua_Integer row = 1; row <= n; row++) {
    vg_sample(b->codes, &b->s, rng);
    lua_createtable(L, (int)b->s.n_draws, 0);
    for (size_t i = 0; i < b->s.n_draws; i++) {
      double code = b->codes[b->s.draws[i].slot];
      lua_pushnumber(L, isnan(code) ? -1 : unit_of(&b->s.draws[i], code));
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_rawseti(L, -2, row);
  }
  return 1;
}

static int l_tostring(lua_State *L) {
  sampler *b = luaL_checkudata(L, 1, TYPE);
  lua_pushfstring(L, "space sampler (%d decisions)", (int)b->s.n_draws);
  return 1;
}

/* permute(index, n, key) -> index: a permutation of 1..n named by key. */
static int l_permute(lua_State *L) {
  lua_Integer i = luaL_checkinteger(L, 1), n = luaL_checkinteger(L, 2), key = luaL_checkinteger(L, 3);
  luaL_argcheck(L, i >= 1 && i <= n, 1, "an index from 1 to n expected");
  lua_pushinteger(L, (lua_Integer)vg_permute((uint64_t)(i - 1), (uint64_t)n, (uint64_t)key) + 1);
  return 1;
}

static int l_normal_quantile(lua_State *L) {          /* normal_quantile(p, mean, sd, lo, hi) -> x */
  lua_pushnumber(L, vg_normal_cut_quantile(luaL_checknumber(L, 1), luaL_checknumber(L, 2), luaL_checknumber(L, 3), luaL_checknumber(L, 4),
    luaL_checknumber(L, 5)));
  return 1;
}

static int l_normal_share(lua_State *L) {             /* normal_share(x, mean, sd, lo, hi) -> p */
  lua_pushnumber(L, vg_normal_cut_share(luaL_checknumber(L, 1), luaL_checknumber(L, 2), luaL_checknumber(L, 3), luaL_checknumber(L, 4),
    luaL_checknumber(L, 5)));
  return 1;
}

static int l_nextafter(lua_State *L) {                /* nextafter(x, towards) -> the neighbouring double */
  lua_pushnumber(L, nextafter(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
  return 1;
}

static const luaL_Reg METHODS[] = { { "draw", l_draw }, { "rows", l_rows }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = {
  { "nextafter", l_nextafter }, { "normal_quantile", l_normal_quantile }, { "normal_share", l_normal_share },
  { "permute", l_permute },     { "sampler", l_sampler },                 { NULL, NULL },
};

int luaopen_vega_core_space(lua_State *L) {
  vgl_newtype(L, TYPE, METHODS, NULL);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
