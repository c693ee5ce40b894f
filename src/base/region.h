/* Large blocks from reserved address space: first fit by address, neighbours join when freed. What is used again and again stays near the
 * bottom, so the memory touched is close to the most that was ever alive; lists of size classes kept 809 MB cached for a peak of 514 MB in the
 * training step of a mobile network. Not safe for threads: alloc.c calls it under its lock. */
#ifndef VG_BASE_REGION_H
#define VG_BASE_REGION_H

#include <stddef.h>

/* `bytes` is rounded up to whole pages and the result is page-aligned; NULL when no address space is left. */
void *vg_region_get(size_t *bytes);
/* Takes back what _get gave, with the size that it gave. */
void vg_region_put(void *p, size_t bytes);
/* Bytes that lie free below the highest place ever handed out: memory that was touched and is kept. */
size_t vg_region_cached(void);
/* Hands the memory of all free ranges back to the system; the address space stays. */
void vg_region_trim(void);

#endif
