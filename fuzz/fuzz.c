#include "fuzz.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

enum { LIMIT = 512 << 20 };
static char at[96];

const char *fuzz_at(void) { return at; }

void fuzz_fail(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fprintf(stderr, "%s: ", at);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
  va_end(args);
  abort();
}

const fuzz_target *fuzz_find(const char *name) {
  for (const fuzz_target *t = fuzz_targets; name && t->name; t++)
    if (strcmp(t->name, name) == 0) return t;
  return NULL;
}

const char *fuzz_file(const uint8_t *data, size_t size) {
  static char path[40];
  static int fd = -1;
  if (fd < 0) {
    fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) fuzz_fail("no file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  }
  if (pwrite(fd, data, size, 0) != (ssize_t)size || ftruncate(fd, (off_t)size) != 0) fuzz_fail("cannot write the file in memory");
  return path;
}

void fuzz_check(vg_status s, vg_status other) {
  if (s == VG_OK) return;
  if (s != VG_EFORMAT && s != other) fuzz_fail("%s: %s", vg_status_name(s), vg_message());
  if (!*vg_message()) fuzz_fail("%s without a message", vg_status_name(s));
}

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run(const fuzz_target *target, const uint8_t *data, size_t size) {
  if (target->run) target->run(data, size);
  else fuzz_lua(target->name, data, size);
}

void fuzz_run(const fuzz_target *target, const uint8_t *data, size_t size, double most_seconds) {
  static const fuzz_target *ready;
  if (ready != target) run(ready = target, data, 0);             /* what a target makes once and keeps is not measured */
  vg_alloc_stats before = vg_alloc_get_stats();
  snprintf(at, sizeof at, "%s: %zu bytes", target->name, size);
  vg_alloc_set_limit(LIMIT);
  double begin = cpu_seconds();
  run(target, data, size);
  double took = cpu_seconds() - begin;
  if (took > most_seconds) fuzz_fail("took %.1f s of the processor, at most %.1f are allowed", took, most_seconds);
  vg_alloc_stats after = vg_alloc_get_stats();
  if (target->run && (after.live_bytes != before.live_bytes || after.live_small != before.live_small)) fuzz_fail("memory is left behind");
}
