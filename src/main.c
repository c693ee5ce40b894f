/* vega-lua: Lua 5.4 with the engine inside. Exit codes: 0 ok, 1 the script failed, 2 usage, 3 a search without a successful trial,
 * 4 the store is missing or incompatible, 5 resources (memory, disk), 75 interrupted and resumable, 130/143 stopped by a signal.
 * A script's error may be a table { message =, exit_code = } to choose its own. */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "bind/interrupt.h"
#include "bind/sandbox.h"
#include "bind/vgl.h"
#include "kernels/simd.h"
#include "store/url.h"

enum { EXIT_USAGE = 2, EXIT_RESOURCES = 5, EXIT_RESUMABLE = 75, EXIT_SIGNAL = 128 };

static const char USAGE[] =
  "usage: vega-lua [options] [SCRIPT.lua [arguments] | COMMAND [arguments]]\n";
static const char EXAMPLES[] =
  "  vega-lua examples/quickstart.lua      run a script\n"
  "  vega-lua -l vega -e 'print(vega.version)'\n"
  "\n";
static const char HELP[] =
  "\n"
  "options:\n"
  "  -e CODE      run CODE\n"
  "  -l MODULE    require MODULE and keep it in a global of its name\n"
  "  -i           go on interactively afterwards\n"
  "  -q           print errors only\n"
  "  -v, -vv      print more, and the engine's own frames in tracebacks (also VEGA_LOG=debug)\n"
  "  --log-file F what is printed as JSON lines in F, too; F.1 and F.2 are older ones of 64 MiB\n"
  "  --color WHEN always, never or auto (also NO_COLOR=1, CLICOLOR_FORCE=1)\n"
  "  -            read the script from standard input\n"
  "  --sandbox    run the script restricted: it sees what is on a list, and has limits\n"
  "               (--sandbox=memory=256M,tensors=1G,instructions=1e9,seconds=30,store=URL)\n"
  "  --allow-bytecode\n"
  "               load compiled Lua, too; a damaged file of it can break the interpreter\n"
  "  --           end of the options\n"
  "  --version    versions of the program and its libraries (--format json)\n"
  "  --help       this text\n"
  "commands:\n"
  "  agent        measure networks for other machines (--listen 127.0.0.1:8342; also --agent)\n"
  "  doctor       what this machine offers and what is missing\n"
  "  help NAME    about a function, an operator, a module\n"
  "  list WHAT    strategies, schedulers, proxies, spaces or ops with their options\n"
  "  repl         interactive Lua\n"
  "  report       the report of a study in a store, as one HTML file (--store URL)\n"
  "  run SCRIPT   run a script's study with worker processes (--workers N --deterministic)\n"
  "  serve        a study's live report at http://127.0.0.1 (--store URL)\n"
  "  study WHAT   list, show, best, trials, export, import, resume, repair, gc, migrate, rm\n"
  "  worker       evaluate trials of the studies in a store (--store URL)\n"
  "COMMAND --help says more of each.\n"
  "levels:\n"
  "  trusted      a script named on the command line: all of Lua, like any interpreter\n"
  "  restricted   --sandbox, every search-space file, scripts out of a store. Against accidents and\n"
  "               simple malice; it is no security boundary: do not run code that you do not trust\n"
  "               at all. docs/sandbox.md\n";
static const char *const LONG_OPTIONS[] = { "--agent", "--allow-bytecode", "--color", "--format", "--help", "--log-file", "--sandbox", "--version", NULL };
/* A command NAME is the function that the module vega.command.NAME returns. */
static const char *const COMMANDS[] = { "agent", "doctor", "help", "list", "repl", "report", "run", "serve", "study", "worker", NULL };

static int show_engine_frames, allow_bytecode;
static const char *sandbox;          /* the limits, where --sandbox is given */

/* -- errors ---------------------------------------------------------------------------------------------------------------------- */

/* Frames looked at for a message; a stack that overflowed has 200 000, and finding each takes as many steps as it is deep. */
enum { DEEPEST = 1000 };

static int is_engine(const lua_Debug *ar) {
  return ar->source[0] == '@' && (strstr(ar->source, "/lua/vega/") != NULL || strncmp(ar->source, "@lua/vega/", 10) == 0);
}

static int is_hidden(const lua_Debug *ar) { return ar->currentline < 0 || (!show_engine_frames && is_engine(ar)); }

/* A message that our Lua files raised for a user's mistake starts with our position: put the user's line in its place. Errors of
 * the interpreter itself ("attempt to ...") are our faults and keep theirs. */
