/* TCP and messages over it. Whatever can wait has a deadline in seconds from now and sleeps in poll until then; a signal that asks to stop ends
 * the wait with VG_EINTR. Sockets are descriptors, not inherited by started programs, closed by close().
 *
 * A message is  "vega" | length, 4 bytes, most significant first | text.  What begins otherwise comes from something that is not ours. */
#ifndef VG_BASE_NET_H
#define VG_BASE_NET_H

#include <stddef.h>

#include "base/status.h"

enum { VG_NET_HEADER = 8, VG_NET_LONGEST = 64 << 20 };

/* *fd listens at host (a name, an IPv4 or IPv6 address) and port (0: any free one); VG_EIO. */
VG_CHECKED vg_status vg_net_listen(int *fd, const char *host, int port);
/* The port that a socket has here. */
VG_CHECKED vg_status vg_net_port(int *port, int fd);
/* Waits for a caller: VG_ETIMEDOUT when none came, VG_EIO. */
VG_CHECKED vg_status vg_net_accept(int *fd, int listener, double seconds);
/* Tries each address of the host within the time: VG_EIO (nobody listens, no such host), VG_ETIMEDOUT. Looking up a name is not timed. */
VG_CHECKED vg_status vg_net_connect(int *fd, const char *host, int port, double seconds);
/* Sends a message whole: VG_EIO (the other side is gone), VG_ETIMEDOUT, VG_EARG when it is longer than VG_NET_LONGEST. */
VG_CHECKED vg_status vg_net_send(int fd, const char *text, size_t length, double seconds);
/* *text (owned by the caller, vg_free, ends in '\0') = the next message. VG_EFORMAT: no message of ours, or one longer than `most`; VG_EIO: the
 * other side closed; VG_ETIMEDOUT. Memory is taken as bytes arrive, not as the header promises. */
VG_CHECKED vg_status vg_net_receive(char **text, size_t *length, int fd, size_t most, double seconds);
/* *ready = the first of fd[0 .. n - 1] that has something to read (a caller, bytes, the end), -1 when none had in time. n = 0 sleeps. */
VG_CHECKED vg_status vg_net_wait(int *ready, const int *fd, int n, double seconds);

#endif
