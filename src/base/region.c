/* Free ranges form one list in order of address; its links lie in the ranges themselves. Ranges of different reservations never touch,
 * because each reservation ends with a page that is never handed out. A few hundred ranges are usual, so lists are walked. */
#include "base/region.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };
static const size_t LEAST = (size_t)64 << 20;

typedef struct range {
  size_t bytes;
  struct range *next;
} range;

static range *first;
static uintptr_t top;           /* of what was handed out, in the newest reservation */

static size_t physical_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : LEAST;
}

/* Reserves as much address space as the machine has memory; less where a limit stands in the way, but room for `bytes`. */
static int reserve(size_t bytes) {
  size_t want = physical_memory() / PAGE * PAGE + PAGE;
  if (want < bytes + PAGE) want = bytes + PAGE;
  for (; want >= bytes + PAGE; want = want / 2 / PAGE * PAGE) {
    void *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) continue;
    madvise(p, want, MADV_HUGEPAGE);               /* a wish: without it there are more page faults */
    vg_region_put(p, want - PAGE);
    top = (uintptr_t)p;
    return 1;
  }
  return 0;
}

static void *first_fit(size_t bytes) {
  for (range **link = &first; *link; link = &(*link)->next) {
    range *r = *link;
    if (r->bytes < bytes) continue;
    if (r->bytes == bytes) *link = r->next;
    else {
      range *rest = (range *)((char *)r + bytes);
      *rest = (range){ r->bytes - bytes, r->next };
      *link = rest;
    }
    return r;
  }
  return NULL;
}

void *vg_region_get(size_t *bytes) {
  size_t rounded = (*bytes + PAGE - 1) / PAGE * PAGE;
  void *p = first_fit(rounded);
  if (!p && reserve(rounded)) p = first_fit(rounded);
  if (!p) return NULL;
  if (top < (uintptr_t)p + rounded) top = (uintptr_t)p + rounded;
  *bytes = rounded;
  return p;
}

static int touches(const range *a, const range *b) { return (const char *)a + a->bytes == (const char *)b; }

void vg_region_put(void *p, size_t bytes) {
  range *before = NULL, *after = first, *r = p;
  while (after && (uintptr_t)after < (uintptr_t)r) {
    before = after;
    after = after->next;
  }
  *r = (range){ bytes, after };
  if (after && touches(r, after)) *r = (range){ r->bytes + after->bytes, after->next };
  if (!before) first = r;
  else if (touches(before, r)) *before = (range){ before->bytes + r->bytes, r->next };
  else before->next = r;
}

size_t vg_region_cached(void) {
  size_t sum = 0;
  for (const range *r = first; r; r = r->next) {
    uintptr_t at = (uintptr_t)r;
    if (at + r->bytes <= top) sum += r->bytes;
    else if (at < top) sum += top - at;
  }
  return sum;
}

void vg_region_trim(void) {
  for (range *r = first; r; r = r->next)
    if (r->bytes > PAGE) madvise((char *)r + PAGE, r->bytes - PAGE, MADV_DONTNEED);     /* its first page holds the link */
}
