/* vega.core.sys: the machine and the process: versions, threads, clock, interrupts, atomic writes, folders, other programs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/threads.h"
#include "bind/interrupt.h"
#include "bind/vgl.h"
#include "kernels/simd.h"
#include "kernels/versions.h"

/* versions(): { vega, lua, onednn, blas, sqlite, isa }, each ready to print. */
static int sys_versions(lua_State *L) {
  char text[64];
  lua_createtable(L, 0, 6);
  lua_pushliteral(L, VEGA_VERSION);
  lua_setfield(L, -2, "vega");
  lua_pushliteral(L, LUA_RELEASE);
  lua_setfield(L, -2, "lua");
  vg_version_onednn(text, sizeof text);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "onednn");
  vg_version_blas(text, sizeof text);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "blas");
  lua_pushfstring(L, "SQLite %s", sqlite3_libversion());
  lua_setfield(L, -2, "sqlite");
  lua_pushstring(L, vg_cpu_isa());
  lua_setfield(L, -2, "isa");
  return 1;
}

/* cpu(): { isa, avx512, bf16, amx, blas_core, online } */
static int sys_cpu(lua_State *L) {
  lua_createtable(L, 0, 6);
  lua_pushstring(L, vg_cpu_isa());
  lua_setfield(L, -2, "isa");
  lua_pushboolean(L, vg_cpu_has_avx512());
  lua_setfield(L, -2, "avx512");
  lua_pushboolean(L, vg_cpu_has_bf16());
  lua_setfield(L, -2, "bf16");
  lua_pushboolean(L, vg_cpu_has_amx());
  lua_setfield(L, -2, "amx");
  lua_pushstring(L, vg_blas_core());
  lua_setfield(L, -2, "blas_core");
  lua_pushinteger(L, sysconf(_SC_NPROCESSORS_ONLN));
  lua_setfield(L, -2, "online");
  return 1;
}

/* threads([n]): sets the count when given; returns it. */
static int sys_threads(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= 1024, 1, "a number of threads from 1 to 1024 expected");
    vg_threads_set((int)n);
  }
  lua_pushinteger(L, vg_threads());
  return 1;
}

/* clock() -> seconds of a steady clock */
static int sys_clock(lua_State *L) {
  lua_pushnumber(L, vg_clock_s());
  return 1;
}

/* memory([reset]): live, peak and cached bytes of tensor memory; with true the peak begins anew, after it was read. */
static int sys_memory(lua_State *L) {
  vg_alloc_stats s = vg_alloc_get_stats();
  if (lua_toboolean(L, 1)) vg_alloc_reset_peak();
  lua_pushinteger(L, (lua_Integer)s.live_bytes);
  lua_pushinteger(L, (lua_Integer)s.peak_bytes);
  lua_pushinteger(L, (lua_Integer)s.cached_bytes);
  return 3;
}

/* Bytes of the machine, or of the control group when that has less; 0: unknown. */
static size_t machine_memory(void) {
  static const char *const GROUPS[] = { "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
  size_t bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < 2; i++) {
    unsigned long long limit;
    FILE *f = fopen(GROUPS[i], "re");
    if (!f) continue;
    if (fscanf(f, "%llu", &limit) == 1 && limit < bytes) bytes = (size_t)limit;
    fclose(f);
  }
  return bytes;
}

/* What Lua had before, and the count that the engine's limit knows of. Shrinking never fails, as Lua demands. */
static lua_Alloc plain_allocator;
static void *count_allocation(void *context, void *block, size_t old_size, size_t size) {
  ptrdiff_t more = (ptrdiff_t)size - (block ? (ptrdiff_t)old_size : 0);
  if (!vg_alloc_charge(more)) return NULL;
  void *p = plain_allocator(context, block, old_size, size);
  if (!p && size) vg_alloc_charge(-more);
  return p;
}

static void count_lua(lua_State *L) {
  void *context;
  lua_Alloc now = lua_getallocf(L, &context);
  if (now == count_allocation) return;
  plain_allocator = now;
  vg_alloc_charge((ptrdiff_t)lua_gc(L, LUA_GCCOUNT) * 1024 + lua_gc(L, LUA_GCCOUNTB));
  lua_setallocf(L, count_allocation, context);
}

