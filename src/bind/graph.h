#ifndef VG_BIND_GRAPH_H
#define VG_BIND_GRAPH_H

#include "bind/vgl.h"
#include "graph/graph.h"

vg_graph *vgl_checkgraph(lua_State *L, int arg);          /* [-0, +0, e] */
/* The list of numbers at `arg` as slots of the graph; NULL, and nothing pushed, for nil. The pushed userdata holds them. [-0, +(0|1), e] */
const double *vgl_optslots(lua_State *L, int arg, const vg_graph *g);
/* The list at `arg` of lists of slots as [*n][n_slots], in a userdata that is pushed; `who` begins the messages. [-0, +1, e] */
const double *vgl_checksettings(lua_State *L, int arg, const vg_graph *g, int *n, const char *who);
/* "weights", "arch", NULL: in the order of vg_group. */
extern const char *const vgl_groups[];
/* The part of an arena that a group has, as a flat tensor that shares its memory. Nothing is pushed on failure. [-0, +(0|1), m] */
vg_status vgl_pushslice(lua_State *L, const vg_graph *g, const vg_tensor *arena, vg_group group);
void vgl_pushgraph(lua_State *L, vg_graph *owned);        /* [-0, +1, m] */

#endif
