/* What the program says beside its data: to standard error down to a level, and to a file, if one is open, as JSON lines.
 * Any thread and any number of processes may write to the same file: a line is added whole, under a lock. */
#ifndef VG_BASE_LOG_H
#define VG_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum vg_log_level { VG_LOG_ERROR, VG_LOG_WARN, VG_LOG_INFO, VG_LOG_DEBUG, VG_LOG_TRACE, VG_LOG_LEVELS } vg_log_level;
enum { VG_LOG_MIB = 64, VG_LOG_FILES = 3 };     /* a file that is full becomes F.1, F.1 becomes F.2, F.2 goes */

/* "error", "warn", "info", "debug", "trace"; NULL ends the list. */
extern const char *const vg_log_names[VG_LOG_LEVELS + 1];
/* The level of that name, or -1. */
int vg_log_find(const char *name);
/* What is printed: this level and those above it. VG_LOG_INFO unless set. */
void vg_log_set(vg_log_level level);
vg_log_level vg_log_get(void);
/* Opens or goes on with the file; a further call changes it. The file gets what is printed, and VG_LOG_INFO at least. VG_EIO. */
VG_CHECKED vg_status vg_log_open(const char *path, uint64_t most_bytes);
void vg_log_close(void);
/* Prints the text and a newline, and writes it to the file. A file that cannot be written is said once and left. */
void vg_log(vg_log_level level, const char *text);
/* For what is printed in another way. */
void vg_log_file(vg_log_level level, const char *text);

#endif
