#include "base/threads.h"

#include <omp.h>

int vg_threads(void) { return omp_get_max_threads(); }
void vg_threads_set(int n) { omp_set_num_threads(n); }
