/* vega.core.tensor: tensors in Lua. Positions and axes count from 1; data is written row by row. Arithmetic goes through vega.core.op,
 * so that it is recorded on the current tape like every other operator. */
#include "bind/op.h"
#include "bind/tensor.h"

#include <math.h>
#include <string.h>

/* -- options --------------------------------------------------------------------------------------------------------------------- */

/* The dtype of an options table { dtype = "bf16" } at `arg`. */
static vg_dtype check_options(lua_State *L, int arg, const char *who, vg_dtype def) {
  static const char *const KNOWN[] = { "dtype", NULL };
  if (lua_isnoneornil(L, arg)) return def;
  vgl_checkkeys(L, arg, who, KNOWN);
  lua_getfield(L, arg, "dtype");
  if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING) vgl_error(L, "%s: dtype must be a string", who);
  vg_dtype t = vgl_optdtype(L, lua_gettop(L), def);
  lua_pop(L, 1);
  return t;
}

static int finish(lua_State *L, vg_status s, vg_tensor *const *box) {
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_account(L, vg_tensor_bytes(*box));
  return 1;
}

/* -- constructors ---------------------------------------------------------------------------------------------------------------- */

/* zeros(shape [, { dtype = }]) */
static int tensor_zeros(lua_State *L) {
  vg_shape shape = vgl_checkshape(L, 1);
  vg_dtype dtype = check_options(L, 2, "tensor.zeros", VG_F32);
  vg_tensor **box = vgl_newtensor(L);
  return finish(L, vg_tensor_zeros(box, dtype, &shape), box);
}

static int new_filled(lua_State *L, double value, int options, const char *who) {
  vg_shape shape = vgl_checkshape(L, 1);
  vg_dtype dtype = check_options(L, options, who, VG_F32);
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_new(box, dtype, &shape);
  if (s == VG_OK) vg_tensor_fill(*box, value);
  return finish(L, s, box);
}

/* ones(shape [, options]) */
static int tensor_ones(lua_State *L) { return new_filled(L, 1, 2, "tensor.ones"); }

/* full(shape, value [, options]) */
static int tensor_full(lua_State *L) { return new_filled(L, luaL_checknumber(L, 2), 3, "tensor.full"); }

/* The f32 numbers were drawn; other dtypes are rounded from them. */
static int finish_random(lua_State *L, vg_status s, vg_tensor **box, vg_dtype dtype) {
  if (s != VG_OK || dtype == VG_F32) return finish(L, s, box);
  vg_tensor **cast = vgl_newtensor(L);
  return finish(L, vg_tensor_cast(cast, *box, dtype), cast);
}

/* randn(shape, rng [, options]) */
static int tensor_randn(lua_State *L) {
  vg_shape shape = vgl_checkshape(L, 1);
  vg_rng *r = vgl_checkrng(L, 2);
  vg_dtype dtype = check_options(L, 3, "tensor.randn", VG_F32);
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_new(box, VG_F32, &shape);
  if (s == VG_OK) vg_rng_fill_normal(r, vg_f32(*box), (size_t)vg_tensor_count(*box), 0, 1);
  return finish_random(L, s, box, dtype);
}

/* uniform(shape, rng [, lo, hi [, options]]) */
static int tensor_uniform(lua_State *L) {
  vg_shape shape = vgl_checkshape(L, 1);
  vg_rng *r = vgl_checkrng(L, 2);
  double lo = luaL_optnumber(L, 3, 0), hi = luaL_optnumber(L, 4, 1);
  luaL_argcheck(L, lo <= hi, 4, "bounds with lo <= hi expected");
  vg_dtype dtype = check_options(L, 5, "tensor.uniform", VG_F32);
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_new(box, VG_F32, &shape);
  if (s == VG_OK) vg_rng_fill_uniform(r, vg_f32(*box), (size_t)vg_tensor_count(*box), (float)lo, (float)hi);
  return finish_random(L, s, box, dtype);
}

