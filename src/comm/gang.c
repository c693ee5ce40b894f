#include "comm/gang.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "comm/backends.h"

enum { MEMORY = 3, POLL_MS = 10, TEXT = 64 };      /* MEMORY: the descriptor that the ranks find shared memory at */

extern char **environ;

struct vg_gang {
  pid_t group;                 /* 0: none was started */
  double patience_s;
  int n, running;
  pid_t pid[VG_COMM_MAX_RANKS];
};

/* --- starting ----------------------------------------------------------------------------------------------------------------------- */

/* *out = our environment with the two variables in place of ours; an array to be freed, of borrowed texts. */
static vg_status make_environment(char ***out, char *comm, char *threads) {
  size_t n = 0, kept = 0;
  char **all;
  while (environ[n]) n++;
  VG_TRY(vg_alloc((void **)&all, (n + 3) * sizeof *all));
  for (size_t i = 0; i < n; i++)
    if (strncmp(environ[i], VG_COMM_VARIABLE "=", sizeof VG_COMM_VARIABLE) != 0 && strncmp(environ[i], "OMP_NUM_THREADS=", 16) != 0)
      all[kept++] = environ[i];
  all[kept++] = comm;
  all[kept++] = threads;
  all[kept] = NULL;
  *out = all;
  return VG_OK;
}

/* memory < 0: none. */
static int spawn(pid_t *pid, pid_t group, int memory, char *const *argv, char **environment) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&how);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (memory >= 0) posix_spawn_file_actions_adddup2(&files, memory, MEMORY);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&how, group);
  int error = posix_spawnp(pid, argv[0], &files, &how, argv, environment);
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

static vg_status start_one(vg_gang *g, const vg_gang_opts *o, int memory) {
  char comm[TEXT], threads[TEXT], **environment;
  if (memory >= 0) snprintf(comm, sizeof comm, VG_COMM_VARIABLE "=shm:%d:%d:%d", g->n, o->ranks, MEMORY);
  else snprintf(comm, sizeof comm, VG_COMM_VARIABLE "=mpi");
  snprintf(threads, sizeof threads, "OMP_NUM_THREADS=%d", o->threads);
  VG_TRY(make_environment(&environment, comm, threads));
  int error = spawn(&g->pid[g->n], g->group, memory, o->argv, environment);
  vg_free(environment);
  if (error) return vg_fail(VG_EIO, "gang: cannot start %s: %s", o->argv[0], strerror(error));
  if (g->n == 0) g->group = g->pid[0];
  g->n++;
  g->running++;
  return VG_OK;
}

vg_status vg_gang_start(vg_gang **out, const vg_gang_opts *opts) {
  int memory = -1, n = opts->ranks ? opts->ranks : 1;
  vg_status status;
  vg_gang *g;
  VG_TRY(VG_NEW(&g));
  g->patience_s = opts->patience_s;
  if (opts->ranks) VG_GOTO(vg__comm_shm_new(&memory, opts->ranks));
  for (int i = 0; i < n; i++) VG_GOTO(start_one(g, opts, memory));
  *out = g;
done:
  if (memory >= 0) close(memory);
  if (status != VG_OK) vg_gang_free(g);
  return status;
}

/* --- ending ------------------------------------------------------------------------------------------------------------------------- */

static int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

static void pause_ms(int ms) { nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL); }

/* @return whether one had ended: *process and *code are its then */
static int reap(int *process, int *code, vg_gang *g) {
  int status;
  pid_t pid = waitpid(-g->group, &status, WNOHANG);
  if (pid < 0 && errno == ECHILD) g->running = 0;       /* somebody else waited for them */
  if (pid <= 0) return 0;
  g->running--;
  *code = code_of(status);
  for (*process = g->n - 1; *process > 0 && g->pid[*process] != pid;) --*process;
  return 1;
}

static void end_all(vg_gang *g) {
  int process, code;
  double until = vg_clock_s() + g->patience_s;
  if (g->running > 0 && g->patience_s > 0) kill(-g->group, SIGTERM);
  while (g->running > 0 && vg_clock_s() < until)
    if (!reap(&process, &code, g)) pause_ms(POLL_MS);
  if (g->running > 0) kill(-g->group, SIGKILL);
  while (g->running > 0)
    if (!reap(&process, &code, g)) pause_ms(1);
}

vg_status vg_gang_wait(int *process, int *code, vg_gang *g, double seconds) {
  double until = vg_clock_s() + seconds;
  vg_status status = VG_OK;
  *process = -1;
  *code = 0;
  while (g->running > 0) {
    int who, how;
    if (reap(&who, &how, g)) {
      if (how == 0) continue;
      *process = who;
      *code = how;
      break;
    }
    if (vg_interrupted) VG_GOTO(vg_fail(VG_EINTR, "gang: interrupted"));
    if (seconds > 0 && vg_clock_s() > until) VG_GOTO(vg_fail(VG_ETIMEDOUT, "gang: it ran longer than %g s", seconds));
    pause_ms(POLL_MS);
  }
done:
  end_all(g);
  return status;
}

void vg_gang_free(vg_gang *g) {
  if (!g) return;
  end_all(g);
  vg_free(g);
}
