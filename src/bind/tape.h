/* The current tape of a Lua state, shared by the bindings that run operators. */
#ifndef VG_BIND_TAPE_H
#define VG_BIND_TAPE_H

#include "bind/vgl.h"
#include "tape/tape.h"

typedef struct vgl_tape {
  vg_tape *tape;             /* NULL once closed */
  vg_rng rng;                /* of dropout and its like */
  bool train;                /* the mode eager operators run in */
} vgl_tape;

vgl_tape *vgl_current_tape(lua_State *L);                 /* NULL: none open; [-0, +0, -] */
/* Runs `c` under the current tape and pushes the result: 1 value, or what vgl_fail leaves. [-0, +1, e] */
int vgl_apply(lua_State *L, vg_call *c);

#endif
