#include "base/net.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/interrupt.h"

enum { MOST_WAITED = 16, FIRST_ROOM = 16 << 10, BACKLOG = 64 };
static const char MAGIC[4] = { 'v', 'e', 'g', 'a' };

/* --- waiting ---------------------------------------------------------------------------------------------------------------------- */

/* poll until the deadline, through signals that mean nothing to us. *n = how many are ready. A signal that comes just before poll does not end it:
 * so it is called anew each second. */
static vg_status wait_until(int *n, struct pollfd *p, nfds_t count, double deadline) {
  for (;;) {
    if (vg_interrupted) return vg_fail(VG_EINTR, "interrupted");
    double left = ceil(1e3 * (deadline - vg_clock_s()));
    *n = poll(p, count, left <= 0 ? 0 : left < 1000 ? (int)left : 1000);
    if (*n < 0 && errno != EINTR) return vg_fail(VG_EIO, "poll: %s", strerror(errno));
    if (*n > 0 || (*n == 0 && left <= 1000)) return VG_OK;
  }
}

static vg_status wait_one(int fd, short events, double deadline, const char *what) {
  struct pollfd p = { .fd = fd, .events = events };
  int n;
  VG_TRY(wait_until(&n, &p, 1, deadline));
  return n > 0 ? VG_OK : vg_fail(VG_ETIMEDOUT, "%s: nothing in time", what);
}

vg_status vg_net_wait(int *ready, const int *fd, int n, double seconds) {
  struct pollfd p[MOST_WAITED];
  int n_ready;
  if (n > MOST_WAITED) return vg_fail(VG_EARG, "wait: at most %d sockets, got %d", MOST_WAITED, n);
  for (int i = 0; i < n; i++) p[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
  VG_TRY(wait_until(&n_ready, p, (nfds_t)n, vg_clock_s() + seconds));
  *ready = -1;
  for (int i = n - 1; i >= 0; i--)
    if (p[i].revents) *ready = i;
  return VG_OK;
}

/* --- sockets ---------------------------------------------------------------------------------------------------------------------- */

static vg_status look_up(struct addrinfo **list, const char *host, int port, int flags) {
  struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV };
  char service[16];
  if (port < 0 || port > 65535) return vg_fail(VG_EARG, "a port is a whole number from 0 to 65535, got %d", port);
  snprintf(service, sizeof service, "%d", port);
  int error = getaddrinfo(host, service, &hints, list);
  return error ? vg_fail(VG_EIO, "no address for host '%s': %s", host, gai_strerror(error)) : VG_OK;
}

static int open_socket(const struct addrinfo *a) { return socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol); }

/* Small messages go out at once. */
static void send_at_once(int fd) { setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)); }

vg_status vg_net_listen(int *fd, const char *host, int port) {
  struct addrinfo *list;
  VG_TRY(look_up(&list, host, port, AI_PASSIVE));
  int s = open_socket(list);
  int failed = s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) != 0 || bind(s, list->ai_addr, list->ai_addrlen) != 0 ||
               listen(s, BACKLOG) != 0;
  int reason = errno;
  freeaddrinfo(list);
  if (!failed) {
    *fd = s;
    return VG_OK;
  }
  if (s >= 0) close(s);
  return vg_fail(VG_EIO, "cannot listen at %s port %d: %s", host, port, strerror(reason));
}

vg_status vg_net_port(int *port, int fd) {
  struct sockaddr_storage a;
  socklen_t n = sizeof a;
  if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) return vg_fail(VG_EIO, "the port of a socket: %s", strerror(errno));
  if (a.ss_family == AF_INET) *port = ntohs(((struct sockaddr_in *)&a)->sin_port);
  else if (a.ss_family == AF_INET6) *port = ntohs(((struct sockaddr_in6 *)&a)->sin6_port);
  else return vg_fail(VG_EARG, "this socket has no port");
  return VG_OK;
}

/* Failures of a single caller, who may be gone again, or of the moment: not of the listener. */
static int is_passing(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
         error == EHOSTUNREACH || error == ENETUNREACH;
}

vg_status vg_net_accept(int *fd, int listener, double seconds) {
  double deadline = vg_clock_s() + seconds;
  for (;;) {
    VG_TRY(wait_one(listener, POLLIN, deadline, "accept"));
    int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (s >= 0) {
      send_at_once(s);
      *fd = s;
      return VG_OK;
    }
    if (!is_passing(errno)) return vg_fail(VG_EIO, "accept: %s", strerror(errno));
  }
}

