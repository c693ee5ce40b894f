/* An HTTP server for a read-only view, on libmicrohttpd, which is loaded when the first server starts. It owns HTTP: which requests are answered at
 * all, and the headers of every answer. What is in an answer somebody else makes: vg_server_next hands out a request, vg_server_answer sends what
 * became of it. Everything happens in the thread that calls these two; there is no other one, and no callback leaves this folder.
 *
 * Refused here: methods but GET and HEAD (405), another Host than ours, which a web page of somebody else's would use (421), an Origin of somebody
 * else's (403), a body (413), a request line over 4 KiB (414), headers over 16 KiB (431), all without the token where there is one (401), paths
 * that are no route (404). A connection that has not sent a whole request after the timeout is closed. */
#ifndef VG_SERVE_SERVER_H
#define VG_SERVE_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct vg_server vg_server;

enum { VG_SERVER_CONNECTIONS = 64, VG_SERVER_LINE = 4096, VG_SERVER_HEADERS = 16384, VG_SERVER_MOST_HOSTS = 8 };

typedef struct vg_server_opts {
  const char *address;           /* where to listen, beside 127.0.0.1 and ::1; NULL: only there. Another one wants a token */
  int port;                      /* 0: any that is free */
  const char *token;             /* NULL, or what a request must carry: once as ?token=, then as a cookie; at most 255 bytes */
  const char *hosts[VG_SERVER_MOST_HOSTS + 1];      /* names beside localhost, 127.0.0.1 and [::1] that Host may have; ends with NULL */
  const char *policy;            /* the Content-Security-Policy of every answer */
  int timeout_s;                 /* 0: 10 */
} vg_server_opts;

typedef enum vg_route { VG_ROUTE_INDEX, VG_ROUTE_STUDY, VG_ROUTE_API_STUDY } vg_route;      /* "/", "/study/NAME", "/api/v1/study/NAME" */

typedef struct vg_request {
  int id;
  vg_route route;
  int64_t after;                 /* ?after=N, -1 without one */
  char name[VG_SERVER_LINE];     /* NAME, decoded */
} vg_request;

/* VG_EBACKEND: no libmicrohttpd; VG_EIO: the port is taken; VG_EARG: another address without a token. Strings are copied. */
VG_CHECKED vg_status vg_server_start(vg_server **out, const vg_server_opts *opts);
/* Open connections are closed. NULL is fine. */
void vg_server_stop(vg_server *s);
int vg_server_port(const vg_server *s);
/* Serves for up to so many seconds. *request (borrowed until it is answered) = one that waits for an answer, NULL when none came. VG_EINTR. */
VG_CHECKED vg_status vg_server_next(const vg_request **request, vg_server *s, double seconds);
/* The answer to request `id`: status, Content-Type, ETag (NULL: none; a request that has it already is answered 304), body [n], copied.
 * Sent by the following calls of vg_server_next. VG_EARG: no request of that id waits; VG_ENOMEM. */
VG_CHECKED vg_status vg_server_answer(vg_server *s, int id, int status, const char *type, const char *etag, const char *body, size_t n);
/* Is libmicrohttpd there? Else vg_message says why not. */
VG_CHECKED vg_status vg_server_available(void);

#endif
