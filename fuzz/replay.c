/* The corpus as a test: every file of fuzz/corpus/NAME through its target, one TAP line a target; then, as large inputs are where bad algorithms show,
 * its files repeated up to 1 MiB.
 *
 *     fuzz_replay [NAME...]      some targets only */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "fuzz.h"

enum { LARGE = 1 << 20, MOST_LARGE = 8 };
#ifdef __SANITIZE_ADDRESS__
static const double MOST_SECONDS = 6;
#else
static const double MOST_SECONDS = 1;
#endif

static char file[512];

static void say_where(void) {
  static const char TEXT[] = "\nwhile replaying ";
  (void)!write(STDERR_FILENO, TEXT, sizeof TEXT - 1);
  (void)!write(STDERR_FILENO, file, strlen(file));
  (void)!write(STDERR_FILENO, "\n", 1);
}

static void on_crash(int number) {
  say_where();
  signal(number, SIG_DFL);
  raise(number);
}

#ifdef __SANITIZE_ADDRESS__
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

static int is_input(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void run_large(const fuzz_target *t, const uint8_t *data, size_t size) {
  static uint8_t large[LARGE];
  for (size_t at = 0; size > 0 && at < LARGE; at += size) memcpy(large + at, data, size < LARGE - at ? size : LARGE - at);
  if (size > 0) fuzz_run(t, large, LARGE, MOST_SECONDS);
}

/* @return how many files, or -1 */
static int replay(const fuzz_target *t) {
  char folder[256];
  struct dirent **entry;
  snprintf(folder, sizeof folder, VEGA_SOURCE_DIR "/fuzz/corpus/%s", t->name);
  int n = scandir(folder, &entry, is_input, alphasort);
  for (int i = 0; i < n; i++) {
    void *data;
    size_t size;
    snprintf(file, sizeof file, "%s/%.200s", folder, entry[i]->d_name);
    if (vg_file_read(&data, &size, file, LARGE) != VG_OK) {
      printf("# %s\n", vg_message());
      return -1;
    }
    fuzz_run(t, data, size, MOST_SECONDS);
    if (i % (n / MOST_LARGE + 1) == 0) run_large(t, data, size);
    vg_free(data);
    free(entry[i]);
  }
  if (n >= 0) free(entry);
  return n;
}

static int is_wanted(const char *name, int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], name) == 0) return 1;
  return argc == 1;
}

int main(int argc, char **argv) {
  int n = 0, bad = 0;
  signal(SIGSEGV, on_crash);
  signal(SIGABRT, on_crash);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_set_death_callback(say_where);
#endif
  for (const fuzz_target *t = fuzz_targets; t->name; t++) {
    if (!is_wanted(t->name, argc, argv)) continue;
    int files = replay(t);
    bad += files <= 0;
    printf("%sok %d - %s: %d files of the corpus\n", files > 0 ? "" : "not ", ++n, t->name, files);
    fflush(stdout);
  }
  printf("1..%d\n", n);
  return bad > 0 || n == 0;
}
