/* The request to stop (Ctrl-C). A signal handler may set it; long loops look between steps and return VG_EINTR. */
#ifndef VG_BASE_INTERRUPT_H
#define VG_BASE_INTERRUPT_H

#include <signal.h>

extern volatile sig_atomic_t vg_interrupted;   /* the signal's number, or 0; not 0: stop at the next safe point. Cleared by whoever goes on after it */

#endif
