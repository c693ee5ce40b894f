/* Programs, run without a shell: one to its end, reading what it prints; or several at a time. */
#ifndef VG_BASE_PROCESS_H
#define VG_BASE_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* argv ends with NULL; argv[0] is looked for in PATH. *output (owned by the caller, vg_free, ends in '\0') = its standard output; its standard error is ours.
 * *exit_code: 0..255, or 128 + the signal that ended it. VG_EIO when it cannot be started. */
VG_CHECKED vg_status vg_process_run(char **output, size_t *length, int *exit_code, char *const *argv);

/* Starts a program that shares our standard output and error, and does not wait. */
VG_CHECKED vg_status vg_process_start(int *pid, char *const *argv);
/* The same with `input`, a descriptor, as its standard input. */
VG_CHECKED vg_status vg_process_start_on(int *pid, int input, char *const *argv);
/* Ends that program, at once, unless it has ended, and waits for it. VG_EARG when it is not ours. */
VG_CHECKED vg_status vg_process_end(int *exit_code, int pid);
/* From now on this program ends when the one that started it does, however that ends. */
void vg_process_follow_parent(void);
/* Waits until one of the started programs ends. VG_EARG when none runs. */
VG_CHECKED vg_status vg_process_wait(int *pid, int *exit_code);

/* Starts a program in a process group of its own, so that a Ctrl-C at the terminal is not its business. env: its environment, ends with NULL. */
VG_CHECKED vg_status vg_process_spawn(int *pid, char *const *argv, char *const *env);
typedef struct vg_process_end_of {
  int has_ended;               /* the rest is 0 before */
  int exit_code, signal;       /* signal: what ended it, or 0 */
  int64_t max_rss_kb;
} vg_process_end_of;
/* Has the started program ended? Does not wait; answers once. VG_EARG when it is not ours. */
VG_CHECKED vg_status vg_process_poll(vg_process_end_of *end, int pid);
/* VG_EIO when there is no such program, or it is somebody else's. */
VG_CHECKED vg_status vg_process_signal(int pid, int number);
/* From now on the signal comes when `parent`, which started this program, ends. VG_EIO: it has ended already. */
VG_CHECKED vg_status vg_process_follow(int parent, int number);
/* When that program began, in clock ticks since the boot: with its pid it names a process for good. 0: there is none. */
int64_t vg_process_start_time(int pid);

#endif
