/* What the binding files of models share. */
#ifndef VG_BIND_MODEL_H
#define VG_BIND_MODEL_H

#include "bind/vgl.h"
#include "model/bayes.h"
#include "model/gp.h"
#include "model/rows.h"

#define VGL_ROWS "vega.model.rows"
vg_rows *vgl_checkrows(lua_State *L, int arg);                                     /* [-0, +0, e] */
/* Buffers below are userdata left on the stack, so that later checks may raise. */
double *vgl_checkdoubles(lua_State *L, int arg, size_t *n);                        /* a list of numbers; [-0, +1, e] */
uint32_t *vgl_checkindex(lua_State *L, int arg, const vg_rows *rows, size_t *n);   /* row numbers, from 1 in Lua; [-0, +1, e] */
double *vgl_checkpoints(lua_State *L, int arg, size_t columns, size_t *n);         /* a list of rows; [-0, +1, e] */
void vgl_pushdoubles(lua_State *L, const double *v, size_t n);                     /* [-0, +1, m] */
void vgl_pushpoints(lua_State *L, const double *rows, size_t n, size_t columns);   /* [-0, +1, m] */
/* Options of a table at `arg`: a number, whole number >= 0 or boolean, or the default. [-0, +0, e] */
double vgl_numberfield(lua_State *L, int arg, const char *key, double def);
size_t vgl_countfield(lua_State *L, int arg, const char *key, size_t def);
bool vgl_boolfield(lua_State *L, int arg, const char *key, bool def);

/* A model as a surrogate; false when the value is none. */
bool vgl_tosurrogate(lua_State *L, int arg, vg_surrogate *out);

#define VGL_GP "vega.model.gp"
#define VGL_FOREST "vega.model.forest"
#define VGL_ENSEMBLE "vega.model.ensemble"
vg_gp **vgl_checkgp(lua_State *L, int arg);

/* Each adds its functions to the module table on top of the stack. */
void vgl_open_gp(lua_State *L);
void vgl_open_forest(lua_State *L);
void vgl_open_tpe(lua_State *L);
void vgl_open_bayes(lua_State *L);
void vgl_open_ensemble(lua_State *L);

#endif
