/* What the two binding files of the store share. */
#ifndef VG_BIND_STORE_H
#define VG_BIND_STORE_H

#include "bind/vgl.h"
#include "store/store.h"

vg_store *vgl_checkstore(lua_State *L, int arg);            /* [-0, +0, e] */
/* A vg_row_fn: context is a lua_State with a list on top; the row joins it as a table by column. */
vg_status vgl_add_row(void *context, int n, const char *const *names, const vg_value *values);
extern const luaL_Reg vgl_store_protocol[];                 /* methods of a store: protocol.c */

#endif
