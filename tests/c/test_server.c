/* The HTTP server of the live view against clients that are wrong, slow, gone or many (specs 10.6, X4). One thread is both sides: the kernel keeps what
 * a client sends until the server looks. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "serve/server.h"

#define POLICY "default-src 'none'"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define HOST "Host: localhost\r\n"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static vg_server *start(vg_server_opts opts) {
  vg_server *s = NULL;
  opts.policy = POLICY;
  if (vg_server_start(&s, &opts) != VG_OK) fail_msg("%s", vg_message());
  assert_true(vg_server_port(s) > 0);
  return s;
}

static int connect_to(const vg_server *s) {
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)vg_server_port(s)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

/* Without a TIME_WAIT: 100,000 of them would use up the ports. */
static void hang_up(int fd) {
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
  close(fd);
}

/* Serves once; what is asked is answered with its route, name and number. */
static void serve(vg_server *s, double seconds) {
  const vg_request *q;
  char body[VG_SERVER_LINE + 64];
  assert_int_equal(vg_server_next(&q, s, seconds), VG_OK);
  if (!q) return;
  int n = snprintf(body, sizeof body, "%d %s %lld\n", q->route, q->name, (long long)q->after);
  assert_int_equal(vg_server_answer(s, q->id, 200, "text/plain", "\"tag\"", body, (size_t)n), VG_OK);
}

/* Is that a whole answer, to a request that was no HEAD? */
static int is_whole(const char *reply, size_t n) {
  const char *end = strstr(reply, "\r\n\r\n"), *length = strstr(reply, "Content-Length: ");
  return end && length && n >= (size_t)(end + 4 - reply) + (size_t)atol(length + 16);
}

typedef struct answer { char text[8192]; size_t n; int status, is_closed; } answer;

static int receive(int fd, answer *a) {
  ssize_t n = recv(fd, a->text + a->n, sizeof a->text - 1 - a->n, 0);
  if (n > 0) a->n += (size_t)n;
  a->text[a->n] = '\0';
  a->is_closed = n == 0 || (n < 0 && errno != EAGAIN);
  if (a->n > 12) a->status = atoi(a->text + 9);
  return a->is_closed || is_whole(a->text, a->n);
}

/* Sends the request as the server takes it; a server that has heard enough may close before all is sent. */
static answer ask_bytes(vg_server *s, const char *request, size_t n) {
  answer a = { 0 };
  int fd = connect_to(s);
  double end = now() + 10;
  for (size_t sent = 0; now() < end;) {
    ssize_t more = sent < n ? send(fd, request + sent, n - sent, MSG_NOSIGNAL) : 0;
    if (more > 0) sent += (size_t)more;
    serve(s, 0.001);
    if (receive(fd, &a)) break;
  }
  hang_up(fd);
  return a;
}

static answer ask(vg_server *s, const char *request) { return ask_bytes(s, request, strlen(request)); }

static void expect(vg_server *s, int status, const char *request) {
  answer a = ask(s, request);
  if (a.status != status) fail_msg("%d expected, got %d for\n%s\n%s", status, a.status, request, a.text);
  assert_null(strstr(a.text, "Access-Control"));
  assert_null(strstr(a.text, "Server:"));
}

static char *repeated(const char *start, char letter, size_t n, const char *end) {
  char *text = malloc(strlen(start) + n + strlen(end) + 1);
  strcpy(text, start);
  memset(text + strlen(start), letter, n);
  strcpy(text + strlen(start) + n, end);
  return text;
}

