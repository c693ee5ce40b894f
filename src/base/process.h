/* Runs a program and reads what it prints, without a shell. */
#ifndef VG_BASE_PROCESS_H
#define VG_BASE_PROCESS_H

#include <stddef.h>

#include "base/status.h"

/* argv ends with NULL; argv[0] is looked for in PATH. *output (owned by the caller, vg_free, ends in '\0') = its standard output; its standard error is ours.
 * *exit_code: 0..255, or 128 + the signal that ended it. VG_EIO when it cannot be started. */
VG_CHECKED vg_status vg_process_run(char **output, size_t *length, int *exit_code, char *const *argv);

#endif
