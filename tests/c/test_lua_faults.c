/* The system refuses, cuts short or interrupts the n-th write of a program, or ends the program there, for each n: what is on the disk is the old or
 * the new, and the work goes on. The functions below stand before libc's, also for SQLite. tests/c/test_lua_faults N tries N times as many places. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bind/vgl.h"

#ifdef __SANITIZE_ADDRESS__
enum { PLACES = 6, END_STEP = 4 };       /* processes are ten times as dear then */
#else
enum { PLACES = 25, END_STEP = 1 };
#endif
static long places = PLACES;             /* of a program, for each kind of fault other than the end */

/* --- faults ----------------------------------------------------------------------------------------------------------------------- */

typedef enum kind { NONE, END, NO_SPACE, DEVICE, INTERRUPTED, SHORT } kind;
enum { INTERRUPTIONS = 20 };             /* in a row: more than that and no program goes on */

static kind fault;
static long calls, fault_at;
static bool forever, armed;

static bool is_now(void) {
  if (!armed) return false;
  calls++;
  if (fault == NONE || calls < fault_at) return false;
  return calls == fault_at || (forever && (fault != INTERRUPTED || calls < fault_at + INTERRUPTIONS));
}

/* Does the call that comes fail, with errno? */
static bool fails(bool can_be_interrupted) {
  if (!is_now()) return false;
  if (fault == END) _exit(0);
  if (fault == SHORT || (fault == INTERRUPTED && !can_be_interrupted)) return false;
  errno = fault == NO_SPACE ? ENOSPC : fault == DEVICE ? EIO : EINTR;
  return true;
}

/* How many bytes of a write are done; -1: it fails, with errno; -2: half of it, then the end. */
static ssize_t part(size_t bytes) {
  if (!is_now()) return (ssize_t)bytes;
  if (fault == END) return -2;           /* in the middle of it */
  if (fault == SHORT) return bytes > 1 ? (ssize_t)(bytes / 2) : (ssize_t)bytes;
  errno = fault == NO_SPACE ? ENOSPC : fault == DEVICE ? EIO : EINTR;
  return -1;
}

ssize_t write(int fd, const void *data, size_t bytes) {
  ssize_t n = fd > STDERR_FILENO ? part(bytes) : (ssize_t)bytes;
  if (n == -1) return -1;
  ssize_t done = syscall(SYS_write, fd, data, n == -2 ? bytes / 2 : (size_t)n);
  if (n == -2) _exit(0);
  return done;
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) {
  ssize_t n = part(bytes);
  if (n == -1) return -1;
  ssize_t done = syscall(SYS_pwrite64, fd, data, n == -2 ? bytes / 2 : (size_t)n, at);
  if (n == -2) _exit(0);
  return done;
}
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { return pwrite64(fd, data, bytes, at); }

