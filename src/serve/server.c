/* Each connection has a slot of the server for its whole life, and its request is in it, so that a client that vanishes leaves nothing behind.
 * A request goes READING -> QUEUED (the connection is suspended: libmicrohttpd does not look at it) -> TAKEN by next -> ANSWERED (resumed, the handler
 * is called again and queues the response) -> READING.  Two daemons, one for each loopback address, share the slots. */
#include "serve/server.h"

#ifdef VEGA_MICROHTTPD

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/net.h"

#define LIBRARY "libmicrohttpd.so.12"
#define COOKIE "vega_token"
enum { MOST_DAEMONS = 2, POOL_BYTES = 32 << 10, TOKEN_BYTES = 256, HOST_BYTES = 256, TIMEOUT_S = 10, SEND_TIMEOUTS = 6 };

/* libmicrohttpd's functions that are used here, under their own names. */
#define FUNCTIONS(X) \
  X(MHD_start_daemon) X(MHD_stop_daemon) X(MHD_run) X(MHD_get_timeout) X(MHD_get_daemon_info) X(MHD_get_connection_info) \
  X(MHD_lookup_connection_value) X(MHD_get_connection_values) X(MHD_suspend_connection) X(MHD_resume_connection) \
  X(MHD_create_response_from_buffer) X(MHD_add_response_header) X(MHD_queue_response) X(MHD_destroy_response)
#define MEMBER(name) __typeof__(name) *name;
static struct { FUNCTIONS(MEMBER) } mhd;

typedef enum slot_state { UNUSED, READING, QUEUED, TAKEN, ANSWERED, SENDING } slot_state;

typedef struct slot {
  vg_request request;
  slot_state state;
  int is_checked;                  /* the headers of the request that is being read have passed */
  size_t uri_bytes;
  double since;                    /* when the connection came, or its last request was done with, or was answered */
  struct MHD_Connection *connection;
  struct MHD_Response *response;
  int status;
} slot;

struct vg_server {
  struct MHD_Daemon *daemon[MOST_DAEMONS];
  int n_daemons, port, timeout_s, next_slot;
  int is_answered;                 /* somebody was resumed, which no descriptor tells */
  char token[TOKEN_BYTES];         /* "": none */
  char hosts[VG_SERVER_MOST_HOSTS][HOST_BYTES];
  int n_hosts;
  char *policy;
  slot slots[VG_SERVER_CONNECTIONS];
};

