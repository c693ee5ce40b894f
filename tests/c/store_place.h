/* Where the tests of a store run: SQLite files, or a PostgreSQL server that tests/postgres starts; and raw SQL on them, as somebody else would. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE_SERVER "bash " VEGA_SOURCE_DIR "/tests/postgres"

static char place_url[256], place_folder[64], place_server[256];
static int place_n;

static void place_begin(void) {
  strcpy(place_folder, "/tmp/vega-store-XXXXXX");
  if (!mkdtemp(place_folder) || chmod(place_folder, 0755) != 0) exit(1);
}

/* 0: there is none to start. */
static int place_start_server(void) {
  char line[256];
  snprintf(line, sizeof line, PLACE_SERVER " start %s/server", place_folder);
  FILE *f = popen(line, "r");
  if (!f || !fgets(place_server, sizeof place_server, f)) *place_server = '\0';
  place_server[strcspn(place_server, "\n")] = '\0';
  return f && pclose(f) == 0 && *place_server;
}

static void place_end(void) {
  char line[256];
  if (*place_server) {
    snprintf(line, sizeof line, PLACE_SERVER " remove %s/server", place_folder);
    if (system(line) != 0) fprintf(stderr, "cannot end the server\n");
  }
  snprintf(line, sizeof line, "rm -rf %s", place_folder);
  if (system(line) != 0) fprintf(stderr, "cannot remove %s\n", place_folder);
}

static void place_execute(const char *sqlite, const char *postgres) {
  if (*place_server) {
    char line[1024];
    snprintf(line, sizeof line, "psql -q -v ON_ERROR_STOP=1 '%s' -c \"%s\" >%s/log 2>&1", place_server, postgres, place_folder);
    if (system(line) != 0) fail_msg("%s", line);
    return;
  }
  sqlite3 *db;
  char *why = NULL;
  if (sqlite3_open(place_url, &db) != SQLITE_OK || sqlite3_exec(db, sqlite, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", sqlite, why);
  sqlite3_close(db);
}

static void place_fresh(void) {
  if (*place_server) {
    place_execute("", "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    strcpy(place_url, place_server);
  } else {
    snprintf(place_url, sizeof place_url, "%s/%d.db", place_folder, ++place_n);
  }
}

#endif