static void blame_user(lua_State *L, int message) {
  char engine[LUA_IDSIZE + 16];
  lua_Debug ar;
  const char *text = lua_tostring(L, message);
  int found = 0;
  for (int level = 1; level < DEEPEST && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline < 0) continue;
    if (!found) {
      if (!is_engine(&ar)) return;
      snprintf(engine, sizeof engine, "%s:%d: ", ar.short_src, ar.currentline);
      if (strncmp(text, engine, strlen(engine)) != 0) continue;
      text += strlen(engine);
      if (strncmp(text, "attempt to", 10) == 0) return;
      found = 1;
    } else if (!is_engine(&ar)) {
      lua_pushfstring(L, "%s:%d: %s", ar.short_src, ar.currentline, text);
      lua_replace(L, message);
      return;
    }
  }
}

static void add_frame(luaL_Buffer *b, const lua_Debug *ar) {
  char line[LUA_IDSIZE + 96];
  if (strcmp(ar->what, "main") == 0)
    snprintf(line, sizeof line, "\n  %s:%d: in the main chunk", ar->short_src, ar->currentline);
  else if (ar->name)
    snprintf(line, sizeof line, "\n  %s:%d: in '%.60s'", ar->short_src, ar->currentline, ar->name);
  else
    snprintf(line, sizeof line, "\n  %s:%d: in a function", ar->short_src, ar->currentline);
  luaL_addstring(b, line);
}

/* An error value that is no text, as text: what it says of itself, or what it is. */
static void describe_error(lua_State *L) {
  if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL) {
    lua_pop(L, 1);
    luaL_tolstring(L, 1, NULL);
  } else if (!lua_istable(L, 1) || lua_getfield(L, 1, "message") != LUA_TSTRING) {
    lua_pushfstring(L, "the error is a %s value", luaL_typename(L, 1));
  }
  lua_replace(L, 1);
  lua_settop(L, 1);
}

/* The message handler: the text, then the Lua lines that led there, ending at the script's own. C and engine frames are left out. */
static int explain(lua_State *L) {
  const int most = show_engine_frames ? 40 : 5;
  if (lua_istable(L, 1)) {
    int has_code = lua_getfield(L, 1, "exit_code") != LUA_TNIL;
    lua_pop(L, 1);
    if (has_code) return 1;
  }
  if (!lua_isstring(L, 1)) describe_error(L);
  if (vg_interrupted) return 1;
  if (!show_engine_frames) blame_user(L, 1);
  luaL_Buffer b;
  lua_Debug ar;
  int shown = 0, level = 1;
  luaL_buffinit(L, &b);
  lua_pushvalue(L, 1);
  luaL_addvalue(&b);
  for (; level < DEEPEST && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sln", &ar);
    if (is_hidden(&ar)) continue;
    if (shown++ < most) add_frame(&b, &ar);
  }
  if (shown > most) {
    char rest[48];
    snprintf(rest, sizeof rest, "\n  ... and %d more%s", shown - most, level == DEEPEST ? " or deeper" : "");
    luaL_addstring(&b, rest);
  }
  luaL_pushresult(&b);
  return 1;
}

static int signal_code(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "vega.resumable");
  int code = lua_toboolean(L, -1) ? EXIT_RESUMABLE : EXIT_SIGNAL + (int)vg_interrupted;
  lua_pop(L, 1);
  return code;
}

static void complain(const char *text) {
  fprintf(stderr, "vega-lua: %s\n", text);
  vg_log_file(VG_LOG_ERROR, text);
}

/* Prints the error on top of the stack and gives the exit code for it; `failure` is Lua's status. */
static int report(lua_State *L, int failure) {
  int code = failure == LUA_ERRMEM ? EXIT_RESOURCES : EXIT_FAILURE;
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, "exit_code");
    if (lua_isinteger(L, -1)) code = (int)lua_tointeger(L, -1);
    lua_getfield(L, -2, "message");
    if (lua_isstring(L, -1)) complain(lua_tostring(L, -1));
    lua_pop(L, 3);
    return code;
  }
  const char *text = lua_isstring(L, -1) ? lua_tostring(L, -1) : "error without a message";
  complain(vg_interrupted && strstr(text, "/lua/vega/") ? "interrupted!" : text);      /* where we were is nobody's fault */
  lua_pop(L, 1);
  return vg_interrupted ? signal_code(L) : code;
}

/* Calls the function below `n_args` arguments; 0 or an exit code. */
static int call(lua_State *L, int n_args) {
  int base = lua_gettop(L) - n_args;
  lua_pushcfunction(L, explain);
  lua_insert(L, base);
  int failure = lua_pcall(L, n_args, 0, base);
  lua_remove(L, base);
  return failure ? report(L, failure) : 0;
}

