/* Whole files: read with a limit, written atomically. Failures name the file. */
#ifndef VG_BASE_FILE_H
#define VG_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* VG_EIO when `path` is missing, unreadable or no regular file. */
VG_CHECKED vg_status vg_file_size(uint64_t *out, const char *path);
bool vg_file_exists(const char *path);
/* *out = the file's bytes and a closing 0 that *bytes does not count; freed by vg_free. VG_EFORMAT when larger than `limit`. */
VG_CHECKED vg_status vg_file_read(void **out, size_t *bytes, const char *path, uint64_t limit);

/* Atomic write: to a temporary name in the same folder, then fsync, rename, fsync of the folder. Readers see the old file or the new one.
 *   begin .. put .. put .. commit, or abort at any point. After commit or abort, and after a failed begin, nothing is owned. */
typedef struct vg_file_out {
  int fd;
  char *path, *temp;
} vg_file_out;
VG_CHECKED vg_status vg_file_begin(vg_file_out *out, const char *path);
VG_CHECKED vg_status vg_file_put(vg_file_out *out, const void *data, size_t bytes);
VG_CHECKED vg_status vg_file_commit(vg_file_out *out);   /* aborts on failure */
void vg_file_abort(vg_file_out *out);
VG_CHECKED vg_status vg_file_write(const char *path, const void *data, size_t bytes);

#endif
