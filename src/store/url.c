/* A password is looked for before anything else is said about the URL, so that no message can show one. */
#include "store/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

static int is_postgres(const char *text) { return starts_with(text, "postgresql://") || starts_with(text, "postgres://"); }

/* "user:password@" may hold any byte when somebody forgot to encode it: up to the last '@', and of that what stands before the first ':'. */
static const char *end_of_login(const char *after_scheme) {
  const char *at = strrchr(after_scheme, '@');
  return at ? at : after_scheme;
}

void vg_store_url_show(char *out, size_t room, const char *text) {
  const char *scheme = strstr(text, "://");
  if (!scheme) {
    snprintf(out, room, "%s", text);
    return;
  }
  const char *login = scheme + 3, *end = end_of_login(login);
  const char *colon = memchr(login, ':', (size_t)(end - login));
  size_t kept = (size_t)((colon ? colon : end) - text);
  snprintf(out, room, "%.*s%s%.*s", (int)kept, text, colon ? ":***" : "", (int)strcspn(end, "?"), end);
}

/* No option's name needs an encoded letter: "p%61ssword" is a password in hiding. */
static int is_password(const char *option) {
  size_t n = strcspn(option, "=&");
  return memchr(option, '%', n) != NULL || (n >= 8 && strncasecmp(option + n - 8, "password", 8) == 0);
}

static int has_password(const char *text) {
  const char *login = strstr(text, "://") + 3, *end = end_of_login(login);
  if (memchr(login, ':', (size_t)(end - login))) return 1;
  for (const char *p = strchr(text, '?'); p; p = strchr(p, '&'))
    if (is_password(++p)) return 1;
  return 0;
}

static void cover(char *from, size_t n) { memset(from, '*', n); }

void vg_store_url_hide(char *word) {
  char *scheme = strstr(word, "://");
  if (!scheme) return;
  char *login = scheme + 3, *end = login + (end_of_login(login) - login);
  char *colon = memchr(login, ':', (size_t)(end - login));
  if (colon) cover(colon + 1, (size_t)(end - colon - 1));
  for (char *p = strchr(login, '?'); p; p = strchr(p, '&'))
    if (is_password(++p)) cover(p, strcspn(p, "&"));
}

static vg_status refuse(const char *text, const char *why) {
  char shown[256];
  vg_store_url_show(shown, sizeof shown, text);
  return vg_fail(VG_EARG, "store '%s': %s", shown, why);
}

static vg_status read_options(vg_store_url *out, const char *text, char *options) {
  char *rest = NULL;
  for (char *word = strtok_r(options, "&", &rest); word; word = strtok_r(NULL, "&", &rest)) {
    if (strcmp(word, "durability=normal") == 0) out->durability_normal = 1;
    else if (strcmp(word, "network_fs=allow") == 0) out->allow_network_fs = 1;
    else if (strcmp(word, "durability=full") != 0) return refuse(text, "after '?' durability=full, durability=normal or network_fs=allow expected");
  }
  return VG_OK;
}

static vg_status parse_sqlite(vg_store_url *out, const char *text, const char *path, int has_options) {
  if (strlen(path) >= sizeof out->path) return refuse("sqlite:", "a path of at most 4095 bytes expected");
  strcpy(out->path, path);
  char *options = has_options ? strchr(out->path, '?') : NULL;
  if (options) {
    *options = '\0';
    VG_TRY(read_options(out, text, options + 1));
  }
  return *out->path ? VG_OK : refuse(text, "a path expected, as in sqlite:runs/study.db");
}

vg_status vg_store_url_parse(vg_store_url *out, const char *text) {
  *out = (vg_store_url){ .kind = VG_STORE_SQLITE };
  if (strcmp(text, "mem:") == 0 || strcmp(text, ":memory:") == 0) {
    out->kind = VG_STORE_MEMORY;
    strcpy(out->path, ":memory:");
    return VG_OK;
  }
  if (is_postgres(text)) {
    if (has_password(text))
      return refuse(text, "the URL holds a password, which everybody on this machine could read: use ~/.pgpass, PGPASSFILE or PGPASSWORD");
    if (strlen(text) >= sizeof out->path) return refuse("postgresql:", "a URL of at most 4095 bytes expected");
    out->kind = VG_STORE_POSTGRES;
    strcpy(out->path, text);
    return VG_OK;
  }
  if (strstr(text, "://")) return refuse(text, "sqlite:PATH, a path, mem: or postgresql://... expected");
  if (starts_with(text, "sqlite:")) return parse_sqlite(out, text, text + 7, 1);
  return parse_sqlite(out, text, text, 0);
}
