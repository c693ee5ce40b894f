/* Signals that ask to stop, in the program. */
#ifndef VG_BIND_INTERRUPT_H
#define VG_BIND_INTERRUPT_H

#include "bind/vgl.h"

/* From now on the first SIGINT, SIGTERM or SIGHUP sets vg_interrupted and raises "interrupted!" at the next step of L or of the coroutine that
 * runs then; a second one before that was dealt with ends the process with 128 + its number. [-0, +0, -] */
void vgl_watch_signals(lua_State *L);
/* From now on SIGUSR1 prints what the function on top of the stack returns; nil: where the script is. It stays on the stack. [-0, +0, m] */
void vgl_on_status(lua_State *L);
/* Replaces coroutine.resume and coroutine.wrap by functions that keep account of the coroutine that runs. [-0, +0, m] */
int vgl_open_coroutines(lua_State *L);

#endif
