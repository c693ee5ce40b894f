/* vega.core.linalg: small dense matrices, as flat lists row by row, in doubles. What is not defined returns nil, message, "ENAN". */
#include <float.h>
#include <math.h>

#include "base/eigen.h"
#include "bind/model.h"
#include "kernels/linalg.h"

/* The square matrix at argument 1, in a buffer that stays on the stack. */
static double *check_square(lua_State *L, size_t *n) {
  size_t count;
  double *a = vgl_checkdoubles(L, 1, &count);
  *n = (size_t)(sqrt((double)count) + 0.5);
  if (*n * *n != count) vgl_error(L, "linalg: a square matrix expected, got %I numbers", (LUAI_UACINT)count);
  return a;
}

static int l_eigenvalues(lua_State *L) {                  /* eigenvalues(symmetric) -> list, ascending */
  size_t n;
  double *a = check_square(L, &n);
  double *value = lua_newuserdatauv(L, (n + 1) * sizeof *value, 0), *vector = lua_newuserdatauv(L, (n * n + 1) * sizeof *vector, 0);
  vg_status s = vg_eigen_symmetric(value, vector, a, n);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushdoubles(L, value, n);
  return 1;
}

static int l_log_det(lua_State *L) {                      /* log_det(symmetric) -> log of its determinant; nil where it is not positive definite */
  size_t n;
  double *a = check_square(L, &n), sum = 0, largest = 0;
  for (size_t i = 0; i < n; i++) largest = fmax(largest, a[i * n + i]);
  vg_status s = vg_cholesky(a, (int64_t)n, (int64_t)n);
  for (size_t i = 0; i < n && s == VG_OK; i++) {
    double pivot = a[i * n + i] * a[i * n + i];
    if (pivot <= (double)n * DBL_EPSILON * largest) s = vg_fail(VG_ENAN, "log_det: the matrix is singular, as far as doubles go");
    else sum += log(pivot);
  }
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushnumber(L, sum);
  return 1;
}

static int l_correlation(lua_State *L) {                  /* correlation(tensor [n, ...] f32) -> [n, n] of its rows; nil where a row is constant */
  vg_tensor *t = vgl_checktensor(L, 1);
  luaL_argcheck(L, t->dtype == VG_F32 && t->shape.rank >= 1, 1, "rows of f32 expected");
  size_t n = (size_t)t->shape.dim[0];
  double *r = lua_newuserdatauv(L, (n * n + 1) * sizeof *r, 0);
  vg_status s = vg_correlation(r, vg_f32(t), (int64_t)n, n ? vg_tensor_count(t) / (int64_t)n : 0);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushdoubles(L, r, n * n);
  return 1;
}

static const luaL_Reg FUNCTIONS[] = { { "correlation", l_correlation }, { "eigenvalues", l_eigenvalues }, { "log_det", l_log_det }, { NULL, NULL } };

int luaopen_vega_core_linalg(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
