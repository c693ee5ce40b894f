#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];

vg_status vg_fail(vg_status code, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(message, sizeof message, fmt, ap);
  va_end(ap);
  return code;
}

const char *vg_message(void) { return message; }

const char *vg_status_name(vg_status code) {
  static const char *const NAMES[] = { "OK", "EARG", "ESHAPE", "ENOMEM", "EIO", "EFORMAT", "EBACKEND", "ECALLBACK", "ENAN", "EINTR", "ETIMEDOUT" };
  int i = -(int)code;
  return i >= 0 && i < (int)(sizeof NAMES / sizeof *NAMES) ? NAMES[i] : "EUNKNOWN";
}
