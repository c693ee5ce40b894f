#ifndef VG_BIND_TENSOR_H
#define VG_BIND_TENSOR_H

#include "bind/vgl.h"

/* __tostring of a tensor. [-0, +1, m] */
int vgl_tensortext(lua_State *L);

#endif
