#ifndef VG_BIND_OP_H
#define VG_BIND_OP_H

#include <stdio.h>

#include "bind/tape.h"
#include "ops/op.h"

/* Fills c->arg from the options table at stack index `table` (0 or nil: defaults alone). Raises on an unknown or missing option; `extra` are
 * further keys allowed there (NULL-ended, or NULL). [-0, +0, e] */
void vgl_opargs(lua_State *L, vg_call *c, int table, const char *const *extra);
/* The operator whose name is nearest to `word`, or NULL. */
const char *vgl_nearestop(const char *word);

#endif
