/* Messages over sockets: whole, in pieces, late, cut off, and thousands of damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/net.h"
#include "base/rng.h"

#define OK(expr) do { if ((expr) != VG_OK) fail_msg("%s: %s", #expr, vg_message()); } while (0)

static void pair(int ends[2]) { assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends)); }

static void shut(int ends[2]) {
  close(ends[0]);
  close(ends[1]);
}

static void put(int fd, const void *bytes, size_t n) { assert_int_equal(n, write(fd, bytes, n)); }

static void fails(vg_status expected, const char *reason, int fd, size_t most, double seconds) {
  char *text;
  size_t n;
  assert_int_equal(expected, vg_net_receive(&text, &n, fd, most, seconds));
  if (!strstr(vg_message(), reason)) fail_msg("'%s' is not in '%s'", reason, vg_message());
}

static void test_messages_arrive(void **state) {
  (void)state;
  static char sent[100000];
  int ends[2];
  pair(ends);
  for (size_t i = 0; i < sizeof sent; i++) sent[i] = (char)(i * 7);
  static const size_t LENGTHS[] = { 0, 1, 7, 16383, 16384, 16385, 32768, 100000 };
  for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++) {
    char *text;
    size_t n;
    OK(vg_net_send(ends[0], sent, LENGTHS[i], 1));
    OK(vg_net_receive(&text, &n, ends[1], sizeof sent, 1));
    assert_int_equal(LENGTHS[i], n);
    assert_memory_equal(sent, text, n);
    assert_int_equal('\0', text[n]);
    vg_free(text);
  }
  shut(ends);
}

/* Two messages in one write, then one byte by byte. */
static void test_pieces(void **state) {
  (void)state;
  int ends[2];
  char *text;
  size_t n;
  pair(ends);
  put(ends[0], "vega\0\0\0\2abvega\0\0\0\1c", 19);
  OK(vg_net_receive(&text, &n, ends[1], 10, 1));
  assert_string_equal("ab", text);
  vg_free(text);
  for (int i = 0; i < 3; i++) put(ends[0], "def" + i, 1);
  OK(vg_net_receive(&text, &n, ends[1], 10, 1));
  assert_string_equal("c", text);
  vg_free(text);
  fails(VG_EFORMAT, "it begins with 'def'", ends[1], 10, 1);
  shut(ends);
}

static void test_refusals(void **state) {
  (void)state;
  int ends[2];
  pair(ends);
  put(ends[0], "HTTP/1.1 400 Bad Request", 24);
  fails(VG_EFORMAT, "it begins with 'HTTP/1.1'", ends[1], 10, 1);
  shut(ends);
  pair(ends);
  put(ends[0], "vega\0\0\0\13", 8);
  fails(VG_EFORMAT, "a message of 11 bytes is announced, at most 10 are taken", ends[1], 10, 1);
  shut(ends);
  pair(ends);
  put(ends[0], "ve\n", 3);
  fails(VG_EFORMAT, "it begins with 've.'", ends[1], 10, 1);
  assert_int_equal(VG_EARG, vg_net_send(ends[0], "", (size_t)VG_NET_LONGEST + 1, 1));
  shut(ends);
}

/* The deadline is for the whole message: bytes that keep coming do not move it. */
static void test_deadlines(void **state) {
  (void)state;
  int ends[2], ready;
  double begin = vg_clock_s();
  pair(ends);
  fails(VG_ETIMEDOUT, "nothing in time", ends[1], 10, 0.02);
  put(ends[0], "vega\0\0", 6);
  fails(VG_ETIMEDOUT, "nothing in time", ends[1], 10, 0.02);
  OK(vg_net_wait(&ready, &ends[1], 1, 0.02));
  assert_int_equal(-1, ready);
  OK(vg_net_wait(&ready, NULL, 0, 0.02));
  put(ends[0], "x", 1);
  OK(vg_net_wait(&ready, ends, 2, 10));
  assert_int_equal(1, ready);
  assert_true(vg_clock_s() - begin < 5);
  shut(ends);
}