/* arange(first, last [, step [, options]]): both ends included, as in Lua's for. */
static int tensor_arange(lua_State *L) {
  double first = luaL_checknumber(L, 1), last = luaL_checknumber(L, 2), step = luaL_optnumber(L, 3, 1);
  luaL_argcheck(L, step != 0 && isfinite(step), 3, "a step other than 0 expected");
  double steps = floor((last - first) / step);
  luaL_argcheck(L, steps < 1e9, 2, "too many elements");
  vg_dtype dtype = check_options(L, 4, "tensor.arange", VG_F32);
  vg_shape shape = VG_SHAPE(steps >= 0 ? (int64_t)steps + 1 : 0);
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_new(box, dtype, &shape);
  for (int64_t i = 0; s == VG_OK && i < shape.dim[0]; i++) vg_tensor_set(*box, i, first + (double)i * step);
  return finish(L, s, box);
}

/* The shape of a nested table, read along its first elements. */
static vg_shape nested_shape(lua_State *L, int arg) {
  vg_shape shape = { 0 };
  lua_pushvalue(L, arg);
  while (lua_istable(L, -1)) {
    if (shape.rank == VG_MAX_RANK) vgl_error(L, "tensor: at most %d levels of tables", VG_MAX_RANK);
    shape.dim[shape.rank++] = luaL_len(L, -1);
    lua_geti(L, -1, 1);
    lua_replace(L, -2);
  }
  lua_pop(L, 1);
  return shape;
}

/* Copies the table on top of the stack, level `axis`, to the elements from *at on. */
static void fill_nested(lua_State *L, vg_tensor *t, int axis, int64_t *at) {
  luaL_checkstack(L, 2, "tensor");
  if (axis == t->shape.rank) {
    if (lua_type(L, -1) != LUA_TNUMBER) vgl_error(L, "tensor: element %I: a number expected, got %s", (LUAI_UACINT)*at + 1, luaL_typename(L, -1));
    vg_tensor_set(t, (*at)++, lua_tonumber(L, -1));
    return;
  }
  if (!lua_istable(L, -1)) vgl_error(L, "tensor: level %d: a table expected, got %s", axis + 1, luaL_typename(L, -1));
  lua_Integer n = luaL_len(L, -1);
  if (n != t->shape.dim[axis]) vgl_error(L, "tensor: level %d: %I elements expected, got %I", axis + 1, (LUAI_UACINT)t->shape.dim[axis], (LUAI_UACINT)n);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, -1, i);
    fill_nested(L, t, axis + 1, at);
    lua_pop(L, 1);
  }
}

/* tensor.new(values [, shape] [, options]): nested tables, or a flat list with a shape, or one number. */
static int tensor_new(lua_State *L) {
  int has_shape = lua_istable(L, 2) && lua_rawlen(L, 2) > 0;  /* options have names only */
  vg_dtype dtype = check_options(L, has_shape ? 3 : 2, "tensor.new", VG_F32);
  vg_shape shape = nested_shape(L, 1);
  int64_t at = 0;
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_new(box, dtype, &shape);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushvalue(L, 1);
  fill_nested(L, *box, 0, &at);
  lua_pop(L, 1);
  if (!has_shape) return finish(L, VG_OK, box);
  shape = vgl_checkshape(L, 2);
  vg_tensor **view = vgl_newtensor(L);
  if (vg_shape_count(&shape) != vg_tensor_count(*box))
    return vgl_error(L, "tensor.new: %I values for a shape of %I", (LUAI_UACINT)vg_tensor_count(*box), (LUAI_UACINT)vg_shape_count(&shape));
  return finish(L, vg_tensor_view(view, *box, 0, &shape), view);
}

/* -- reading and writing --------------------------------------------------------------------------------------------------------- */