/* -- set up ---------------------------------------------------------------------------------------------------------------------- */

/* Where modules are found: beside the script, beside an installed program, in the source tree, then Lua's own places. */
static void set_path(lua_State *L, const char *script) {
  char exe[PATH_MAX], copy[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  exe[n > 0 ? n : 0] = '\0';
  snprintf(copy, sizeof copy, "%s", script ? script : ".");
  const char *dir = dirname(copy);
  const char *prefix = n > 0 ? dirname(dirname(exe)) : "/usr";
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "path");
  lua_pushfstring(L, "%s/?.lua;%s/share/vega-lua/lua/?.lua;%s/share/vega-lua/lua/?/init.lua;", dir, prefix, prefix);
  lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua;%s", VEGA_SOURCE_DIR, VEGA_SOURCE_DIR, lua_tostring(L, -2));
  lua_concat(L, 2);
  lua_setfield(L, -3, "path");
  lua_pop(L, 2);
}

static void set_arg(lua_State *L, int argc, char **argv, int script) {
  lua_createtable(L, argc, script + 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

static int open_libraries(lua_State *L) {
  luaL_openlibs(L);
  vgl_open_coroutines(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_vega_core);
  lua_setfield(L, -2, "vega.core");
  return 0;
}

/* -- what can be run ------------------------------------------------------------------------------------------------------------- */

static int run_code(lua_State *L, const char *code) {
  int failure = luaL_loadbufferx(L, code, strlen(code), "=(command line)", "t");
  return failure ? report(L, failure) : call(L, 0);
}

/* Leaves the module on the stack, or prints the error and gives the exit code. */
static int require_module(lua_State *L, const char *module) {
  lua_pushcfunction(L, explain);
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  int failure = lua_pcall(L, 1, 1, -3);
  if (failure) return report(L, failure);
  lua_remove(L, -2);
  return 0;
}

static int require_global(lua_State *L, const char *module) {
  int code = require_module(L, module);
  if (code == 0) lua_setglobal(L, module);
  return code;
}

/* Calls the function that the module returns with the list of arguments; its number is the exit code. */
static int run_command(lua_State *L, const char *command, char **argv) {
  lua_settop(L, 0);
  lua_pushcfunction(L, explain);
  lua_pushfstring(L, "vega.command.%s", command);
  int code = require_module(L, lua_tostring(L, -1));
  if (code) return code;
  lua_newtable(L);
  for (int i = 0; argv[i]; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i + 1);
  }
  int failure = lua_pcall(L, 1, 1, 1);
  return failure ? report(L, failure) : (int)lua_tointeger(L, -1);
}

static int usage_error(const char *problem, const char *word, const char *const *known) {
  const char *near = known ? vgl_nearest(word, known) : NULL;
  fprintf(stderr, "vega-lua: %s %s", problem, word);
  if (near) fprintf(stderr, "; did you mean %s?", near);
  fprintf(stderr, "\n%s", USAGE);
  return EXIT_USAGE;
}

/* The script as vega.sandbox runs it. */
static int run_restricted(lua_State *L, char **argv, int script) {
  if (strcmp(argv[script], "-") == 0) return usage_error("--sandbox wants a script's file, got", argv[script], NULL);
  int code = require_module(L, "vega.sandbox");
  if (code) return code;
  lua_getfield(L, -1, "main");
  lua_pushstring(L, sandbox);
  int n_args = 0;
  luaL_checkstack(L, 16, "arguments");
  for (; argv[script + n_args]; n_args++) {
    luaL_checkstack(L, 2, "arguments");
    lua_pushstring(L, argv[script + n_args]);
  }
  return call(L, n_args + 1);
}

/* Text only: a file of bytecode can break the interpreter, so it is refused unless it is asked for. */
static int run_script(lua_State *L, char **argv, int script) {
  if (sandbox) return run_restricted(L, argv, script);
  const char *name = strcmp(argv[script], "-") == 0 ? NULL : argv[script];
  int failure = luaL_loadfilex(L, name, allow_bytecode ? NULL : "t");
  if (failure) return report(L, failure);
  int n_args = 0;
  while (argv[script + 1 + n_args]) n_args++;
  luaL_checkstack(L, n_args + 2, "arguments");
  for (int i = 0; i < n_args; i++) lua_pushstring(L, argv[script + 1 + i]);
  return call(L, n_args);
}

static int is_word(const char *text, const char *word) { return text && strcmp(text, word) == 0; }

static int print_version(lua_State *L, char **options) {
  static const char *const FORMATS[] = { "json", "text", NULL };
  int json = 0;
  if (options[0]) {
    if (!is_word(options[0], "--format")) return usage_error("unknown option", options[0], LONG_OPTIONS);
    json = is_word(options[1], "json");
    if (!json && !is_word(options[1], "text")) return usage_error("unknown format", options[1] ? options[1] : "(none)", FORMATS);
  }
  return run_code(L, json ? "local core = require('vega.core') print(core.json.encode(core.sys.versions()))"
                          : "local v = require('vega.core').sys.versions()\n"
                            "print(('vega-lua %s (%s, %s, %s, %s; %s)'):format(v.vega, v.lua, v.onednn, v.blas, v.sqlite, v.isa))");
}

/* The options before the script, in two passes: the first only looks (and finds the script), so that a wrong option runs nothing. */
typedef struct options { int script, interactive, did_something; } options;

static int takes_value(const char *option) { return strncmp(option, "-e", 2) == 0 || strncmp(option, "-l", 2) == 0; }

/* What the environment says, which is also how started programs are told. */
static int set_up_log(void) {
  const char *level = getenv("VEGA_LOG"), *path = getenv("VEGA_LOG_FILE");
  if (level && *level) {
    if (vg_log_find(level) < 0) return usage_error("VEGA_LOG: unknown level", level, vg_log_names);
    vg_log_set((vg_log_level)vg_log_find(level));
  }
  if (path && *path && vg_log_open(path, (uint64_t)VG_LOG_MIB << 20) != VG_OK) {
    fprintf(stderr, "vega-lua: %s\n", vg_message());
    return EXIT_RESOURCES;
  }
  return 0;
}

static int use_colour(const char *when) {
  static const char *const WORDS[] = { "always", "auto", "never", NULL };
  if (!is_word(when, "always") && !is_word(when, "never") && !is_word(when, "auto")) return usage_error("--color: unknown word", when, WORDS);
  if (!is_word(when, "never")) unsetenv("NO_COLOR");
  unsetenv("CLICOLOR_FORCE");
  if (!is_word(when, "auto")) setenv(is_word(when, "always") ? "CLICOLOR_FORCE" : "NO_COLOR", "1", 1);
  return 0;
}

/* -q, -v, -vv, --log-file F, --color WHEN (also with '='). *i is moved over a value; *code: what is wrong. @return is it one of them? */
static int read_common(char **argv, int *i, int *code) {
  static const char *const NAMES[] = { "--log-file", "--color", NULL };
  const char *word = argv[*i];
  if (is_word(word, "-q") || is_word(word, "-v") || is_word(word, "-vv")) {
    show_engine_frames |= word[1] == 'v';
    return setenv("VEGA_LOG", word[1] == 'q' ? "error" : word[2] ? "trace" : "debug", 1) == 0;
  }
  for (int k = 0; NAMES[k]; k++) {
    size_t n = strlen(NAMES[k]);
    if (strncmp(word, NAMES[k], n) != 0 || (word[n] != '=' && word[n] != '\0')) continue;
    const char *value = word[n] ? word + n + 1 : argv[++*i];
    if (!value) *code = usage_error("a value must follow", word, NULL);
    else if (k == 1) *code = use_colour(value);
    else setenv("VEGA_LOG_FILE", value, 1);
    return 1;
  }
  return 0;
}

static int read_options(options *o, char **argv) {
  int i = 1, code = 0;
  for (; argv[i] && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    if (takes_value(argv[i])) {
      const char *option = argv[i];
      if (option[2] == '\0' && !argv[++i]) return usage_error("a value must follow", option, NULL);
      o->did_something = 1;
    } else if (strcmp(argv[i], "-i") == 0) {
      o->interactive = 1;
    } else if (read_common(argv, &i, &code)) {
      if (code) return code;
    } else if (strcmp(argv[i], "--allow-bytecode") == 0) {
      allow_bytecode = 1;
    } else if (strcmp(argv[i], "--sandbox") == 0 || strncmp(argv[i], "--sandbox=", 10) == 0) {
      sandbox = argv[i] + (argv[i][9] ? 10 : 9);
    } else {
      return usage_error("unknown option", argv[i], argv[i][1] == '-' ? LONG_OPTIONS : NULL);
    }
  }
  o->script = argv[i] ? i : 0;
  return 0;
}

static int run_options(lua_State *L, char **argv, int end) {
  int code = 0;
  for (int i = 1; i != end && argv[i] && code == 0; i++) {
    if (!takes_value(argv[i])) continue;
    char kind = argv[i][1];
    const char *value = argv[i][2] ? argv[i] + 2 : argv[++i];
    code = kind == 'e' ? run_code(L, value) : require_global(L, value);
  }
  return code;
}

static const char *find_command(const char *word) {
  for (const char *const *command = COMMANDS; word && *command; command++)
    if (strcmp(*command, word) == 0) return *command;
  return NULL;
}

/* A script, unless there is no such file and the word looks like a command that was meant. */
static int run_named(lua_State *L, char **argv, int script) {
  const char *command = find_command(argv[script]);
  if (command) return run_command(L, command, argv + script + 1);
  int is_mistyped = strcmp(argv[script], "-") != 0 && access(argv[script], F_OK) != 0 && vgl_nearest(argv[script], COMMANDS);
  return is_mistyped ? usage_error("no script or command", argv[script], COMMANDS) : run_script(L, argv, script);
}

static int run_all(lua_State *L, int argc, char **argv) {
  options o = { 0 };
  if (is_word(argv[1], "--version")) return print_version(L, argv + 2);
  if (is_word(argv[1], "--help") || (is_word(argv[1], "help") && !argv[2])) return printf("%s%s%s", EXAMPLES, USAGE, HELP) < 0;
  if (is_word(argv[1], "--agent")) memmove(argv[1], argv[1] + 2, sizeof "agent");          /* a command in the form of an option */
  int code = read_options(&o, argv);
  if (code == 0) code = set_up_log();
  if (code) return code;
  if (sandbox && (!o.script || o.did_something || o.interactive)) return usage_error("--sandbox takes a script and neither -e, -l nor -i, got", argv[1], NULL);
  if (!allow_bytecode) vgl_refuse_bytecode(L);
  int is_file = o.script && strcmp(argv[o.script], "-") != 0 && !find_command(argv[o.script]);
  set_path(L, is_file ? argv[o.script] : NULL);
  set_arg(L, argc, argv, o.script);
  code = run_options(L, argv, o.script ? o.script : -1);
  if (code) return code;
  if (o.script) code = run_named(L, argv, o.script);
  else if (!o.did_something && !o.interactive) {
    if (isatty(STDIN_FILENO)) o.interactive = 1;
    else code = run_script(L, (char *[]){ (char *)"-", NULL }, 0);
  }
  if (code == 0 && o.interactive) code = run_command(L, "repl", argv + argc);
  return code;
}

/* A file that is opened where 0, 1 or 2 is missing would take its place, and be printed to. Nothing can be read from or written to these. */
static void open_standard(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) _exit(EXIT_RESOURCES);
}

