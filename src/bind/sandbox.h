/* Budgets for Lua code of others: memory, instructions, seconds. */
#ifndef VG_BIND_SANDBOX_H
#define VG_BIND_SANDBOX_H

#include "bind/vgl.h"

/* load, loadfile, dofile and require take text only from now on: a changed byte of bytecode can break the interpreter. [-0, +0, m] */
int vgl_refuse_bytecode(lua_State *L);

#endif
