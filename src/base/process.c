#include "base/process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

extern char **environ;

static vg_status read_all(char **out, size_t *length, int fd) {
  size_t room = 4096, n = 0;
  char *text = NULL;
  VG_TRY(vg_alloc((void **)&text, room));
  for (;;) {
    ssize_t got = read(fd, text + n, room - n - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    n += (size_t)got;
    if (room - n > 1) continue;
    vg_status s = vg_realloc((void **)&text, room *= 2);
    if (s != VG_OK) {
      vg_free(text);
      return s;
    }
  }
  text[n] = '\0';
  *out = text;
  *length = n;
  return VG_OK;
}

static int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

vg_status vg_process_run(char **output, size_t *length, int *exit_code, char *const *argv) {
  int ends[2], status = 0;
  pid_t pid;
  if (pipe(ends) != 0) return vg_fail(VG_EIO, "run %s: %s", argv[0], strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error) {
    close(ends[0]);
    return vg_fail(VG_EIO, "run %s: %s", argv[0], strerror(error));
  }
  vg_status s = read_all(output, length, ends[0]);
  close(ends[0]);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  *exit_code = code_of(status);
  return s;
}

vg_status vg_process_start(int *pid, char *const *argv) {
  int error = posix_spawnp(pid, argv[0], NULL, NULL, argv, environ);
  return error ? vg_fail(VG_EIO, "start %s: %s", argv[0], strerror(error)) : VG_OK;
}

vg_status vg_process_start_on(int *pid, int input, char *const *argv) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  int error = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error ? vg_fail(VG_EIO, "start %s: %s", argv[0], strerror(error)) : VG_OK;
}

vg_status vg_process_end(int *exit_code, int pid) {
  int status = 0;
  if (pid <= 0) return vg_fail(VG_EARG, "end: no program has the number %d", pid);
  pid_t ended = waitpid(pid, &status, WNOHANG);
  if (ended == 0) {
    kill(pid, SIGKILL);
    do ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
  }
  if (ended < 0) return vg_fail(VG_EARG, "end: %d is no program that was started here, or it was waited for", pid);
  *exit_code = code_of(status);
  return VG_OK;
}

void vg_process_follow_parent(void) {
  pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);          /* it ended before that */
}

vg_status vg_process_wait(int *pid, int *exit_code) {
  int status = 0;
  pid_t ended;
  do ended = waitpid(-1, &status, 0);
  while (ended < 0 && errno == EINTR);
  if (ended < 0) return vg_fail(VG_EARG, "wait: no started program runs");
  *pid = (int)ended;
  *exit_code = code_of(status);
  return VG_OK;
}

vg_status vg_process_spawn(int *pid, char *const *argv, char *const *env) {
  posix_spawnattr_t attributes;
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  int error = posix_spawn(pid, argv[0], NULL, &attributes, argv, env);
  posix_spawnattr_destroy(&attributes);
  return error ? vg_fail(VG_EIO, "start %s: %s", argv[0], strerror(error)) : VG_OK;
}

vg_status vg_process_poll(vg_process_end_of *end, int pid) {
  struct rusage usage;
  int status = 0;
  pid_t ended;
  *end = (vg_process_end_of){ 0 };
  do ended = wait4(pid, &status, WNOHANG, &usage);
  while (ended < 0 && errno == EINTR);
  if (pid <= 0 || ended < 0) return vg_fail(VG_EARG, "poll: %d is no program that was started here, or it was waited for", pid);
  if (ended == 0) return VG_OK;
  *end = (vg_process_end_of){ .has_ended = 1, .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                              .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0, .max_rss_kb = usage.ru_maxrss };
  return VG_OK;
}

vg_status vg_process_signal(int pid, int number) {
  if (pid <= 0) return vg_fail(VG_EARG, "signal: no program has the number %d", pid);
  return kill(pid, number) == 0 ? VG_OK : vg_fail(VG_EIO, "signal %d to %d: %s", number, pid, strerror(errno));
}

vg_status vg_process_follow(int parent, int number) {
  prctl(PR_SET_PDEATHSIG, number);
  return getppid() == parent ? VG_OK : vg_fail(VG_EIO, "the program that started this one (%d) has ended", parent);
}

/* The 22nd field of /proc/PID/stat; the second, a name between parentheses, may hold anything. */
int64_t vg_process_start_time(int pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  size_t n = fread(text, 1, sizeof text - 1, f);
  fclose(f);
  text[n] = '\0';
  const char *at = strrchr(text, ')');
  long long start = 0;
  char state = 0;
  if (!at || sscanf(at + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld", &state, &start) != 2) return 0;
  return state == 'Z' || state == 'X' ? 0 : start;
}