/* A password in a store's URL is refused later, but the list of processes shows the words of a command line to everybody: there it goes at once.
 * @return a copy of the words; NULL without memory. */
static char **take_words(int argc, char **argv) {
  char **copy = calloc((size_t)argc + 1, sizeof *copy);
  for (int i = 0; copy && i < argc; i++) {
    copy[i] = strdup(argv[i]);
    if (!copy[i]) return NULL;
    vg_store_url_hide(argv[i]);
  }
  return copy;
}

/* Data that did not get to where it should is a failure, but for a reader that has gone (| head). print() flushes, so the reason is forgotten by now. */
static int flush_output(int code) {
  struct pollfd out = { .fd = STDOUT_FILENO };
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR)) return code;
  int is_closed = (fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY;
  complain(is_closed ? "standard output is closed" : "the output could not be written: is the disk full?");
  return code ? code : is_closed ? EXIT_FAILURE : EXIT_RESOURCES;
}

int main(int argc, char **words) {
  open_standard();
  char **argv = take_words(argc, words);
  if (!argv) return EXIT_RESOURCES;
  if (vg_cpu_check() != VG_OK) {
    fprintf(stderr, "vega-lua: %s\n", vg_message());
    return EXIT_FAILURE;
  }
  setlocale(LC_CTYPE, "");     /* what a character is, nothing else: numbers keep their point and names their order in any country */
  if (MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
  lua_State *L = luaL_newstate();
  if (!L) {
    fputs("vega-lua: not enough memory\n", stderr);
    return EXIT_RESOURCES;
  }
  vgl_watch_signals(L);
  lua_pushcfunction(L, open_libraries);
  int failure = lua_pcall(L, 0, 0, 0);
  int code = failure ? report(L, failure) : run_all(L, argc, argv);
  lua_sethook(L, NULL, 0, 0);
  lua_close(L);
  code = flush_output(code);
  for (int i = 0; i < argc; i++) free(argv[i]);
  free(argv);
  return code;
}
