/* The interactive program on a pseudo terminal: what a person types and sees. */
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000 };            /* only a session that hangs needs it */

static char program[4096], state_folder[64] = "/tmp/vega_repl_XXXXXX";

typedef struct session {
  int terminal;
  pid_t pid;
  char seen[65536];                      /* everything that came */
  size_t n, checked;                     /* expect() looks behind what the one before it found */
} session;

static session open_session(void) {
  session s = { 0 };
  struct winsize size = { .ws_row = 40, .ws_col = 200 };
  s.pid = forkpty(&s.terminal, NULL, NULL, &size);
  assert_true(s.pid >= 0);
  if (s.pid == 0) {
    setenv("XDG_STATE_HOME", state_folder, 1);
    setenv("TERM", "xterm", 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);         /* libedit loses lines of its history */
    execl(program, "vega-lua", "repl", (char *)NULL);
    _exit(127);
  }
  return s;
}

static int read_more(session *s) {
  struct pollfd p = { .fd = s->terminal, .events = POLLIN };
  if (poll(&p, 1, PATIENCE_MS) <= 0 || s->n + 1 >= sizeof s->seen) return 0;
  ssize_t n = read(s->terminal, s->seen + s->n, sizeof s->seen - s->n - 1);
  if (n <= 0) return 0;
  for (ssize_t i = 0; i < n; i++) if (s->seen[s->n + (size_t)i] == '\0') s->seen[s->n + (size_t)i] = ' ';
  s->n += (size_t)n;
  return 1;
}

static void expect(session *s, const char *text) {
  for (;;) {
    const char *at = strstr(s->seen + s->checked, text);
    if (at) {
      s->checked = (size_t)(at - s->seen) + strlen(text);
      return;
    }
    if (!read_more(s)) fail_msg("'%s' did not come after:\n%s", text, s->seen);
  }
}

static void type(session *s, const char *keys) { assert_int_equal(write(s->terminal, keys, strlen(keys)), strlen(keys)); }

static int close_session(session *s) {
  int status;
  while (read_more(s)) continue;
  assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
  close(s->terminal);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Keys typed before the editor has switched the terminal over would be the terminal's, so each step waits for that. */
static void expect_prompt(session *s) {
  struct termios mode;
  expect(s, "> ");
  for (int ms = 0; ms < PATIENCE_MS; ms++) {
    assert_int_equal(tcgetattr(s->terminal, &mode), 0);
    if (!(mode.c_lflag & ICANON)) return;
    poll(NULL, 0, 1);
  }
  fail_msg("no editor after:\n%s", s->seen);
}

static void enter(session *s, const char *line, const char *answer) {
  type(s, line);
  type(s, "\r");
  expect(s, answer);
  expect_prompt(s);
}

static session start(void) {
  session s = open_session();
  expect_prompt(&s);
  return s;
}

static void leave(session *s) {
  type(s, "\x04");
  assert_int_equal(close_session(s), 0);
}

static void evaluates(void **state) {
  (void)state;
  session s = start();
  enter(&s, "6*7", "\n42\r");
  enter(&s, "=6*8", "\n48\r");
  type(&s, "for i = 1, 2 do\r");
  expect_prompt(&s);
  enter(&s, "print('line', i * 10) end", "\nline\t10\r\nline\t20");
  enter(&s, "vega.tensor.ones{ 2, 2 }", "\ntensor f32 [2, 2], min 1, max 1, mean 1");
  enter(&s, "?conv2d", "\nop.conv2d");
  enter(&s, "local x = 5; error 'wrong'", "\nstdin:1: wrong");
  enter(&s, "??", "\n    x = 5");
  enter(&s, "'gr\xc3\xbc\xc3\x9f'", "\ngr\xc3\xbc\xc3\x9f");
  leave(&s);
}

static void interrupts(void **state) {
  (void)state;
  session s = start();
  for (int round = 0; round < 2; round++) {
    type(&s, "print 'begun' while true do end\r");
    expect(&s, "\nbegun");
    type(&s, "\x03");
    expect(&s, "\ninterrupted");
    expect_prompt(&s);
    type(&s, "error 'never run'\x03");                 /* at the prompt it drops the line */
    expect_prompt(&s);
    enter(&s, "'still ' .. 'here'", "\nstill here");
  }
  type(&s, "for i = 1, 2 do\r");
  expect_prompt(&s);
  type(&s, "\x03");                                      /* and the lines before it */
  expect_prompt(&s);
  enter(&s, "1 + 1", "\n2\r");
  assert_null(strstr(s.seen, "stdin:1: never run"));
  leave(&s);
}

static void interrupts_coroutines(void **state) {
  (void)state;
  session s = start();
  type(&s, "coroutine.wrap(function() print 'inside' while true do end end)()\r");
  expect(&s, "\ninside");
  type(&s, "\x03");
  expect(&s, "\ninterrupted");
  expect_prompt(&s);
  leave(&s);
}

static void completes(void **state) {
  (void)state;
  session s = start();
  enter(&s, "vega.thre\t(1)", "\n1\r");
  enter(&s, "t = vega.tensor.zeros{ 3 }", "\r");
  enter(&s, "t:totab\t()[1]", "\n0.0\r");
  type(&s, "vega.tensor.\t");
  expect(&s, "\narange");
  expect(&s, "zeros");
  type(&s, "\x15" "stri\t.re\t\t");
  expect(&s, "\nrep");
  expect(&s, "reverse");
  type(&s, "\x15");
  leave(&s);
}

static void remembers(void **state) {
  (void)state;
  session s = start();
  enter(&s, "print('first ' .. 'memory')", "\nfirst memory");
  enter(&s, "\x1b[A", "\nfirst memory");
  leave(&s);
  s = start();
  enter(&s, "\x1b[A", "\nfirst memory");
  leave(&s);
}

static void ends_on_a_signal(void **state) {
  (void)state;
  session s = start();
  kill(s.pid, SIGTERM);
  assert_int_equal(close_session(&s), 143);
  s = start();
  type(&s, "print 'begun' while true do end\r");
  expect(&s, "\nbegun");
  kill(s.pid, SIGHUP);
  assert_int_equal(close_session(&s), 129);
}

static int prepare(void **state) {
  (void)state;
  return mkdtemp(state_folder) == NULL;
}

static int clean_up(void **state) {
  (void)state;
  char path[128];
  snprintf(path, sizeof path, "%s/vega-lua/history", state_folder);
  unlink(path);
  snprintf(path, sizeof path, "%s/vega-lua", state_folder);
  rmdir(path);
  return rmdir(state_folder);
}

int main(int argc, char **argv) {
  (void)argc;
  const char *slash = strrchr(argv[0], '/');
  snprintf(program, sizeof program, "%.*svega-lua", slash ? (int)(slash - argv[0]) + 1 : 0, argv[0]);
  const struct CMUnitTest tests[] = { cmocka_unit_test(evaluates), cmocka_unit_test(interrupts), cmocka_unit_test(interrupts_coroutines),
                                      cmocka_unit_test(completes), cmocka_unit_test(remembers), cmocka_unit_test(ends_on_a_signal) };
  return cmocka_run_group_tests(tests, prepare, clean_up);
}