/* t:shape() -> list of lengths */
static int tensor_shape(lua_State *L) {
  const vg_tensor *t = vgl_checktensor(L, 1);
  lua_createtable(L, t->shape.rank, 0);
  for (int i = 0; i < t->shape.rank; i++) {
    lua_pushinteger(L, t->shape.dim[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* t:count() -> number of elements; also #t */
static int tensor_count(lua_State *L) {
  lua_pushinteger(L, vg_tensor_count(vgl_checktensor(L, 1)));
  return 1;
}

/* The element at the positions 2, 3, ... of the stack; one position for each axis. */
static int64_t check_index(lua_State *L, const vg_tensor *t, int n, const char *who) {
  int64_t at = 0;
  if (n != t->shape.rank) vgl_error(L, "%s: %d positions expected, got %d", who, t->shape.rank, n);
  for (int i = 0; i < n; i++) {
    lua_Integer p = luaL_checkinteger(L, i + 2);
    if (p < 1 || p > t->shape.dim[i])
      vgl_error(L, "%s: position %d must be from 1 to %I, got %I", who, i + 1, (LUAI_UACINT)t->shape.dim[i], (LUAI_UACINT)p);
    at = at * t->shape.dim[i] + p - 1;
  }
  return at;
}

static void push_element(lua_State *L, const vg_tensor *t, int64_t at) {
  double v = vg_tensor_get(t, at);
  if (t->dtype == VG_I32 || t->dtype == VG_U8) lua_pushinteger(L, (lua_Integer)v);
  else lua_pushnumber(L, v);
}

/* t:get(i, j, ...) */
static int tensor_get(lua_State *L) {
  const vg_tensor *t = vgl_checktensor(L, 1);
  push_element(L, t, check_index(L, t, lua_gettop(L) - 1, "get"));
  return 1;
}

/* t:set(i, j, ..., value) returns t. */
static int tensor_set(lua_State *L) {
  vg_tensor *t = vgl_checktensor(L, 1);
  double value = luaL_checknumber(L, lua_gettop(L));
  vg_tensor_set(t, check_index(L, t, lua_gettop(L) - 2, "set"), value);
  lua_settop(L, 1);
  return 1;
}

/* t:item(): the number of a tensor of one element. */
static int tensor_item(lua_State *L) {
  const vg_tensor *t = vgl_checktensor(L, 1);
  char text[VG_SHAPE_TEXT];
  if (vg_tensor_count(t) != 1) return vgl_error(L, "item: one element expected, the shape is %s", vg_shape_text(text, &t->shape));
  push_element(L, t, 0);
  return 1;
}

static void push_nested(lua_State *L, const vg_tensor *t, int axis, int64_t *at) {
  luaL_checkstack(L, 2, "totable");
  if (axis == t->shape.rank) {
    push_element(L, t, (*at)++);
    return;
  }
  lua_createtable(L, (int)t->shape.dim[axis], 0);
  for (int64_t i = 1; i <= t->shape.dim[axis]; i++) {
    push_nested(L, t, axis + 1, at);
    lua_rawseti(L, -2, i);
  }
}

/* t:totable(): nested tables (one number for a tensor without axes). */
static int tensor_totable(lua_State *L) {
  int64_t at = 0;
  push_nested(L, vgl_checktensor(L, 1), 0, &at);
  return 1;
}

/* t:fill(value) returns t. */
static int tensor_fill(lua_State *L) {
  vg_tensor_fill(vgl_checktensor(L, 1), luaL_checknumber(L, 2));
  lua_settop(L, 1);
  return 1;
}

/* t:assign(other): copies the values, converted, in place; returns t. */
static int tensor_assign(lua_State *L) {
  vg_tensor *t = vgl_checktensor(L, 1), *from = vgl_checktensor(L, 2);
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  if (vg_tensor_count(t) != vg_tensor_count(from))
    return vgl_error(L, "assign: %s cannot take %s", vg_shape_text(a, &t->shape), vg_shape_text(b, &from->shape));
  vg_status s = vg_tensor_assign(t, from);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_settop(L, 1);
  return 1;
}

/* Two f32 tensors of equal count at 1 and `arg`. */
static vg_tensor *check_pair(lua_State *L, int arg, const char *who) {
  const vg_tensor *t = vgl_checktensor(L, 1);
  vg_tensor *other = vgl_checktensor(L, arg);
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  if (t->dtype != VG_F32 || other->dtype != VG_F32 || vg_tensor_count(t) != vg_tensor_count(other))
    vgl_error(L, "%s: two f32 tensors of equal count expected, got %s %s and %s %s", who, vg_dtype_name(t->dtype), vg_shape_text(a, &t->shape),
              vg_dtype_name(other->dtype), vg_shape_text(b, &other->shape));
  return other;
}

/* t:blend(own, factor, other): t = own * t + factor * other in place (f32, not recorded); returns t. */
static int tensor_blend(lua_State *L) {
  double own = luaL_checknumber(L, 2), factor = luaL_checknumber(L, 3);
  vg_tensor_blend(vgl_checktensor(L, 1), own, factor, check_pair(L, 4, "blend"));
  lua_settop(L, 1);
  return 1;
}

/* t:dot(other) -> the sum of products over all elements, in double (f32, not recorded) */
static int tensor_dot(lua_State *L) {
  lua_pushnumber(L, vg_tensor_dot(vgl_checktensor(L, 1), check_pair(L, 2, "dot")));
  return 1;
}

/* -- copies and views ------------------------------------------------------------------------------------------------------------ */

/* t:copy() -> a tensor of its own memory */
static int tensor_copy(lua_State *L) {
  vg_tensor *t = vgl_checktensor(L, 1);
  vg_tensor **box = vgl_newtensor(L);
  return finish(L, vg_tensor_copy(box, t), box);
}

/* t:to(dtype): a converted copy. */
static int tensor_to(lua_State *L) {
  vg_tensor *t = vgl_checktensor(L, 1);
  luaL_checkstring(L, 2);
  vg_dtype dtype = vgl_optdtype(L, 2, t->dtype);
  vg_tensor **box = vgl_newtensor(L);
  return finish(L, vg_tensor_cast(box, t, dtype), box);
}

/* Does an operator on t belong on the current tape? A view would cut the gradient there. */
static bool is_recorded(lua_State *L, const vg_tensor *t) {
  vgl_tape *tape = vgl_current_tape(L);
  return tape && vg_tape_is_recording(tape->tape) && (t->wants_grad || t->tape_serial);
}

static int record_reshape(lua_State *L, vg_tensor *t, const vg_shape *shape) {
  vg_call c = { .n_in = 1, .in = { t } };
  vg_op_defaults(&c, vg_op_find("reshape"));
  c.arg[0] = shape->rank;
  for (int i = 0; i < shape->rank; i++) c.arg[1 + i] = (double)shape->dim[i];
  return vgl_apply(L, &c);
}

/* t:reshape{...}: a view; one length may be -1 and follows from the others. What a tape records is copied instead, so that its gradient flows. */
static int tensor_reshape(lua_State *L) {
  vg_tensor *t = vgl_checktensor(L, 1);
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  int open = 0;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer rank = luaL_len(L, 2);
  lua_createtable(L, (int)rank, 0);  /* a copy without the -1 */
  for (lua_Integer i = 1; i <= rank; i++) {
    lua_geti(L, 2, i);
    if (lua_isinteger(L, -1) && lua_tointeger(L, -1) == -1) {
      if (open) return vgl_error(L, "reshape: only one length may be -1");
      open = (int)i;
      lua_pop(L, 1);
      lua_pushinteger(L, 1);
    }
    lua_rawseti(L, -2, i);
  }
  vg_shape shape = vgl_checkshape(L, lua_gettop(L));
  int64_t known = vg_shape_count(&shape);
  if (open && known > 0) shape.dim[open - 1] = vg_tensor_count(t) / known;
  if (vg_shape_count(&shape) != vg_tensor_count(t))
    return vgl_error(L, "reshape: %s does not fit into %s", vg_shape_text(a, &t->shape), vg_shape_text(b, &shape));
  if (is_recorded(L, t)) return record_reshape(L, t, &shape);
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_view(box, t, 0, &shape);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int record_rows(lua_State *L, vg_tensor *t, lua_Integer a, lua_Integer b) {
  vg_call c = { .n_in = 1, .in = { t } };
  vg_op_defaults(&c, vg_op_find("slice"));
  c.arg[0] = 0;                                      /* axis, begin, end, step */
  c.arg[1] = (double)(a - 1);
  c.arg[2] = (double)b;
  return vgl_apply(L, &c);
}

/* t:rows(a, b): a view of the rows a to b of the first axis, both included; a copy where a tape records it, see reshape. */
static int tensor_rows(lua_State *L) {
  vg_tensor *t = vgl_checktensor(L, 1);
  lua_Integer a = luaL_checkinteger(L, 2), b = luaL_optinteger(L, 3, a);
  vg_shape shape = t->shape;
  if (shape.rank == 0) return vgl_error(L, "rows: the tensor has no axes");
  if (a < 1 || b < a - 1 || b > shape.dim[0])
    return vgl_error(L, "rows: from %I to %I is outside 1 to %I", (LUAI_UACINT)a, (LUAI_UACINT)b, (LUAI_UACINT)shape.dim[0]);
  if (b >= a && is_recorded(L, t)) return record_rows(L, t, a, b);
  int64_t row = shape.dim[0] > 0 ? vg_tensor_count(t) / shape.dim[0] : 0;
  shape.dim[0] = b - a + 1;
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_view(box, t, (a - 1) * row, &shape);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* t:param(): from now on a leaf whose gradient the tape collects in t.grad; returns t. */
static int tensor_param(lua_State *L) {
  vg_tensor *t = vgl_checktensor(L, 1);
  if (t->dtype != VG_F32) return vgl_error(L, "param: f32 expected, got %s", vg_dtype_name(t->dtype));
  t->wants_grad = true;
  lua_settop(L, 1);
  return 1;
}

/* t:zero_grad(): forgets the gradient; returns t. */
static int tensor_zero_grad(lua_State *L) {
  vg_tensor *t = vgl_checktensor(L, 1);
  vg_tensor_release(t->grad);
  t->grad = NULL;
  lua_settop(L, 1);
  return 1;
}

/* -- arithmetic: operators looked up when called --------------------------------------------------------------------------------- */

/* Pushes the function vega.core.op.NAME. */
static void push_op(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "vega.core.op") != LUA_TTABLE || lua_getfield(L, -1, name) != LUA_TFUNCTION)
    vgl_error(L, "this build has no operator '%s'", name);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* factor * t + bias */
static int scale(lua_State *L, int arg, double factor, double bias) {
  push_op(L, "scale");
  lua_pushvalue(L, arg);
  lua_createtable(L, 0, 2);
  lua_pushnumber(L, factor);
  lua_setfield(L, -2, "factor");
  lua_pushnumber(L, bias);
  lua_setfield(L, -2, "bias");
  lua_call(L, 2, 1);
  return 1;
}

static int pairwise(lua_State *L, const char *name) {
  push_op(L, name);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_call(L, 2, 1);
  return 1;
}

static int is_number(lua_State *L, int arg) { return lua_type(L, arg) == LUA_TNUMBER; }

static int tensor_add(lua_State *L) {
  if (is_number(L, 2)) return scale(L, 1, 1, lua_tonumber(L, 2));
  if (is_number(L, 1)) return scale(L, 2, 1, lua_tonumber(L, 1));
  return pairwise(L, "add");
}

static int tensor_sub(lua_State *L) {
  if (is_number(L, 2)) return scale(L, 1, 1, -lua_tonumber(L, 2));
  if (is_number(L, 1)) return scale(L, 2, -1, lua_tonumber(L, 1));
  return pairwise(L, "sub");
}

static int tensor_mul(lua_State *L) {
  if (is_number(L, 2)) return scale(L, 1, lua_tonumber(L, 2), 0);
  if (is_number(L, 1)) return scale(L, 2, lua_tonumber(L, 1), 0);
  return pairwise(L, "mul");
}

static int tensor_div(lua_State *L) {
  if (is_number(L, 2)) return scale(L, 1, 1 / lua_tonumber(L, 2), 0);
  if (is_number(L, 1)) {  /* a tensor of one number is broadcast */
    vg_shape one = VG_SHAPE(1);
    vg_tensor **box = vgl_newtensor(L);
    vg_status s = vg_tensor_new(box, vgl_checktensor(L, 2)->dtype, &one);
    if (s != VG_OK) return vgl_fail(L, s);
    vg_tensor_fill(*box, lua_tonumber(L, 1));
    lua_replace(L, 1);
  }
  return pairwise(L, "div");
}

static int tensor_unm(lua_State *L) { return scale(L, 1, -1, 0); }

/* t:NAME(...) is vega.op.NAME(t, ...) for every operator: t:relu(), t:sum { axis = 1 }, t:matmul(w). */
static int tensor_index(lua_State *L) {
  const vg_tensor *t = vgl_checktensor(L, 1);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  if (lua_type(L, 2) != LUA_TSTRING) return vgl_error(L, "tensor: use get and set for elements");
  const char *name = lua_tostring(L, 2);
  if (strcmp(name, "grad") == 0) {
    if (t->grad && !t->grad_stale) vgl_pushtensor(L, vg_tensor_retain(t->grad));
    else lua_pushnil(L);
    return 1;
  }
  if (strcmp(name, "dtype") == 0) {
    lua_pushstring(L, vg_dtype_name(t->dtype));
    return 1;
  }
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushstring(L, name);
  if (lua_getfield(L, -2, "vega.core.op") == LUA_TTABLE) {
    lua_insert(L, -2);
    if (lua_rawget(L, -2) == LUA_TFUNCTION) return 1;
  }
  const char *near = vgl_nearestop(name);
  return near ? vgl_error(L, "tensor has no member '%s'; did you mean '%s'?", name, near) : vgl_error(L, "tensor has no member '%s'", name);
}

static const luaL_Reg METHODS[] = {
  { "assign", tensor_assign },   { "blend", tensor_blend }, { "copy", tensor_copy },       { "count", tensor_count },
  { "dot", tensor_dot },         { "fill", tensor_fill },
  { "get", tensor_get },         { "item", tensor_item },   { "param", tensor_param },     { "reshape", tensor_reshape },
  { "rows", tensor_rows },       { "set", tensor_set },     { "shape", tensor_shape },     { "to", tensor_to },
  { "cast", tensor_to },         { "totable", tensor_totable }, { "zero_grad", tensor_zero_grad }, { NULL, NULL },
};
static const luaL_Reg META[] = {
  { "__add", tensor_add }, { "__sub", tensor_sub },   { "__mul", tensor_mul },          { "__div", tensor_div },
  { "__unm", tensor_unm }, { "__len", tensor_count }, { "__tostring", vgl_tensortext }, { NULL, NULL },
};
static const luaL_Reg FUNCTIONS[] = {
  { "arange", tensor_arange }, { "full", tensor_full },       { "new", tensor_new },     { "ones", tensor_ones },
  { "randn", tensor_randn },   { "uniform", tensor_uniform }, { "zeros", tensor_zeros }, { NULL, NULL },
};

int luaopen_vega_core_tensor(lua_State *L) {
  vgl_newtensor(L);  /* makes the metatable when it is the first */
  lua_getmetatable(L, -1);
  luaL_setfuncs(L, META, 0);
  luaL_newlib(L, METHODS);
  lua_pushcclosure(L, tensor_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 2);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