static vg_status connect_one(int *fd, const struct addrinfo *a, double deadline) {
  int error = 0;
  socklen_t n = sizeof error;
  int s = open_socket(a);
  if (s < 0) return vg_fail(VG_EIO, "socket: %s", strerror(errno));
  vg_status status = VG_OK;
  if (connect(s, a->ai_addr, a->ai_addrlen) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) status = vg_fail(VG_EIO, "%s", strerror(errno));
    else status = wait_one(s, POLLOUT, deadline, "connect");
  }
  if (status == VG_OK && getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error) status = vg_fail(VG_EIO, "%s", strerror(error));
  if (status != VG_OK) {
    close(s);
    return status;
  }
  send_at_once(s);
  *fd = s;
  return VG_OK;
}

vg_status vg_net_connect(int *fd, const char *host, int port, double seconds) {
  struct addrinfo *list;
  double deadline = vg_clock_s() + seconds;
  VG_TRY(look_up(&list, host, port, 0));
  vg_status status = VG_EIO;
  for (const struct addrinfo *a = list; a && status != VG_OK && status != VG_EINTR; a = a->ai_next) status = connect_one(fd, a, deadline);
  freeaddrinfo(list);
  return status;
}

/* --- messages --------------------------------------------------------------------------------------------------------------------- */

static vg_status send_all(int fd, const char *data, size_t n, int flags, double deadline) {
  while (n > 0) {
    ssize_t k = send(fd, data, n, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
    if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      VG_TRY(wait_one(fd, POLLOUT, deadline, "send"));
      continue;
    }
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return vg_fail(VG_EIO, "send: %s", strerror(errno));
    data += k;
    n -= (size_t)k;
  }
  return VG_OK;
}

vg_status vg_net_send(int fd, const char *text, size_t length, double seconds) {
  double deadline = vg_clock_s() + seconds;
  char header[VG_NET_HEADER];
  if (length > VG_NET_LONGEST) return vg_fail(VG_EARG, "send: a message has at most %d bytes, this one %zu", VG_NET_LONGEST, length);
  memcpy(header, MAGIC, sizeof MAGIC);
  for (int i = 0; i < 4; i++) header[4 + i] = (char)(length >> (24 - 8 * i) & 0xff);
  VG_TRY(send_all(fd, header, sizeof header, length > 0 ? MSG_MORE : 0, deadline));
  return send_all(fd, text, length, 0, deadline);
}

/* At most n bytes, at least one. */
static vg_status receive_some(size_t *got, int fd, char *data, size_t n, double deadline) {
  for (;;) {
    ssize_t k = recv(fd, data, n, MSG_DONTWAIT);
    if (k > 0) {
      *got = (size_t)k;
      return VG_OK;
    }
    if (k == 0) return vg_fail(VG_EIO, "receive: the other side closed the connection");
    if (errno == EAGAIN || errno == EWOULDBLOCK) VG_TRY(wait_one(fd, POLLIN, deadline, "receive"));
    else if (errno != EINTR) return vg_fail(VG_EIO, "receive: %s", strerror(errno));
  }
}

/* What came instead of a header, printable. */
static vg_status refuse_header(const char *header, size_t n) {
  char shown[VG_NET_HEADER + 1];
  for (size_t i = 0; i < n; i++) shown[i] = header[i] >= 32 && header[i] < 127 ? header[i] : '.';
  shown[n] = '\0';
  return vg_fail(VG_EFORMAT, "receive: this is no message of vega-lua, it begins with '%s'", shown);
}

static vg_status receive_header(size_t *length, int fd, double deadline) {
  char header[VG_NET_HEADER];
  for (size_t n = 0, k; n < sizeof header; n += k) {
    VG_TRY(receive_some(&k, fd, header + n, sizeof header - n, deadline));
    size_t seen = n + k < sizeof MAGIC ? n + k : sizeof MAGIC;
    if (memcmp(header, MAGIC, seen) != 0) return refuse_header(header, n + k);
  }
  *length = 0;
  for (int i = 4; i < VG_NET_HEADER; i++) *length = *length << 8 | (unsigned char)header[i];
  return VG_OK;
}

vg_status vg_net_receive(char **text, size_t *length, int fd, size_t most, double seconds) {
  vg_status status;
  double deadline = vg_clock_s() + seconds;
  size_t promised = 0, room = FIRST_ROOM, n = 0, k;
  char *data = NULL;
  VG_TRY(receive_header(&promised, fd, deadline));
  if (promised > most) return vg_fail(VG_EFORMAT, "receive: a message of %zu bytes is announced, at most %zu are taken", promised, most);
  VG_TRY(vg_alloc((void **)&data, room));
  for (; n < promised; n += k) {
    if (n + 1 >= room) VG_GOTO(vg_realloc((void **)&data, room *= 2));
    size_t want = promised - n < room - 1 - n ? promised - n : room - 1 - n;
    VG_GOTO(receive_some(&k, fd, data + n, want, deadline));
  }
  data[n] = '\0';
  *text = data;
  *length = n;
  return VG_OK;
done:
  vg_free(data);
  return status;
}