/* memory_limit(bytes [, with_lua]): over it allocations of the engine fail with ENOMEM; 0: what the machine has. with_lua: what Lua has counts, too,
 * and its allocations fail as well. */
static int sys_memory_limit(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0, 1, "bytes >= 0 expected");
  if (lua_toboolean(L, 2)) count_lua(L);
  vg_alloc_set_limit(n ? (size_t)n : machine_memory());
  return 0;
}

/* isatty(fd) */
static int sys_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* resumable(on): from now on an interrupted script ends with code 75 (its work is saved) instead of 130. */
static int sys_resumable(lua_State *L) {
  lua_pushboolean(L, lua_toboolean(L, 1));
  lua_setfield(L, LUA_REGISTRYINDEX, "vega.resumable");
  return 0;
}

/* interrupted([forget]) -> the number of the signal that asked the program to stop, or false. forget = true: go on as if it had not. */
static int sys_interrupted(lua_State *L) {
  int number = vg_interrupted;
  if (lua_toboolean(L, 1)) vg_interrupted = 0;
  if (number) lua_pushinteger(L, number);
  else lua_pushboolean(L, 0);
  return 1;
}

static int io_failure(lua_State *L, const char *what, const char *path) {
  lua_pushnil(L);
  lua_pushfstring(L, "cannot %s '%s': %s", what, path, strerror(errno));
  lua_pushstring(L, vg_status_name(VG_EIO));
  return 3;
}

static int write_whole(int fd, const char *data, size_t n) {
  while (n > 0) {
    ssize_t k = write(fd, data, n);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return -1;
    data += k;
    n -= (size_t)k;
  }
  return fsync(fd);
}