static vg_status load(void) {
  if (mhd.MHD_start_daemon) return VG_OK;
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) return vg_fail(VG_EBACKEND, "serve: libmicrohttpd is missing (Debian: libmicrohttpd12): %s", dlerror());
#define FIND(name) \
  mhd.name = (__typeof__(name) *)dlsym(library, #name); \
  if (!mhd.name) return vg_fail(VG_EBACKEND, "serve: " LIBRARY " has no function " #name);
  FUNCTIONS(FIND)
  return VG_OK;
}

vg_status vg_server_available(void) { return load(); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Answers -------------------------------------------------------------------------------------------------------------------------------- */

static int add_header(struct MHD_Response *r, const char *name, const char *value) { return mhd.MHD_add_response_header(r, name, value) == MHD_YES; }

/* A response with the headers that all have; NULL without memory. The body is copied. */
static struct MHD_Response *new_response(const vg_server *s, const char *type, const char *body, size_t n) {
  struct MHD_Response *r = mhd.MHD_create_response_from_buffer(n, n > 0 ? (void *)body : (void *)"", MHD_RESPMEM_MUST_COPY);
  if (!r) return NULL;
  int ok = add_header(r, "Content-Type", type) && add_header(r, "X-Content-Type-Options", "nosniff") && add_header(r, "Referrer-Policy", "no-referrer")
    && add_header(r, "Cross-Origin-Resource-Policy", "same-origin") && add_header(r, "Cache-Control", "no-cache, private")
    && add_header(r, "Content-Security-Policy", s->policy);
  if (ok) return r;
  mhd.MHD_destroy_response(r);
  return NULL;
}

static enum MHD_Result send_now(struct MHD_Connection *connection, int status, struct MHD_Response *r) {
  if (!r) return MHD_NO;                              /* no memory: the connection is closed */
  enum MHD_Result result = mhd.MHD_queue_response(connection, (unsigned)status, r);
  mhd.MHD_destroy_response(r);
  return result;
}

/* A refusal in one line. Nothing of the request is repeated in it. */
static enum MHD_Result refuse(const vg_server *s, struct MHD_Connection *connection, int status, const char *text) {
  struct MHD_Response *r = new_response(s, "text/plain; charset=utf-8", text, strlen(text));
  int ok = r && (status != 405 || add_header(r, "Allow", "GET, HEAD")) && (status < 400 || status == 404 || add_header(r, "Connection", "close"));
  if (ok) return send_now(connection, status, r);
  if (r) mhd.MHD_destroy_response(r);
  return MHD_NO;
}

/* What is looked at in a request --------------------------------------------------------------------------------------------------------- */

typedef struct headers {
  size_t bytes;
  int n_hosts, has_body;
  const char *host, *origin;
} headers;

static enum MHD_Result look_at_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value) {
  headers *h = context;
  (void)kind;
  if (!value) value = "";
  h->bytes += strlen(name) + strlen(value) + 4;       /* ": " and the line's end */
  if (strcasecmp(name, "Host") == 0) h->host = value, h->n_hosts++;
  if (strcasecmp(name, "Origin") == 0) h->origin = value;
  if (strcasecmp(name, "Transfer-Encoding") == 0 || (strcasecmp(name, "Content-Length") == 0 && strcmp(value, "0") != 0)) h->has_body = 1;
  return MHD_YES;
}

/* The length of HOST in "HOST" or "HOST:PORT"; -1 when it is neither. */
static long host_length(const char *host) {
  const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
  if (!end) return -1;
  if (*end == ']') end++;
  if (*end == ':' && (end[1] == '\0' || strlen(end) > 6 || end[1 + strspn(end + 1, "0123456789")] != '\0')) return -1;
  return *end == '\0' || *end == ':' ? end - host : -1;
}

static int is_our_host(const vg_server *s, const char *host) {
  long n = host_length(host);
  for (int i = 0; i < s->n_hosts; i++)
    if (n == (long)strlen(s->hosts[i]) && strncasecmp(host, s->hosts[i], (size_t)n) == 0) return 1;
  return 0;
}

static int is_our_origin(const headers *h) {
  return !h->origin || (strncasecmp(h->origin, "http://", 7) == 0 && strcasecmp(h->origin + 7, h->host) == 0);
}

/* In a time that does not depend on where they differ. */
static int is_token(const vg_server *s, const char *given) {
  char padded[TOKEN_BYTES] = { 0 };
  unsigned char difference = 0;
  if (!given || strlen(given) >= sizeof padded) return 0;
  memcpy(padded, given, strlen(given));
  for (size_t i = 0; i < sizeof padded; i++) difference |= (unsigned char)padded[i] ^ (unsigned char)s->token[i];
  return difference == 0;
}

static const char *lookup(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *name) { return mhd.MHD_lookup_connection_value(c, kind, name); }

/* NAME of a path "/prefix/NAME", if it is one. */
static int read_name(vg_request *q, const char *path, const char *prefix) {
  size_t n = strlen(prefix);
  if (strncmp(path, prefix, n) != 0 || path[n] == '\0' || strlen(path + n) >= sizeof q->name) return 0;
  strcpy(q->name, path + n);
  return 1;
}

static int find_route(vg_request *q, const char *path) {
  q->name[0] = '\0';
  if (strcmp(path, "/") == 0) q->route = VG_ROUTE_INDEX;
  else if (read_name(q, path, "/study/")) q->route = VG_ROUTE_STUDY;
  else if (read_name(q, path, "/api/v1/study/")) q->route = VG_ROUTE_API_STUDY;
  else return 0;
  return 1;
}

static int64_t read_after(struct MHD_Connection *c) {
  const char *text = lookup(c, MHD_GET_ARGUMENT_KIND, "after");
  if (!text || *text == '\0' || strlen(text) > 18 || text[strspn(text, "0123456789")] != '\0') return -1;
  return strtoll(text, NULL, 10);
}

/* The token came in the URL: from now on as a cookie, and out of the address bar. */
static enum MHD_Result give_cookie(const vg_server *s, struct MHD_Connection *c) {
  char cookie[TOKEN_BYTES + 64];
  struct MHD_Response *r = new_response(s, "text/plain; charset=utf-8", "", 0);
  snprintf(cookie, sizeof cookie, COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict", s->token);
  if (r && add_header(r, "Set-Cookie", cookie) && add_header(r, "Location", "/")) return send_now(c, MHD_HTTP_SEE_OTHER, r);
  if (r) mhd.MHD_destroy_response(r);
  return MHD_NO;
}

/* 0 and the answer, or 1: go on. */
static int check_headers(const vg_server *s, slot *t, struct MHD_Connection *c, const char *method, const char *version, enum MHD_Result *answer) {
  headers h = { 0 };
  mhd.MHD_get_connection_values(c, MHD_HEADER_KIND, look_at_header, &h);
  int status = 0;
  const char *text = NULL;
  if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) status = 405, text = "GET and HEAD only\n";
  else if (t->uri_bytes + strlen(method) + strlen(version) + 2 > VG_SERVER_LINE) status = 414, text = "the request line is too long\n";
  else if (h.bytes > VG_SERVER_HEADERS) status = 431, text = "the headers are too long\n";
  else if (h.n_hosts != 1) status = 400, text = "one Host expected\n";
  else if (!is_our_host(s, h.host)) status = 421, text = "not the host that is served here; --host-name NAME allows another one\n";
  else if (!is_our_origin(&h)) status = 403, text = "not for other sites\n";
  else if (h.has_body) status = 413, text = "no body expected\n";
  if (status == 0) return 1;
  *answer = refuse(s, c, status, text);
  return 0;
}

/* Libmicrohttpd's callbacks -------------------------------------------------------------------------------------------------------------- */

static slot *slot_of(struct MHD_Connection *c) {
  const union MHD_ConnectionInfo *info = mhd.MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info ? info->socket_context : NULL;
}

static slot *free_slot(vg_server *s) {
  for (int i = 0; i < VG_SERVER_CONNECTIONS; i++)
    if (s->slots[i].state == UNUSED) return &s->slots[i];
  return NULL;
}

static enum MHD_Result on_accept(void *context, const struct sockaddr *address, socklen_t n) {
  (void)address, (void)n;
  return free_slot(context) ? MHD_YES : MHD_NO;
}

static void drop_response(slot *t) {
  if (t->response) mhd.MHD_destroy_response(t->response);
  t->response = NULL;
}

static void on_connection(void *context, struct MHD_Connection *c, void **socket_context, enum MHD_ConnectionNotificationCode code) {
  slot *t = code == MHD_CONNECTION_NOTIFY_STARTED ? free_slot(context) : *socket_context;
  if (!t) return;
  drop_response(t);
  t->state = code == MHD_CONNECTION_NOTIFY_STARTED ? READING : UNUSED;
  t->is_checked = 0;
  t->connection = c;
  t->since = now();
  *socket_context = t;
}

static void on_completed(void *context, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode code) {
  slot *t = slot_of(c);
  (void)context, (void)code;
  *request = NULL;
  if (!t) return;
  drop_response(t);
  t->state = READING;
  t->is_checked = 0;
  t->since = now();
}

static void *on_uri(void *context, const char *uri, struct MHD_Connection *c) {
  slot *t = slot_of(c);
  (void)context;
  if (t) t->uri_bytes = strlen(uri);
  return NULL;
}

static enum MHD_Result first_look(vg_server *s, slot *t, struct MHD_Connection *c, const char *path, const char *method, const char *version) {
  enum MHD_Result answer;
  if (!check_headers(s, t, c, method, version, &answer)) return answer;
  if (s->token[0] && !is_token(s, lookup(c, MHD_COOKIE_KIND, COOKIE))) {
    if (!is_token(s, lookup(c, MHD_GET_ARGUMENT_KIND, "token"))) return refuse(s, c, 401, "open the address with the token that the server has printed\n");
    return give_cookie(s, c);
  }
  if (!find_route(&t->request, path)) return refuse(s, c, 404, "there is nothing here\n");
  t->request.after = read_after(c);
  t->is_checked = 1;
  return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *c, const char *path, const char *method, const char *version, const char *data,
                                  size_t *n_data, void **request) {
  vg_server *s = context;
  slot *t = slot_of(c);
  (void)data;
  if (!t) return MHD_NO;
  if (*n_data != 0) return MHD_NO;                    /* a body that no header promised */
  *request = t;
  if (!t->is_checked) return first_look(s, t, c, path, method, version);
  if (t->state == ANSWERED) {
    struct MHD_Response *r = t->response;
    t->response = NULL;
    t->state = SENDING;
    t->since = now();
    return send_now(c, t->status, r);
  }
  if (t->state != READING) return MHD_YES;
  t->state = QUEUED;
  mhd.MHD_suspend_connection(c);
  return MHD_YES;
}

/* Start and stop ------------------------------------------------------------------------------------------------------------------------- */

static vg_status add_daemon(vg_server *s, const char *address, int port) {
  int fd;
  VG_TRY(vg_net_listen(&fd, address, port));
  fcntl(fd, F_SETFL, O_NONBLOCK);
  struct MHD_Daemon *d = mhd.MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, s, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
    MHD_OPTION_CONNECTION_LIMIT, (unsigned)VG_SERVER_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->timeout_s,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
    MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s, MHD_OPTION_END);
  if (!d) {
    close(fd);
    return vg_fail(VG_EBACKEND, "serve: libmicrohttpd does not start: %s", strerror(errno));
  }
  s->daemon[s->n_daemons++] = d;
  return s->port ? VG_OK : vg_net_port(&s->port, fd);
}