static void test_full_pipe(void **state) {
  (void)state;
  static char much[4 << 20];
  int ends[2];
  pair(ends);
  assert_int_equal(VG_ETIMEDOUT, vg_net_send(ends[0], much, sizeof much, 0.05));
  close(ends[1]);
  assert_int_equal(VG_EIO, vg_net_send(ends[0], much, sizeof much, 1));     /* and no SIGPIPE */
  close(ends[0]);
}

static void test_the_other_side_ends(void **state) {
  (void)state;
  static const char MESSAGE[] = "vega\0\0\0\3ab";
  for (size_t cut = 0; cut < sizeof MESSAGE; cut++) {
    int ends[2];
    pair(ends);
    put(ends[0], MESSAGE, cut);
    close(ends[0]);
    fails(VG_EIO, "the other side closed", ends[1], 10, 1);
    close(ends[1]);
  }
}

static void test_tcp(void **state) {
  (void)state;
  int listener, port, here, there, none;
  char *text;
  size_t n;
  OK(vg_net_listen(&listener, "127.0.0.1", 0));
  OK(vg_net_port(&port, listener));
  assert_int_equal(VG_ETIMEDOUT, vg_net_accept(&none, listener, 0));
  assert_int_equal(VG_EIO, vg_net_listen(&none, "127.0.0.1", port));
  OK(vg_net_connect(&here, "127.0.0.1", port, 5));
  OK(vg_net_accept(&there, listener, 5));
  OK(vg_net_send(here, "hello", 5, 1));
  OK(vg_net_receive(&text, &n, there, 5, 1));
  assert_string_equal("hello", text);
  vg_free(text);
  close(here);
  close(there);
  close(listener);
  assert_int_equal(VG_EIO, vg_net_connect(&none, "127.0.0.1", port, 5));
  assert_int_equal(VG_EIO, vg_net_connect(&none, "no such host", port, 5));
  assert_int_equal(VG_EARG, vg_net_connect(&none, "127.0.0.1", 65536, 5));
}

static void damage(unsigned char *bytes, size_t *n, vg_rng *r) {
  for (int64_t k = vg_rng_below(r, 4); k >= 0; k--) {
    size_t at = (size_t)vg_rng_below(r, (int64_t)*n);
    if (vg_rng_below(r, 3) == 0) *n = at + 1;
    else bytes[at] = (unsigned char)vg_rng_below(r, 256);
  }
}

/* Whatever comes is a message or a failure with a reason, and leaves no memory behind. */
static void test_damaged(void **state) {
  (void)state;
  vg_rng r = vg_rng_at(5, 0);
  long long live = vg_alloc_get_stats().live_small;
  int received = 0;
  for (int i = 0; i < 3000; i++) {
    unsigned char bytes[] = "vega\0\0\0\24twenty bytes of text";
    size_t n = 28, length;
    char *text;
    int ends[2];
    pair(ends);
    damage(bytes, &n, &r);
    put(ends[0], bytes, n);
    close(ends[0]);
    vg_status s = vg_net_receive(&text, &length, ends[1], 64, 1);
    close(ends[1]);
    if (s == VG_OK) vg_free(text), received++;
    else assert_true(s == VG_EFORMAT || s == VG_EIO);
  }
  assert_true(received > 100 && received < 2900);
  assert_int_equal(live, vg_alloc_get_stats().live_small);
}

/* 64 MiB are announced, 100 bytes come: little memory is taken. */
static void test_promises_cost_nothing(void **state) {
  (void)state;
  int ends[2];
  pair(ends);
  put(ends[0], "vega\4\0\0\0", 8);
  vg_alloc_fail_at(2, 1);
  fails(VG_ETIMEDOUT, "nothing in time", ends[1], VG_NET_LONGEST, 0.02);
  vg_alloc_fail_at(0, 0);
  put(ends[0], "vega\0\0\0\1", 8);
  vg_alloc_fail_at(1, 1);
  fails(VG_ENOMEM, "", ends[1], 10, 1);
  vg_alloc_fail_at(0, 0);
  shut(ends);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_messages_arrive), cmocka_unit_test(test_pieces),   cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_deadlines),       cmocka_unit_test(test_full_pipe), cmocka_unit_test(test_the_other_side_ends),
    cmocka_unit_test(test_tcp),             cmocka_unit_test(test_damaged),  cmocka_unit_test(test_promises_cost_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