int fsync(int fd) { return fails(true) ? -1 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fails(true) ? -1 : (int)syscall(SYS_fdatasync, fd); }
int ftruncate64(int fd, off64_t size) { return fails(true) ? -1 : (int)syscall(SYS_ftruncate, fd, size); }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int rename(const char *from, const char *to) { return fails(false) ? -1 : (int)syscall(SYS_rename, from, to); }
int mkostemp(char *name, int flags) {
  static unsigned made;
  if (fails(false)) return -1;
  for (;;) {
    char digits[7];
    snprintf(digits, sizeof digits, "%06u", (unsigned)getpid() % 1000 * 1000 + made++ % 1000);
    memcpy(name + strlen(name) - 6, digits, 6);
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
}

/* --- programs --------------------------------------------------------------------------------------------------------------------- */

/* `prepare` and `check` run without a fault, each in a process of its own; `work` after arm() with one. check() raises when what is there is neither
 * old nor new; it knows `fault` and whether the work said that it was done. */
typedef struct program { const char *name, *prepare, *work, *check; } program;

#define NETWORK "local m = vega.nn.network({ 4, 4, 1 }, function(net) return net:linear(net:global_avg_pool(net:input()), 3) end, { seed = 1 })\n" \
                "local t = core.train.new(m, { optimiser = 'adam', lr = 0.1, total_steps = 9 })\n" \
                "local function step() assert(t:step(core.tensor.ones { 2, 4, 4, 1 }, core.tensor.new({ 0, 2 }, { dtype = 'i32' }))) end\n"
#define STUDY "local s = vega.space.define { name = 's', choices = function(c) for i = 1, 4 do c:choice('e' .. i, { 1, 2, 3 }) end end }\n" \
              "local study <close> = vega.study { space = s, strategy = vega.strategy.aging { population = 2, tournament = 2 }, objectives = { a = 'max' },\n" \
              "store = 'x.db', evaluate = function(arch) return { a = arch.e1 + arch.e2 * arch.e3 } end, budget = { trials = 4 }, quiet = true }\n" \
              "study:run()\n" \
              "local told = {} for i, t in ipairs(study:trials()) do told[i] = { t.id, t.hash, t.values.a, t.state } end\n" \
              "local text = core.json.encode(told)\n"

static const program CHECKPOINT = { "checkpoint",
  NETWORK "step() assert(t:save('net', 'old'))",
  NETWORK "assert(t:load 'net') step() arm() assert(t:save('net', 'new'))",
  NETWORK "local ok, user = assert(t:load 'net') local place = t:place()\n"
  "assert(user == 'old' and place == 1 and not done or user == 'new' and place == 2, user)\n"
  "step() assert(t:save('net', 'after')) assert(select(2, assert(t:load 'net')) == 'after')" };
static const program JOURNAL = { "journal", "", "arm() " STUDY "assert(#told == 4)",
  STUDY "local file = assert(io.open('../whole', undisturbed and 'w' or 'r'))\n"
  "if undisturbed then assert(file:write(text)) else assert(file:read 'a' == text, text) end file:close()\n"
  "local db <close> = assert(core.store.open 'x.db')" };

static int l_arm(lua_State *L) {
  (void)L;
  armed = true;
  return 0;
}

static int run(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_vega_core);
  lua_setfield(L, -2, "vega.core");
  lua_getglobal(L, "package");
  lua_pushliteral(L, VEGA_SOURCE_DIR "/lua/?.lua;" VEGA_SOURCE_DIR "/lua/?/init.lua");
  lua_setfield(L, -2, "path");
  lua_register(L, "arm", l_arm);
  if (luaL_dostring(L, "vega, core = require 'vega', require 'vega.core' core.sys.threads(1)") != LUA_OK || luaL_loadstring(L, text) != LUA_OK)
    return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

enum { LUA_FAILED = 10, DIFFERS = 11 };

/* In a process of its own. The error goes into the file `message`: "EXIT CODE: text" where it chooses its exit code. */
static int in_process(const char *text, bool done, bool undisturbed) {
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    lua_State *L = luaL_newstate();
    lua_pushboolean(L, done);
    lua_setglobal(L, "done");
    lua_pushboolean(L, undisturbed);
    lua_setglobal(L, "undisturbed");
    lua_pushcfunction(L, run);
    lua_pushstring(L, text);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) {
      if (fault == NONE && armed) {
        FILE *f = fopen("calls", "w");
        fprintf(f, "%ld", calls);
        fclose(f);
      }
      _exit(0);
    }
    armed = false;
    int code = 0;
    if (lua_istable(L, -1)) {
      lua_getfield(L, -1, "exit_code");
      code = (int)lua_tointeger(L, -1);
      lua_getfield(L, -2, "message");
    }
    FILE *f = fopen("message", "w");
    if (f) {
      fprintf(f, "%d: %s", code, lua_tostring(L, -1));
      fclose(f);
    }
    _exit(LUA_FAILED);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) fail_msg("ended by signal %d", WTERMSIG(status));
  return WEXITSTATUS(status);
}

static char message[4096];
static void read_message(void) {
  FILE *f = fopen("message", "r");
  size_t n = f ? fread(message, 1, sizeof message - 1, f) : 0;
  message[n] = '\0';
  if (f) fclose(f);
}

static void set_fault(kind k, long at, bool for_ever) {
  fault = k;
  fault_at = at;
  forever = for_ever;
  calls = 0;
  armed = false;
}

static void enter(const char *name) {
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", name);        /* what a failed case has left */
  assert_int_equal(system(command), 0);
  assert_int_equal(mkdir(name, 0700), 0);
  assert_int_equal(chdir(name), 0);
}
static void leave(const char *name) {
  char command[300];
  assert_int_equal(chdir(".."), 0);
  snprintf(command, sizeof command, "rm -rf '%s'", name);
  assert_int_equal(system(command), 0);
}