static vg_status add_host(vg_server *s, const char *host) {
  if (s->n_hosts == VG_SERVER_MOST_HOSTS || strlen(host) >= HOST_BYTES) return vg_fail(VG_EARG, "serve: at most 5 names of hosts, of 255 bytes each, expected");
  strcpy(s->hosts[s->n_hosts++], host);
  return VG_OK;
}

static int is_loopback(const char *address) {
  return strcmp(address, "127.0.0.1") == 0 || strcmp(address, "::1") == 0 || strcmp(address, "localhost") == 0;
}

static vg_status add_hosts(vg_server *s, const vg_server_opts *o) {
  VG_TRY(add_host(s, "localhost"));
  VG_TRY(add_host(s, "127.0.0.1"));
  VG_TRY(add_host(s, "[::1]"));
  for (int i = 0; o->hosts[i]; i++) VG_TRY(add_host(s, o->hosts[i]));
  return VG_OK;
}

static vg_status configure(vg_server *s, const vg_server_opts *o) {
  if (o->address && !is_loopback(o->address) && !(o->token && o->token[0]))
    return vg_fail(VG_EARG, "serve: listening at %s, which others can reach, wants a token", o->address);
  if (o->token && strlen(o->token) >= TOKEN_BYTES) return vg_fail(VG_EARG, "serve: a token of at most 255 bytes expected");
  if (o->token) strcpy(s->token, o->token);
  s->timeout_s = o->timeout_s > 0 ? o->timeout_s : TIMEOUT_S;
  s->port = o->port;
  size_t n = strlen(o->policy) + 1;
  VG_TRY(vg_alloc((void **)&s->policy, n));
  memcpy(s->policy, o->policy, n);
  return add_hosts(s, o);
}

