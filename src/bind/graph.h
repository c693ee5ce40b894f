#ifndef VG_BIND_GRAPH_H
#define VG_BIND_GRAPH_H

#include "bind/vgl.h"
#include "graph/graph.h"

vg_graph *vgl_checkgraph(lua_State *L, int arg);          /* [-0, +0, e] */
void vgl_pushgraph(lua_State *L, vg_graph *owned);        /* [-0, +1, m] */

#endif
