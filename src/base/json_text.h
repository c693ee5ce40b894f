/* JSON to text. jansson 2.14 drops the key of an object that it has no memory for, and says nothing; here that is an error. */
#ifndef VG_BASE_JSON_TEXT_H
#define VG_BASE_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"

/* *out = the text of `value`, ended by '\0', to be freed by vg_free. `flags` are jansson's. VG_ENOMEM; also for a NULL value, which is what
 * jansson's constructors give without memory. */
VG_CHECKED vg_status vg_json_print(char **out, const json_t *value, size_t flags);

#endif