/* At the address that was named, or at both loopback ones; a machine without IPv6 has one of them. */
static vg_status listen_all(vg_server *s, const vg_server_opts *o) {
  if (o->address && !is_loopback(o->address)) return add_daemon(s, o->address, s->port);
  VG_TRY(add_daemon(s, "127.0.0.1", s->port));
  vg_status second = add_daemon(s, "::1", s->port);
  return second == VG_EIO ? VG_OK : second;
}

vg_status vg_server_start(vg_server **out, const vg_server_opts *opts) {
  vg_server *s;
  VG_TRY(load());
  VG_TRY(VG_NEW(&s));
  vg_status status = configure(s, opts);
  if (status == VG_OK) status = listen_all(s, opts);
  if (status == VG_OK) *out = s;
  else vg_server_stop(s);
  return status;
}

/* A suspended connection must not be there when its daemon stops. */
static void resume_all(vg_server *s) {
  for (int i = 0; i < VG_SERVER_CONNECTIONS; i++) {
    slot *t = &s->slots[i];
    if (t->state != QUEUED && t->state != TAKEN) continue;
    t->state = ANSWERED;                              /* without a response: the connection is closed */
    mhd.MHD_resume_connection(t->connection);
  }
  for (int i = 0; i < s->n_daemons; i++) mhd.MHD_run(s->daemon[i]);
}

void vg_server_stop(vg_server *s) {
  if (!s) return;
  resume_all(s);
  for (int i = 0; i < s->n_daemons; i++) mhd.MHD_stop_daemon(s->daemon[i]);
  vg_free(s->policy);
  vg_free(s);
}

int vg_server_port(const vg_server *s) { return s->port; }

/* The loop ------------------------------------------------------------------------------------------------------------------------------- */