static void expect_long(vg_server *s, int status, const char *start, size_t n, const char *end) {
  char *request = repeated(start, 'a', n, end);
  expect(s, status, request);
  free(request);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------ */

static void test_answers(void **state) {
  (void)state;
  vg_server *s = start((vg_server_opts){ .port = 0 });
  answer a = ask(s, "GET /study/a%20b%2F..?after=12 HTTP/1.1\r\n" HOST "\r\n");
  assert_int_equal(a.status, 200);
  assert_non_null(strstr(a.text, "\r\n\r\n1 a b/.. 12\n"));
  assert_non_null(strstr(a.text, "Content-Security-Policy: " POLICY "\r\n"));
  assert_non_null(strstr(a.text, "X-Content-Type-Options: nosniff\r\n"));
  assert_non_null(strstr(a.text, "Referrer-Policy: no-referrer\r\n"));
  assert_non_null(strstr(a.text, "ETag: \"tag\"\r\n"));
  a = ask(s, "GET /api/v1/study/x HTTP/1.1\r\n" HOST "If-None-Match: \"tag\"\r\n\r\n");
  assert_int_equal(a.status, 304);
  assert_null(strstr(a.text, "2 x -1"));
  a = ask(s, "GET /api/v1/study/x?after=-3 HTTP/1.1\r\n" HOST "If-None-Match: \"tig\"\r\n\r\n");
  assert_non_null(strstr(a.text, "\r\n\r\n2 x -1\n"));
  a = ask(s, "HEAD / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
  assert_int_equal(a.status, 200);
  assert_true(a.n > 4 && strcmp(a.text + a.n - 4, "\r\n\r\n") == 0);
  const vg_request *none;
  assert_int_equal(vg_server_next(&none, s, 0), VG_OK);
  assert_null(none);
  assert_int_equal(vg_server_answer(s, 3, 200, "text/plain", NULL, "", 0), VG_EARG);
  vg_server_stop(s);
}

static void test_refusals(void **state) {
  (void)state;
  vg_server *s = start((vg_server_opts){ .hosts = { "nas.example", NULL } });
  static const char *const GOOD[] = { "Host: 127.0.0.1:8080\r\n", "Host: [::1]:8080\r\n", "Host: LOCALHOST\r\n", "Host: nas.example:1\r\n",
    "Host: localhost:1\r\nOrigin: http://localhost:1\r\n" };
  static const char *const FOREIGN[] = { "Host: evil.example\r\n", "Host: localhost.evil.example\r\n", "Host: localhost:80:80\r\n", "Host: [::1\r\n",
    "Host: \r\n", "Host: localhost:\r\n", "Host: 127.0.0.1.evil\r\n", "Host: localhost:123456\r\n", "Host: localhost:8x\r\n", "Host: nas.example@evil\r\n" };
  static const char *const METHODS[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "GETT", "FOO" };
  static const char *const PATHS[] = { "/../etc/passwd", "/study", "/study/", "/api/v1/study", "/api", "/%2e%2e/%2e%2e/etc/passwd", "/study%00/", "//",
    "http://localhost/", "*", "/index.html", "/favicon.ico" };
  char line[512];
  for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
    snprintf(line, sizeof line, "GET / HTTP/1.1\r\n%s\r\n", GOOD[i]);
    expect(s, 200, line);
  }
  for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++) {
    snprintf(line, sizeof line, "GET / HTTP/1.1\r\n%s\r\n", FOREIGN[i]);
    expect(s, 421, line);
  }
  for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++) {
    snprintf(line, sizeof line, "%s / HTTP/1.1\r\n" HOST "\r\n", METHODS[i]);
    expect(s, 405, line);
  }
  for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++) {
    snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n" HOST "\r\n", PATHS[i]);
    expect(s, 404, line);
  }
  expect(s, 403, "GET / HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n");
  expect(s, 403, "GET / HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n");
  expect(s, 403, "GET / HTTP/1.1\r\n" HOST "Origin: https://localhost\r\n\r\n");
  expect(s, 400, "GET / HTTP/1.1\r\n\r\n");
  expect(s, 400, "GET / HTTP/1.1\r\n" HOST "Host: localhost\r\n\r\n");
  expect(s, 413, "GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
  expect(s, 413, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  expect(s, 200, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
  vg_server_stop(s);
}

static void test_sizes(void **state) {
  (void)state;
  vg_server *s = start((vg_server_opts){ 0 });
  expect_long(s, 200, "GET /study/", 4000, " HTTP/1.1\r\n" HOST "\r\n");
  expect_long(s, 414, "GET /study/", 4200, " HTTP/1.1\r\n" HOST "\r\n");
  expect_long(s, 414, "GET /?", 20000, " HTTP/1.1\r\n" HOST "\r\n");
  expect_long(s, 200, "GET / HTTP/1.1\r\n" HOST "X: ", 16000, "\r\n\r\n");
  expect_long(s, 431, "GET / HTTP/1.1\r\n" HOST "X: ", 17000, "\r\n\r\n");
  char *request = repeated("GET / HTTP/1.1\r\n" HOST "X: ", 'a', 4 << 20, "\r\n\r\n");
  answer a = ask(s, request);
  assert_true(a.status == 431 || a.status == 413 || (a.status == 0 && a.is_closed));
  free(request);
  request = repeated("GET /", 'a', 4 << 20, " HTTP/1.1\r\n" HOST "\r\n");
  a = ask(s, request);
  assert_true(a.status == 414 || (a.status == 0 && a.is_closed));
  free(request);
  expect(s, 200, "GET / HTTP/1.1\r\n" HOST "\r\n");
  vg_server_stop(s);
}

static void test_token(void **state) {
  (void)state;
  vg_server *s;
  assert_int_equal(vg_server_start(&s, &(vg_server_opts){ .address = "0.0.0.0", .policy = POLICY }), VG_EARG);
  s = start((vg_server_opts){ .token = TOKEN });
  expect(s, 401, "GET / HTTP/1.1\r\n" HOST "\r\n");
  expect(s, 401, "GET /api/v1/study/x HTTP/1.1\r\n" HOST "\r\n");
  expect(s, 401, "GET /?token= HTTP/1.1\r\n" HOST "\r\n");
  expect(s, 401, "GET /?token=" TOKEN "0 HTTP/1.1\r\n" HOST "\r\n");
  expect(s, 401, "GET /?token=0123456789abcdef0123456789abcdee HTTP/1.1\r\n" HOST "\r\n");
  expect(s, 401, "GET / HTTP/1.1\r\n" HOST "Cookie: vega_token=0123\r\n\r\n");
  expect_long(s, 401, "GET / HTTP/1.1\r\n" HOST "Cookie: vega_token=", 300, "\r\n\r\n");
  expect(s, 421, "GET /?token=" TOKEN " HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  answer a = ask(s, "GET /?token=" TOKEN " HTTP/1.1\r\n" HOST "\r\n");
  assert_int_equal(a.status, 303);
  assert_non_null(strstr(a.text, "Set-Cookie: vega_token=" TOKEN "; Path=/; HttpOnly; SameSite=Strict\r\n"));
  assert_non_null(strstr(a.text, "Location: /\r\n"));
  expect(s, 200, "GET / HTTP/1.1\r\n" HOST "Cookie: other=1; vega_token=" TOKEN "\r\n\r\n");
  vg_server_stop(s);
}

/* A client that sends nothing more, and one that sends a byte now and then, are both sent away; another one is served meanwhile. */
static void test_slow(void **state) {
  (void)state;
  vg_server *s = start((vg_server_opts){ .timeout_s = 1 });
  int silent = connect_to(s), dribbling = connect_to(s);
  assert_true(send(silent, "GET / HT", 8, MSG_NOSIGNAL) == 8);
  answer a = { 0 }, b = { 0 };
  double begin = now(), last = 0;
  while (now() - begin < 8 && !(a.is_closed && b.is_closed)) {
    if (now() - last > 0.1) {
      if (!b.is_closed) send(dribbling, "G", 1, MSG_NOSIGNAL);
      last = now();
    }
    serve(s, 0.01);
    receive(silent, &a);
    receive(dribbling, &b);
  }
  assert_true(a.is_closed && b.is_closed);
  expect(s, 200, "GET / HTTP/1.1\r\n" HOST "\r\n");
  hang_up(silent);
  hang_up(dribbling);
  vg_server_stop(s);
}

/* Clients that are gone when their answer comes, and a server that ends while clients wait. */
static void test_gone(void **state) {
  (void)state;
  static const char REQUEST[] = "GET /study/x HTTP/1.1\r\n" HOST "\r\n";
  vg_server *s = start((vg_server_opts){ 0 });
  for (int i = 0; i < 200; i++) {
    const vg_request *q = NULL;
    int fd = connect_to(s);
    assert_true(send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) > 0);
    for (int k = 0; k < 100 && !q; k++) assert_int_equal(vg_server_next(&q, s, 0.01), VG_OK);
    assert_non_null(q);
    hang_up(fd);
    assert_int_equal(vg_server_answer(s, q->id, 200, "text/plain", NULL, "x", 1), VG_OK);
  }
  expect(s, 200, REQUEST);
  for (int i = 0; i < 10; i++) {
    int fd = connect_to(s);
    const vg_request *q = NULL;
    assert_true(send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) > 0);
    if (i % 2) assert_int_equal(vg_server_next(&q, s, 0.01), VG_OK);
    else serve(s, 0);
    if (i > 6) hang_up(fd);
  }
  vg_server_stop(s);
}

static void test_many(void **state) {
  (void)state;
  enum { MANY = 80 };
  int fd[MANY];
  vg_server *s = start((vg_server_opts){ .timeout_s = 2 });
  for (int i = 0; i < MANY; i++) {
    fd[i] = connect_to(s);
    assert_true(send(fd[i], "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL) == 16);
    serve(s, 0);
  }
  for (int i = 0; i < MANY; i++) hang_up(fd[i]);
  for (int i = 0; i < 5; i++) serve(s, 0.01);
  expect(s, 200, "GET / HTTP/1.1\r\n" HOST "\r\n");
  vg_server_stop(s);
}

static long resident_kb(void) {
  long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%*s %ld", &pages) != 1) pages = 0;
  if (f) fclose(f);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A good request with a few bytes changed, cut, doubled or inserted. */
static size_t malform(char *out, vg_rng *rng) {
  static const char GOOD[] = "GET /api/v1/study/some%20name?after=12 HTTP/1.1\r\nHost: localhost:8080\r\nCookie: vega_token=abc\r\nIf-None-Match: \"1\"\r\n\r\n";
  static const char PIECES[][12] = { "\r\n", "\0", "%", "%00", "\xff\xfe", ": ", "  ", "HTTP/9.9", "../", "&&==", "\n\n", ";;,," };
  size_t n = sizeof GOOD - 1;
  memcpy(out, GOOD, n);
  for (int k = 1 + (int)vg_rng_below(rng, 4); k > 0; k--) {
    size_t at = vg_rng_below(rng, (uint32_t)n);
    const char *piece = PIECES[vg_rng_below(rng, sizeof PIECES / sizeof *PIECES)];
    size_t length = *piece ? strlen(piece) : 1;
    switch (vg_rng_below(rng, 4)) {
      case 0: out[at] = (char)vg_rng_below(rng, 256); break;
      case 1: n = at + 1; break;
      case 2: memmove(out + at + length, out + at, n - at), memcpy(out + at, piece, length), n += length; break;
      default: memmove(out + at, out + at + (n - at) / 2, n - at - (n - at) / 2), n -= (n - at) / 2;
    }
  }
  return n;
}

static void test_flood(void **state) {
  (void)state;
  enum { BATCH = 8 };                                 /* libmicrohttpd takes ten callers in at a time */
#if defined(__SANITIZE_ADDRESS__)
  const int batches = 1250;
#else
  const int batches = 12500;
#endif
  vg_rng rng = vg_rng_at(9, 0);
  vg_server *s = start((vg_server_opts){ 0 });
  expect(s, 200, "GET / HTTP/1.1\r\n" HOST "\r\n");
  long before = resident_kb(), answered = 0;
  for (int b = 0; b < batches; b++) {
    int fd[BATCH];
    for (int i = 0; i < BATCH; i++) {
      char request[512];
      size_t n = malform(request, &rng);
      fd[i] = connect_to(s);
      assert_true(send(fd[i], request, n, MSG_NOSIGNAL) >= 0);
    }
    for (int k = 0; k < 3; k++) serve(s, 0);
    for (int i = 0; i < BATCH; i++) {
      answer a = { 0 };
      receive(fd[i], &a);
      if (a.n > 0) {
        assert_true(a.status >= 200 && a.status < 506);
        answered++;
      }
      hang_up(fd[i]);
    }
  }
  long grown = resident_kb() - before;
  print_message("# %d malformed requests, %ld answered at once, %ld kB grown\n", batches * BATCH, answered, grown);
#if !defined(__SANITIZE_ADDRESS__)                     /* which keeps freed memory for a while */
  assert_true(grown <= 50 << 10);
#endif
  for (int i = 0; i < 200; i++) serve(s, 0);
  expect(s, 200, "GET / HTTP/1.1\r\n" HOST "\r\n");
  vg_server_stop(s);
}

static int available(void) {
  if (vg_server_available() == VG_OK) return 1;
  printf("1..0 # SKIP %s\n", vg_message());
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers), cmocka_unit_test(test_refusals), cmocka_unit_test(test_sizes),
    cmocka_unit_test(test_token), cmocka_unit_test(test_slow), cmocka_unit_test(test_gone), cmocka_unit_test(test_many), cmocka_unit_test(test_flood) };
  return available() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
