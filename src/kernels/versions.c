#include "kernels/versions.h"

#include <cblas.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>

void vg_version_onednn(char *text, size_t size) {
  const dnnl_version_t *v = dnnl_version();
  snprintf(text, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}

void vg_version_blas(char *text, size_t size) {
  static const char *const FLAVOUR[] = { "serial", "pthread", "openmp" };
  char version[32] = "";
  int parallel = openblas_get_parallel();
  if (sscanf(openblas_get_config(), "OpenBLAS %31s", version) != 1) version[0] = '\0';
  snprintf(text, size, "OpenBLAS %s %s", version, parallel >= 0 && parallel <= 2 ? FLAVOUR[parallel] : "unknown");
}

const char *vg_blas_core(void) { return openblas_get_corename(); }
