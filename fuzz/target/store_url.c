/* A store's URL, and what people are shown of it: never more than fits, and nothing after the ':' of a login. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/url.h"

enum { ROOM = 200 };

static void check_shown(const char *text) {
  char shown[ROOM];
  memset(shown, 'x', sizeof shown);
  vg_store_url_show(shown, sizeof shown, text);
  if (!memchr(shown, 0, sizeof shown)) fuzz_fail("what is shown has no end");
  const char *login = strstr(text, "://"), *end = strrchr(text, '@'), *colon = login && end > login ? memchr(login + 3, ':', (size_t)(end - login - 3)) : NULL;
  size_t before = colon ? (size_t)(colon - text) : 0;
  if (colon && end > colon + 4 && before + 4 < ROOM && strncmp(shown + before, ":***", 4) != 0) fuzz_fail("a password is shown");
}

void fuzz_store_url(const uint8_t *data, size_t size);
void fuzz_store_url(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  vg_store_url url;
  if (!text) fuzz_fail("no memory");
  memcpy(text, data, size);
  text[size] = '\0';
  vg_status s = vg_store_url_parse(&url, text);
  fuzz_check(s, VG_EARG);
  if (s == VG_OK && (!*url.path || strlen(url.path) >= sizeof url.path)) fuzz_fail("a path of %zu bytes", strlen(url.path));
  check_shown(text);
  free(text);
}
