/* The lines are written here, not by jansson: a message that memory ran out must get through without any. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *const vg_log_names[VG_LOG_LEVELS + 1] = { "error", "warn", "info", "debug", "trace", NULL };

enum { MOST_TEXT = 8192, MOST_LINE = 6 * MOST_TEXT + 128 };     /* \u00XX for each byte */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static vg_log_level level_now = VG_LOG_INFO;
static struct {
  int fd;
  uint64_t most_bytes;
  char path[4096];
} file = { .fd = -1 };

int vg_log_find(const char *name) {
  for (int i = 0; i < VG_LOG_LEVELS; i++)
    if (strcmp(name, vg_log_names[i]) == 0) return i;
  return -1;
}

void vg_log_set(vg_log_level level) { level_now = level; }

vg_log_level vg_log_get(void) { return level_now; }

/* -- the text of a line ------------------------------------------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at s, or 0 where there is none; overlong forms and halves of pairs are none. */
static int character(const unsigned char *s) {
  if (s[0] < 0x80) return 1;
  int n = s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
  for (int i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)) return 0;
  return n;
}

static char *put_text(char *out, const char *text) {
  const unsigned char *s = (const unsigned char *)text, *end = s + MOST_TEXT;
  while (*s && s < end) {
    int n = character(s);
    if (n == 0) out += sprintf(out, "\\ufffd"), s++;
    else if (*s == '"' || *s == '\\') out += sprintf(out, "\\%c", *s++);
    else if (*s == '\n') out += sprintf(out, "\\n"), s++;
    else if (*s < 0x20 || *s == 0x7F) out += sprintf(out, "\\u%04x", *s++);
    else while (n--) *out++ = (char)*s++;
  }
  return out;
}

static size_t line_of(char *out, vg_log_level level, const char *text) {
  struct timespec now;
  struct tm utc;
  char *end = out;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  end += strftime(end, 32, "{\"at\":\"%Y-%m-%dT%H:%M:%S", &utc);
  end += sprintf(end, ".%03dZ\",\"level\":\"%s\",\"message\":\"", (int)(now.tv_nsec / 1000000), vg_log_names[level]);
  end = put_text(end, text);
  return (size_t)(end + sprintf(end, "\",\"pid\":%d}\n", (int)getpid()) - out);
}

/* -- the file ---------------------------------------------------------------------------------------------------------------------- */

static int open_file(void) { return open(file.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666); }

/* Is what we write to still the file of that name? Another process may have turned it away. */
static int is_current(const struct stat *ours) {
  struct stat named;
  return stat(file.path, &named) == 0 && named.st_ino == ours->st_ino && named.st_dev == ours->st_dev;
}

static int reopen(void) {
  int fd = open_file();
  if (fd < 0) return -1;
  close(file.fd);
  file.fd = fd;
  return 0;
}

/* F -> F.1 -> F.2, under the lock. */
static int turn(void) {
  char from[sizeof file.path + 16], to[sizeof file.path + 16];
  for (int i = VG_LOG_FILES - 1; i > 0; i--) {
    snprintf(to, sizeof to, "%s.%d", file.path, i);
    snprintf(from, sizeof from, i > 1 ? "%s.%d" : "%s", file.path, i - 1);
    if (rename(from, to) != 0 && errno != ENOENT) return -1;
  }
  return reopen();
}

/* Locks the file of that name with room for n bytes. The lock is on the file, not on its name: whoever gets it looks whether they still belong
 * together, and closing it gives it back. A terminal or a pipe has neither lock nor size. */
static int lock_with_room(size_t n) {
  struct stat ours;
  for (;;) {
    if (fstat(file.fd, &ours) != 0) return -1;
    if (!S_ISREG(ours.st_mode)) return 0;
    while (flock(file.fd, LOCK_EX) != 0)
      if (errno != EINTR) return -1;
    if (fstat(file.fd, &ours) != 0) return -1;
    if (!is_current(&ours)) {
      if (reopen() != 0) return -1;
    } else if (ours.st_size > 0 && (uint64_t)ours.st_size + n > file.most_bytes) {
      if (turn() != 0) return -1;
    } else {
      return 0;
    }
  }
}

static int append(const char *line, size_t n) {
  if (lock_with_room(n) != 0) return -1;
  while (n > 0) {
    ssize_t k = write(file.fd, line, n);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return -1;
    line += k;
    n -= (size_t)k;
  }
  flock(file.fd, LOCK_UN);
  return 0;
}

static void close_file(void) {
  if (file.fd >= 0) close(file.fd);
  file.fd = -1;
}

vg_status vg_log_open(const char *path, uint64_t most_bytes) {
  vg_status status = VG_OK;
  if (strlen(path) >= sizeof file.path) return vg_fail(VG_EARG, "log file: a path of at most 4095 bytes expected");
  pthread_mutex_lock(&lock);
  close_file();
  strcpy(file.path, path);
  file.most_bytes = most_bytes;
  file.fd = open_file();
  if (file.fd < 0) status = vg_fail(VG_EIO, "log file '%s': %s", path, strerror(errno));
  pthread_mutex_unlock(&lock);
  return status;
}

void vg_log_close(void) {
  pthread_mutex_lock(&lock);
  close_file();
  pthread_mutex_unlock(&lock);
}

void vg_log_file(vg_log_level level, const char *text) {
  static char line[MOST_LINE];                 /* under the lock */
  if (level > (level_now > VG_LOG_INFO ? level_now : VG_LOG_INFO)) return;
  pthread_mutex_lock(&lock);
  if (file.fd >= 0 && append(line, line_of(line, level, text)) != 0) {
    fprintf(stderr, "vega-lua: log file '%s': %s; it ends here\n", file.path, strerror(errno));
    close_file();
  }
  pthread_mutex_unlock(&lock);
}

void vg_log(vg_log_level level, const char *text) {
  if (level <= level_now) fprintf(stderr, "%s\n", text);
  vg_log_file(level, text);
}
