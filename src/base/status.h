/* Status codes and the message that goes with a failure.
 * A function that can fail returns vg_status; the text of the last failure is kept per thread until the next one. */
#ifndef VG_BASE_STATUS_H
#define VG_BASE_STATUS_H

typedef enum vg_status {
  VG_OK = 0,
  VG_EARG = -1,       /* a wrong argument: raises in Lua */
  VG_ESHAPE = -2,     /* shapes that disagree: raises in Lua */
  VG_ENOMEM = -3,
  VG_EIO = -4,        /* a file or device cannot be opened, read or written */
  VG_EFORMAT = -5,    /* a file is damaged or of another kind */
  VG_EBACKEND = -6,   /* oneDNN, SQLite or another library refuses */
  VG_ECALLBACK = -7,  /* a Lua callback raised; its error waits on the Lua stack */
  VG_ENAN = -8,       /* a loss or gradient is not finite */
  VG_EINTR = -9,      /* interrupted by the user (Ctrl-C) */
  VG_ETIMEDOUT = -10  /* the deadline passed */
} vg_status;

#define VG_CHECKED __attribute__((warn_unused_result))

/* Keeps the formatted text (at most 1023 bytes) and returns `code`. */
vg_status vg_fail(vg_status code, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
/* The text of this thread's last failure; never NULL. Borrowed until the next vg_fail on this thread. */
const char *vg_message(void);
/* "OK", "EARG", ... as scripts see it. */
const char *vg_status_name(vg_status code);

/* For functions that own nothing at this point. */
#define VG_TRY(expr)                    \
  do {                                  \
    vg_status try_status_ = (expr);     \
    if (try_status_ != VG_OK) return try_status_; \
  } while (0)
/* For functions with a `done:` label and a local `status`. */
#define VG_GOTO(expr)                   \
  do {                                  \
    status = (expr);                    \
    if (status != VG_OK) goto done;     \
  } while (0)

#endif
