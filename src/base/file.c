#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

vg_status vg_file_size(uint64_t *out, const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return vg_fail(VG_EIO, "%s: %s", path, strerror(errno));
  if (!S_ISREG(st.st_mode)) return vg_fail(VG_EIO, "%s: expected a regular file", path);
  *out = (uint64_t)st.st_size;
  return VG_OK;
}

bool vg_file_exists(const char *path) { return access(path, R_OK) == 0; }

vg_status vg_file_read(void **out, size_t *bytes, const char *path, uint64_t limit) {
  uint64_t size;
  VG_TRY(vg_file_size(&size, path));
  if (size > limit) {
    return vg_fail(VG_EFORMAT, "%s: %llu bytes, at most %llu are accepted", path, (unsigned long long)size, (unsigned long long)limit);
  }
  FILE *f = fopen(path, "rbe");
  if (!f) return vg_fail(VG_EIO, "%s: %s", path, strerror(errno));
  void *data = NULL;
  vg_status s = vg_alloc(&data, (size_t)size + 1);
  if (s == VG_OK && fread(data, 1, (size_t)size, f) != (size_t)size) {
    s = vg_fail(VG_EIO, "%s: could not read all of its %llu bytes", path, (unsigned long long)size);
  }
  fclose(f);
  if (s != VG_OK) {
    vg_free(data);
    return s;
  }
  ((char *)data)[size] = 0;
  *out = data;
  *bytes = (size_t)size;
  return VG_OK;
}

static void forget(vg_file_out *out) {
  vg_free(out->path);
  vg_free(out->temp);
  *out = (vg_file_out){ .fd = -1 };
}

static vg_status cannot_write(const vg_file_out *out, int why) { return vg_fail(VG_EIO, "%s: cannot write: %s", out->path, strerror(why)); }

/* mkostemp makes private files; a written file gets what the user's mask allows, or what the replaced file had. */
static void set_mode(int fd, const char *replaced) {
  struct stat old;
  mode_t mask = umask(0);
  umask(mask);
  (void)!fchmod(fd, stat(replaced, &old) == 0 ? old.st_mode & 0777 : 0666 & ~mask);
}

vg_status vg_file_begin(vg_file_out *out, const char *path) {
  static const char SUFFIX[] = ".XXXXXX";
  *out = (vg_file_out){ .fd = -1 };
  size_t n = strlen(path);
  vg_status s = vg_alloc((void **)&out->path, n + 1);
  if (s == VG_OK) s = vg_alloc((void **)&out->temp, n + sizeof SUFFIX);
  if (s == VG_OK) {
    memcpy(out->path, path, n + 1);
    memcpy(out->temp, path, n);
    memcpy(out->temp + n, SUFFIX, sizeof SUFFIX);
    out->fd = mkostemp(out->temp, O_CLOEXEC);
    if (out->fd < 0) s = cannot_write(out, errno);
  }
  if (s == VG_OK) set_mode(out->fd, path);
  else forget(out);
  return s;
}

vg_status vg_file_put(vg_file_out *out, const void *data, size_t bytes) {
  while (bytes > 0) {
    ssize_t n = write(out->fd, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot_write(out, errno);
    data = (const char *)data + n;
    bytes -= (size_t)n;
  }
  return VG_OK;
}

void vg_file_abort(vg_file_out *out) {
  if (out->fd >= 0) close(out->fd);
  if (out->temp) unlink(out->temp);
  forget(out);
}

/* The rename itself is durable only once the folder is. A folder that cannot be synced (some network mounts) is no failure. */
static void sync_folder(char *path) {
  char *slash = strrchr(path, '/');
  if (slash) slash[slash == path] = 0;
  int fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!fsync(fd);
  close(fd);
}

static int sync_file(int fd) {
  int failed;
  do failed = fsync(fd);
  while (failed && errno == EINTR);
  return failed;
}

vg_status vg_file_commit(vg_file_out *out) {
  int bad = sync_file(out->fd), why = errno;
  if (close(out->fd) != 0 && !bad) bad = 1, why = errno;
  out->fd = -1;
  if (!bad && rename(out->temp, out->path) != 0) bad = 1, why = errno;
  if (bad) {
    vg_status s = cannot_write(out, why);
    vg_file_abort(out);
    return s;
  }
  sync_folder(out->path);
  forget(out);
  return VG_OK;
}

vg_status vg_file_write(const char *path, const void *data, size_t bytes) {
  vg_file_out out;
  VG_TRY(vg_file_begin(&out, path));
  vg_status s = vg_file_put(&out, data, bytes);
  if (s == VG_OK) return vg_file_commit(&out);
  vg_file_abort(&out);
  return s;
}