static void must(const program *p, const char *text, bool done, bool undisturbed) {
  set_fault(NONE, 0, false);
  if (in_process(text, done, undisturbed) == 0) return;
  read_message();
  fail_msg("%s: %s", p->name, message);
}

/* One fault; gives whether the work ended well. */
static bool try(const program *p, kind k, long at, bool for_ever) {
  static const char *const NAMES[] = { "none", "the end", "no space", "device error", "interruption", "short write" };
  enter("case");
  must(p, p->prepare, false, false);
  set_fault(k, at, for_ever);
  bool done = in_process(p->work, false, false) == 0;
  read_message();
  if (!done && k != END && !strstr(message, p == &JOURNAL ? "study 'study'" : "'net'") && !strstr(message, "net: cannot"))
    fail_msg("%s at call %ld: the error does not name its place: %s", NAMES[k], at, message);
  bool opened = !strstr(message, "in x.db");                   /* a store that cannot be opened may as well be missing: exit code 4 */
  if (!done && p == &JOURNAL && message[0] != (opened ? '5' : '4')) fail_msg("%s at call %ld: wrong exit code: %s", NAMES[k], at, message);
  set_fault(NONE, 0, false);
  if (in_process(p->check, done && k != END, false) != 0) {
    read_message();
    fail_msg("%s, %s at call %ld%s: %s", p->name, NAMES[k], at, for_ever ? " and from then on" : "", message);
  }
  leave("case");
  return done;
}

/* How many calls the work makes. */
static long count(const program *p) {
  long n = 0;
  enter("whole.case");
  must(p, p->prepare, false, false);
  must(p, p->work, false, false);
  FILE *f = fopen("calls", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%ld", &n), 1);
  fclose(f);
  if (p == &JOURNAL) must(p, p->check, true, true);
  leave("whole.case");
  return n;
}

static void ended_at_every_call(void **state) {
  const program *p = *state;
  long n = count(p);
  assert_true(n >= 4);
  for (long at = 1; at <= n + 1; at += END_STEP) try(p, END, at, false);
}

static void refused(void **state) {
  const program *p = *state;
  long n = count(p), step = n > places ? n / places : 1, failures = 0;
  for (int k = NO_SPACE; k <= SHORT; k++)
    for (int for_ever = 0; for_ever < 2; for_ever++)
      for (long at = 1 + (k + for_ever) % step; at <= n; at += step) {
        bool done = try(p, (kind)k, at, for_ever);
        if (p == &CHECKPOINT && k >= INTERRUPTED && !done) fail_msg("a %s ended the work: %s", k == SHORT ? "short write" : "interruption", message);
        failures += !done;
      }
  assert_true(failures > 0);
}

/* A file system of 16 MiB that runs full in the middle of a study, and is emptied again. */
static void full_disk(void **state) {
  (void)state;
  int status;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {                       /* the mount ends with this process */
    if (mkdir("disk", 0700) != 0 || unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("tmpfs", "disk", "tmpfs", 0, "size=16m") != 0)
      _exit(77);
    if (chdir("disk") != 0) _exit(1);
    static char chunk[4096];
    int fd = open("ballast", O_WRONLY | O_CREAT, 0600);
    while (write(fd, chunk, sizeof chunk) > 0) { }
    (void)!ftruncate(fd, lseek(fd, 0, SEEK_END) - (160 << 10));
    close(fd);
    if (in_process("arm() " STUDY, false, false) != LUA_FAILED) _exit(2);
    unlink("ballast");                    /* the message had no room either */
    if (in_process(STUDY "assert(#told == 4)", false, false) != 0) _exit(3);
    _exit(0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  rmdir("disk");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static char folder[64];
static int enter_scratch(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "%s/vega-faults-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");      /* where fsync is quick */
  return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}
static int leave_scratch(void **state) {
  char command[300];
  (void)state;
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

#define CASE(test, program) { #test " " #program, test, NULL, NULL, (void *)&program }
int main(int argc, char **argv) {
  if (argc > 1) places *= atol(argv[1]);
  const struct CMUnitTest tests[] = { CASE(ended_at_every_call, CHECKPOINT), CASE(refused, CHECKPOINT), CASE(ended_at_every_call, JOURNAL),
                                      CASE(refused, JOURNAL), cmocka_unit_test(full_disk) };
  return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