/* A device or a pipe is written to; a rename would put a file in its place. */
static int is_special(const char *path) {
  struct stat s;
  return stat(path, &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

static int write_special(const char *path, const char *data, size_t n) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  int failed = write_whole(fd, data, n) != 0 && errno != EINVAL;          /* EINVAL: there is nothing to sync */
  return close(fd) != 0 || failed ? -1 : 0;
}

/* write_file(path, text): written beside it, synced, renamed: a reader sees the old file or the new one. */
static int sys_write_file(lua_State *L) {
  size_t n;
  const char *path = luaL_checkstring(L, 1), *data = luaL_checklstring(L, 2, &n);
  if (is_special(path)) {
    if (write_special(path, data, n) != 0) return io_failure(L, "write", path);
    lua_pushboolean(L, 1);
    return 1;
  }
  const char *temporary = lua_pushfstring(L, "%s.%d.tmp", path, (int)getpid());
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return io_failure(L, "create", temporary);
  int failed = write_whole(fd, data, n);
  if (close(fd) != 0) failed = -1;
  if (failed || rename(temporary, path) != 0) {
    int reason = errno;
    unlink(temporary);
    errno = reason;
    return io_failure(L, "write", path);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* make_dirs(path): the folder and those above it; no error when it exists. */
static int sys_make_dirs(lua_State *L) {
  size_t n;
  const char *path = luaL_checklstring(L, 1, &n);
  char *copy = lua_newuserdatauv(L, n + 1, 0);
  memcpy(copy, path, n + 1);
  for (char *p = copy + (n > 0); ; p++) {
    if (*p != '/' && *p != '\0') continue;
    char end = *p;
    *p = '\0';
    if (*copy && mkdir(copy, 0777) != 0 && errno != EEXIST) return io_failure(L, "create the folder", copy);
    if (end == '\0') break;
    *p = end;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* What scandir gives, freed by the collector whatever happens between. */
#define LISTING "vega.listing"
typedef struct listing {
  struct dirent **entries;
  int n;
} listing;

static int free_listing(lua_State *L) {
  listing *l = luaL_checkudata(L, 1, LISTING);
  while (l->n > 0) free(l->entries[--l->n]);
  free(l->entries);
  l->entries = NULL;
  return 0;
}

static listing *new_listing(lua_State *L) {
  listing *l = lua_newuserdatauv(L, sizeof *l, 0);
  *l = (listing){ 0 };
  if (luaL_newmetatable(L, LISTING)) {
    lua_pushcfunction(L, free_listing);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return l;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }   /* in any locale */

static int is_name(const struct dirent *entry) { return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0; }

/* list(folder) -> the names in it, sorted | nil, message, "EIO" */
static int sys_list(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  listing *l = new_listing(L);
  int n = scandir(path, &l->entries, is_name, by_bytes);
  if (n < 0) return io_failure(L, "list the folder", path);
  l->n = n;
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushstring(L, l->entries[i]->d_name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* disk(path) -> free bytes of its file system | nil, message, "EIO" */
static int sys_disk(lua_State *L) {
  struct statvfs v;
  const char *path = luaL_checkstring(L, 1);
  if (statvfs(path, &v) != 0) return io_failure(L, "look at the file system of", path);
  lua_pushinteger(L, (lua_Integer)v.f_bavail * (lua_Integer)v.f_frsize);
  return 1;
}

enum { MOST_WORDS = 64 };

/* The words of the list at 1; their texts stay on the stack, so that they live.  [-0, +n, e] */
static void check_words(lua_State *L, char *argv[MOST_WORDS + 1]) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 1);
  luaL_argcheck(L, n >= 1 && n <= MOST_WORDS, 1, "1 to 64 words expected");
  for (int i = 0; i < n; i++) {
    luaL_checkstack(L, 8, "words");
    lua_rawgeti(L, 1, i + 1);
    argv[i] = (char *)luaL_checkstring(L, -1);
  }
  argv[n] = NULL;
}

/* run({ program, argument, ... }) -> output, exit code | nil, message, "EIO": without a shell; standard error is ours. */
static int sys_run(lua_State *L) {
  char *argv[MOST_WORDS + 1], *output;
  size_t length;
  int code;
  check_words(L, argv);
  vg_status s = vg_process_run(&output, &length, &code, argv);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushtext(L, output, length);
  lua_pushinteger(L, code);
  return 2;
}

/* start({ program, argument, ... }) -> pid | nil, message, "EIO": without a shell and without waiting; output and error are ours. */
static int sys_start(lua_State *L) {
  char *argv[MOST_WORDS + 1];
  int pid;
  check_words(L, argv);
  vg_status s = vg_process_start(&pid, argv);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, pid);
  return 1;
}

/* wait() -> pid, exit code of the next started program to end. Raises when none runs. */
static int sys_wait(lua_State *L) {
  int pid, code;
  vg_status s = vg_process_wait(&pid, &code);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, pid);
  lua_pushinteger(L, code);
  return 2;
}

/* exec({ program, argument, ... } [, folder]): this process becomes that program, in the folder. Returns only on failure: nil, message, "EIO". */
static int sys_exec(lua_State *L) {
  char *argv[MOST_WORDS + 1];
  const char *folder = luaL_optstring(L, 2, NULL);
  check_words(L, argv);
  if (folder && chdir(folder) != 0) return io_failure(L, "change to the folder", folder);
  fflush(NULL);
  execvp(argv[0], argv);
  return io_failure(L, "start", argv[0]);
}

/* width(fd) -> columns of the terminal there | nil: it is none */
static int sys_width(lua_State *L) {
  struct winsize size;
  if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) lua_pushinteger(L, size.ws_col);
  else lua_pushnil(L);
  return 1;
}

/* on_status(function or nil): what SIGUSR1 prints, on standard error, is the text that the function returns. */
static int sys_on_status(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  vgl_on_status(L);
  return 0;
}

static const luaL_Reg FUNCTIONS[] = {
  { "clock", sys_clock },
  { "cpu", sys_cpu },
  { "disk", sys_disk },
  { "exec", sys_exec },
  { "interrupted", sys_interrupted },
  { "isatty", sys_isatty },
  { "list", sys_list },
  { "make_dirs", sys_make_dirs },
  { "memory", sys_memory },
  { "memory_limit", sys_memory_limit },
  { "on_status", sys_on_status },
  { "resumable", sys_resumable },
  { "run", sys_run },
  { "start", sys_start },
  { "threads", sys_threads },
  { "versions", sys_versions },
  { "wait", sys_wait },
  { "width", sys_width },
  { "write_file", sys_write_file },
  { NULL, NULL },
};

/* The system promises memory that it does not have and kills who uses it; a tensor larger than the machine is an error instead. */
int luaopen_vega_core_sys(lua_State *L) {
  vg_alloc_set_limit(machine_memory());
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
