#include "base/process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
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
