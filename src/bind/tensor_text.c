/* How a tensor prints: what it is, its range, and the first values as a table of at most 10 x 10. */
#include <math.h>
#include <stdio.h>

#include "bind/tensor.h"

enum { SHOWN = 10 };

static void add_value(luaL_Buffer *b, const vg_tensor *t, int64_t at) {
  char text[32];
  double v = vg_tensor_get(t, at);
  int is_whole = t->dtype == VG_I32 || t->dtype == VG_U8;
  snprintf(text, sizeof text, is_whole ? " %6.0f" : " %10.4g", v);
  luaL_addstring(b, text);
}

static void add_row(luaL_Buffer *b, const vg_tensor *t, int64_t begin, int64_t width) {
  luaL_addstring(b, "\n ");
  for (int64_t i = 0; i < width && i < SHOWN; i++) add_value(b, t, begin + i);
  if (width > SHOWN) luaL_addstring(b, " ...");
}

static void add_range(luaL_Buffer *b, const vg_tensor *t, int64_t n) {
  char text[128];
  double low = INFINITY, high = -INFINITY, sum = 0;
  int64_t strange = 0;  /* NaN and infinities are counted, not averaged */
  for (int64_t i = 0; i < n; i++) {
    double v = vg_tensor_get(t, i);
    if (!isfinite(v)) {
      strange++;
      continue;
    }
    low = fmin(low, v);
    high = fmax(high, v);
    sum += v;
  }
  if (n > strange) {
    snprintf(text, sizeof text, ", min %.4g, max %.4g, mean %.4g", low, high, sum / (double)(n - strange));
    luaL_addstring(b, text);
  }
  if (strange > 0) {
    snprintf(text, sizeof text, ", %lld not finite", (long long)strange);
    luaL_addstring(b, text);
  }
}

int vgl_tensortext(lua_State *L) {
  const vg_tensor *t = vgl_totensor(L, 1);
  char text[VG_SHAPE_TEXT];
  if (!t) {
    lua_pushliteral(L, "tensor (closed)");
    return 1;
  }
  luaL_Buffer b;
  int64_t n = vg_tensor_count(t);
  int64_t width = t->shape.rank > 0 ? t->shape.dim[t->shape.rank - 1] : 1;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "tensor ");
  luaL_addstring(&b, vg_dtype_name(t->dtype));
  luaL_addchar(&b, ' ');
  luaL_addstring(&b, vg_shape_text(text, &t->shape));
  add_range(&b, t, n);
  for (int64_t row = 0; width > 0 && row < n / width && row < SHOWN; row++) add_row(&b, t, row * width, width);
  if (width > 0 && n / width > SHOWN) luaL_addstring(&b, "\n  ...");
  luaL_pushresult(&b);
  return 1;
}
