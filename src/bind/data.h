/* Data sets and loaders in Lua, for bindings that take them. */
#ifndef VG_BIND_DATA_H
#define VG_BIND_DATA_H

#include "bind/vgl.h"
#include "data/dataset.h"
#include "data/loader.h"

#define VGL_DATASET "vega.dataset"
#define VGL_LOADER "vega.loader"
vg_dataset *vgl_checkdataset(lua_State *L, int arg);    /* borrowed from the box; [-0, +0, e] */
vg_loader *vgl_checkloader(lua_State *L, int arg);      /* borrowed from the box; [-0, +0, e] */

#endif
