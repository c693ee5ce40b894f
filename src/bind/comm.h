/* The communicator in Lua, for binding files that take one as an option. */
#ifndef VG_BIND_COMM_H
#define VG_BIND_COMM_H

#include "bind/vgl.h"
#include "comm/comm.h"

#define VGL_COMM "vega.comm"
vg_comm *vgl_checkcomm(lua_State *L, int arg);          /* [-0, +0, e] */

#endif