/* A client that sends a byte now and then is never idle for libmicrohttpd; neither is one that reads so. */
static void close_slow(vg_server *s) {
  double time = now();
  for (int i = 0; i < VG_SERVER_CONNECTIONS; i++) {
    slot *t = &s->slots[i];
    double most = t->state == READING ? s->timeout_s : t->state == SENDING ? SEND_TIMEOUTS * s->timeout_s : 0;
    if (most == 0 || time - t->since <= most) continue;
    const union MHD_ConnectionInfo *info = mhd.MHD_get_connection_info(t->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info) shutdown(info->connect_fd, SHUT_RDWR);
    t->since = time;
  }
}

static slot *queued_slot(vg_server *s) {
  for (int k = 0; k < VG_SERVER_CONNECTIONS; k++) {
    int i = (s->next_slot + k) % VG_SERVER_CONNECTIONS;                  /* nobody is asked twice before the others once */
    if (s->slots[i].state != QUEUED) continue;
    s->next_slot = i + 1;
    s->slots[i].request.id = i;
    return &s->slots[i];
  }
  return NULL;
}

static vg_status serve_once(vg_server *s, double seconds) {
  int fd[MOST_DAEMONS], ready;
  if (s->is_answered) seconds = 0;
  s->is_answered = 0;
  for (int i = 0; i < s->n_daemons; i++) {
    unsigned MHD_LONG_LONG ms;
    if (mhd.MHD_get_timeout(s->daemon[i], &ms) == MHD_YES && (double)ms / 1e3 < seconds) seconds = (double)ms / 1e3;
    fd[i] = mhd.MHD_get_daemon_info(s->daemon[i], MHD_DAEMON_INFO_EPOLL_FD)->listen_fd;
  }
  VG_TRY(vg_net_wait(&ready, fd, s->n_daemons, seconds));
  for (int i = 0; i < s->n_daemons; i++)
    if (mhd.MHD_run(s->daemon[i]) != MHD_YES) return vg_fail(VG_EBACKEND, "serve: libmicrohttpd has stopped");
  close_slow(s);
  return VG_OK;
}

vg_status vg_server_next(const vg_request **request, vg_server *s, double seconds) {
  double end = now() + seconds;
  *request = NULL;
  for (;;) {
    slot *t = queued_slot(s);
    if (t) {
      t->state = TAKEN;
      *request = &t->request;
      return VG_OK;
    }
    double left = end - now();
    VG_TRY(serve_once(s, left < 0 ? 0 : left < 1 ? left : 1));
    if (left <= 0 && !queued_slot(s)) return VG_OK;
  }
}

static int has_etag(slot *t, const char *etag) {
  const char *known = lookup(t->connection, MHD_HEADER_KIND, "If-None-Match");
  return etag && known && strcmp(known, etag) == 0;
}

vg_status vg_server_answer(vg_server *s, int id, int status, const char *type, const char *etag, const char *body, size_t n) {
  if (id < 0 || id >= VG_SERVER_CONNECTIONS || s->slots[id].state != TAKEN) return vg_fail(VG_EARG, "serve: no request %d waits for an answer", id);
  slot *t = &s->slots[id];
  int is_known = status == 200 && has_etag(t, etag);
  struct MHD_Response *r = is_known ? new_response(s, type, "", 0) : new_response(s, type, body, n);
  if (r && etag && !add_header(r, "ETag", etag)) {
    mhd.MHD_destroy_response(r);
    r = NULL;
  }
  t->response = r;
  t->status = is_known ? 304 : status;
  t->state = ANSWERED;
  s->is_answered = 1;
  mhd.MHD_resume_connection(t->connection);
  return r ? VG_OK : vg_fail(VG_ENOMEM, "serve: no memory for an answer of %zu bytes", n);
}

#else

vg_status vg_server_available(void) { return vg_fail(VG_EBACKEND, "serve: this program was built without libmicrohttpd (Debian: libmicrohttpd-dev)"); }
vg_status vg_server_start(vg_server **out, const vg_server_opts *opts) {
  (void)out, (void)opts;
  return vg_server_available();
}
void vg_server_stop(vg_server *s) { (void)s; }
int vg_server_port(const vg_server *s) { return (void)s, 0; }
vg_status vg_server_next(const vg_request **request, vg_server *s, double seconds) {
  (void)request, (void)s, (void)seconds;
  return vg_server_available();
}
vg_status vg_server_answer(vg_server *s, int id, int status, const char *type, const char *etag, const char *body, size_t n) {
  (void)s, (void)id, (void)status, (void)type, (void)etag, (void)body, (void)n;
  return vg_server_available();
}

#endif
