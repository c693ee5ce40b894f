/* Memory. Small things come from vg_alloc (malloc with a status); tensor data from vg_block, a caching allocator
 * (freed blocks are kept for reuse). Every allocation of the engine passes here, so that a test can make the n-th one fail. */
#ifndef VG_BASE_ALLOC_H
#define VG_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* *out = `bytes` of memory (zeroed by vg_alloc_zero), or VG_ENOMEM with *out untouched. 0 bytes give a pointer that can be freed. */
VG_CHECKED vg_status vg_alloc(void **out, size_t bytes);
VG_CHECKED vg_status vg_alloc_zero(void **out, size_t bytes);
/* Grows or shrinks; on failure *p is as before. */
VG_CHECKED vg_status vg_realloc(void **p, size_t bytes);
void vg_free(void *p);
#define VG_NEW(ptr) vg_alloc_zero((void **)(ptr), sizeof **(ptr))

/* A block of at least `bytes`, aligned to 64 bytes, not zeroed; `bytes` is rounded up. Freed blocks stay cached. Thread safe. */
VG_CHECKED vg_status vg_block_get(void **out, size_t bytes);
void vg_block_put(void *block);
/* Gives the cached free blocks back to the system. */
void vg_block_trim(void);

typedef struct vg_alloc_stats {
  size_t live_bytes;    /* blocks in use, after rounding */
  size_t peak_bytes;    /* highest live_bytes since vg_alloc_reset_peak */
  size_t cached_bytes;  /* free blocks kept */
  long long live_small; /* allocations of vg_alloc and its kin not yet freed by vg_free */
} vg_alloc_stats;
vg_alloc_stats vg_alloc_get_stats(void);
void vg_alloc_reset_peak(void);
/* A cap on live block bytes, over which vg_block_get fails with VG_ENOMEM; 0 = none. */
void vg_alloc_set_limit(size_t bytes);
/* Memory of somebody else (Lua) that counts towards the limit. @return 0 when `more` bytes would pass it: nothing was counted then. Less always goes. */
int vg_alloc_charge(ptrdiff_t more);
size_t vg_alloc_get_limit(void);

/* Fault injection: the n-th allocation from now (1 = the next) and, when `forever`, all after it fail. n = 0 switches it off. */
void vg_alloc_fail_at(long n, int forever);

#endif
