/* Where a store is: mem: (or :memory:), sqlite:PATH[?durability=full|normal&network_fs=allow], a plain PATH, postgresql://... */
#ifndef VG_STORE_URL_H
#define VG_STORE_URL_H

#include <stddef.h>

#include "base/status.h"

typedef enum vg_store_kind { VG_STORE_MEMORY, VG_STORE_SQLITE, VG_STORE_POSTGRES } vg_store_kind;

typedef struct vg_store_url {
  vg_store_kind kind;
  char path[4096];        /* of the SQLite file; of PostgreSQL the whole URL */
  int durability_normal;  /* a power cut may lose the last commits, never damages the file */
  int allow_network_fs;
} vg_store_url;

/* VG_EARG: another kind of URL, an unknown option, a password (it would be seen in the list of processes; ~/.pgpass and PGPASSWORD are for
 * that), or over 4095 bytes. Messages show the URL without its password. */
VG_CHECKED vg_status vg_store_url_parse(vg_store_url *out, const char *text);
/* Puts '*' over each letter of a password in a word that may hold a URL, wherever in it. */
void vg_store_url_hide(char *word);
/* The URL for people: "***" for a password, nothing of what follows a '?'. Cut at `room` bytes. */
void vg_store_url_show(char *out, size_t room, const char *text);

#endif
