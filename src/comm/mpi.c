/* The plug-in for MPI: looked for beside the program or module, and loaded. The engine itself is linked to no MPI. */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/backends.h"

#define FILE_NAME "comm_mpi.so"
#define PLUGIN_VARIABLE "VEGA_COMM_MPI"       /* another plug-in, such as one built with another MPI */

/* The build tree, a module beside it, an installed program. */
static const char *const PLACES[] = { "vega/" FILE_NAME, FILE_NAME, "../lib/lua/5.4/vega/" FILE_NAME };
enum { N_PLACES = sizeof PLACES / sizeof *PLACES };

static vg_status find(char path[PATH_MAX]) {
  Dl_info here;
  char object[PATH_MAX] = "", copy[PATH_MAX];
  const char *given = getenv(PLUGIN_VARIABLE);
  if (given) {
    snprintf(path, PATH_MAX, "%s", given);
    return VG_OK;
  }
  if (dladdr((const void *)vg__comm_load_mpi, &here) && here.dli_fname) {
    if (!realpath(here.dli_fname, object) || !strchr(here.dli_fname, '/')) {      /* a program's own name, as it was typed */
      ssize_t n = readlink("/proc/self/exe", object, sizeof object - 1);
      object[n > 0 ? n : 0] = '\0';
    }
  }
  for (int i = 0; i < N_PLACES; i++) {
    snprintf(copy, sizeof copy, "%s", object);
    if (snprintf(path, PATH_MAX, "%s/%s", dirname(copy), PLACES[i]) < PATH_MAX && access(path, R_OK) == 0) return VG_OK;
  }
  return vg_fail(VG_EBACKEND, "comm 'mpi': there is no %s beside '%s': it is built where libopenmpi-dev is installed", FILE_NAME, object);
}

/* RTLD_GLOBAL: Open MPI loads components of its own, which look for its symbols. */
vg_status vg__comm_load_mpi(const vg_comm_backend **out) {
  static const vg_comm_backend *loaded;
  char path[PATH_MAX];
  if (loaded) {
    *out = loaded;
    return VG_OK;
  }
  VG_TRY(find(path));
  void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (!library) return vg_fail(VG_EBACKEND, "comm 'mpi': %s (Debian: openmpi-bin)", dlerror());
  const vg_comm_backend *b = dlsym(library, "vg_comm_plugin");
  if (!b || b->abi != VG_COMM_ABI) {
    dlclose(library);
    return vg_fail(VG_EBACKEND, "comm 'mpi': '%s' is no plug-in of this version", path);
  }
  *out = loaded = b;
  return VG_OK;
}
