/* Blocks below LARGE by size classes: powers of two, each split in four (64, 80, 96, 112, 128, 160, ...): at most 25 % is lost to rounding;
 * the free list of a class is threaded through the blocks themselves. Larger ones come from region.c.
 * Each block is preceded by 64 bytes that hold its class. */
#include "base/alloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/region.h"

/* Under the address sanitizer only the bytes asked for may be touched: not the rounding, a block in the cache, nor the rest of the header.
 * The header's own fields stay open: the leak check follows the free lists through them. All blocks have a class there. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define OPEN(p, bytes) ASAN_UNPOISON_MEMORY_REGION(p, bytes)
#define SHUT(p, bytes) ASAN_POISON_MEMORY_REGION(p, bytes)
static const size_t LARGE = SIZE_MAX;
#else
#define OPEN(p, bytes) ((void)(p))
#define SHUT(p, bytes) ((void)(p))
static const size_t LARGE = 1 << 18;
#endif

enum { HEADER = 64, N_CLASSES = 4 * 48, OF_REGION = -1 };

typedef struct block {
  int size_class;
  size_t bytes;
  struct block *next;
} block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *free_list[N_CLASSES];
static vg_alloc_stats stats;
static atomic_size_t limit, charged;      /* charged: what vg_alloc_charge counts */
static atomic_size_t live_blocks;         /* stats.live_bytes for who has no lock */
static atomic_long fail_countdown;
static atomic_int fail_forever;
static atomic_llong live_small;

void vg_alloc_fail_at(long n, int forever) {
  atomic_store(&fail_forever, forever);
  atomic_store(&fail_countdown, n);
}

static int must_fail(void) {
  long left = atomic_load(&fail_countdown);
  if (left <= 0) return 0;
  /* At 1 a `forever` stays where it is. */
  while (left > 0 && !(left == 1 && atomic_load(&fail_forever)))
    if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) break;
  return left == 1;
}

static vg_status no_memory(size_t bytes) { return vg_fail(VG_ENOMEM, "not enough memory for %zu bytes", bytes); }

vg_status vg_alloc(void **out, size_t bytes) {
  void *p = must_fail() ? NULL : malloc(bytes ? bytes : 1);
  if (!p) return no_memory(bytes);
  atomic_fetch_add(&live_small, 1);
  *out = p;
  return VG_OK;
}

vg_status vg_alloc_zero(void **out, size_t bytes) {
  VG_TRY(vg_alloc(out, bytes));
  memset(*out, 0, bytes);
  return VG_OK;
}

vg_status vg_realloc(void **p, size_t bytes) {
  int is_new = !*p;
  void *q = must_fail() ? NULL : realloc(*p, bytes ? bytes : 1);
  if (!q) return no_memory(bytes);
  if (is_new) atomic_fetch_add(&live_small, 1);
  *p = q;
  return VG_OK;
}

void vg_free(void *p) {
  if (p) atomic_fetch_sub(&live_small, 1);
  free(p);
}

static int class_of(size_t bytes, size_t *rounded) {
  int shift = 6;
  while (((size_t)1 << (shift + 1)) < bytes) shift++;
  size_t base = (size_t)1 << shift, quarter = base / 4;
  size_t steps = bytes <= base ? 0 : (bytes - base + quarter - 1) / quarter;
  *rounded = base + steps * quarter;
  return 4 * (shift - 6) + (int)steps;
}

static void trim_locked(void) {
  for (int i = 0; i < N_CLASSES; i++) {
    while (free_list[i]) {
      block *b = free_list[i];
      free_list[i] = b->next;
      free(b);
    }
  }
  vg_region_trim();
  stats.cached_bytes = 0;
}

static block *new_block(int size_class, size_t bytes) {
  block *b = aligned_alloc(64, HEADER + (bytes + 63) / 64 * 64);
  if (b) *b = (block){ .size_class = size_class, .bytes = bytes };
  return b;
}

static block *get_large_locked(size_t bytes) {
  size_t all = bytes + HEADER;
  block *b = vg_region_get(&all);
  if (!b) return NULL;
  *b = (block){ .size_class = OF_REGION, .bytes = all - HEADER };
  return b;
}

static block *get_locked(size_t bytes) {
  size_t rounded;
  if (bytes >= LARGE) return get_large_locked(bytes);
  int size_class = class_of(bytes, &rounded);
  block *b = free_list[size_class];
  if (b) {
    OPEN(b + 1, HEADER - sizeof *b + rounded);
    free_list[size_class] = b->next;
    stats.cached_bytes -= rounded;
    return b;
  }
  b = new_block(size_class, rounded);
  if (b || !stats.cached_bytes) return b;
  trim_locked();                       /* the cache itself may be what is in the way */
  return new_block(size_class, rounded);
}

vg_status vg_block_get(void **out, size_t bytes) {
  if (bytes > (size_t)1 << 46) return no_memory(bytes);
  pthread_mutex_lock(&lock);
  size_t others = atomic_load_explicit(&charged, memory_order_relaxed);
  int over = limit && stats.live_bytes + others + bytes > limit;
  block *b = must_fail() || over ? NULL : get_locked(bytes);
  if (b) {
    stats.live_bytes += b->bytes;
    atomic_fetch_add_explicit(&live_blocks, b->bytes, memory_order_relaxed);
    if (stats.live_bytes > stats.peak_bytes) stats.peak_bytes = stats.live_bytes;
    SHUT((char *)b + HEADER + bytes, b->bytes - bytes);
    SHUT(b + 1, HEADER - sizeof *b);
  }
  pthread_mutex_unlock(&lock);
  if (!b) return over ? vg_fail(VG_ENOMEM, "tensor memory limit of %zu bytes reached, %zu more wanted", atomic_load(&limit), bytes) : no_memory(bytes);
  *out = (char *)b + HEADER;
  return VG_OK;
}

void vg_block_put(void *p) {
  if (!p) return;
  block *b = (block *)((char *)p - HEADER);
  pthread_mutex_lock(&lock);
  stats.live_bytes -= b->bytes;
  atomic_fetch_sub_explicit(&live_blocks, b->bytes, memory_order_relaxed);
  if (b->size_class == OF_REGION) vg_region_put(b, b->bytes + HEADER);
  else {
    stats.cached_bytes += b->bytes;
    b->next = free_list[b->size_class];
    free_list[b->size_class] = b;
    SHUT(b + 1, HEADER - sizeof *b + b->bytes);
  }
  pthread_mutex_unlock(&lock);
}

void vg_block_trim(void) {
  pthread_mutex_lock(&lock);
  trim_locked();
  pthread_mutex_unlock(&lock);
}

vg_alloc_stats vg_alloc_get_stats(void) {
  pthread_mutex_lock(&lock);
  vg_alloc_stats copy = stats;
  copy.cached_bytes += vg_region_cached();
  copy.live_small = atomic_load(&live_small);
  pthread_mutex_unlock(&lock);
  return copy;
}

void vg_alloc_reset_peak(void) {
  pthread_mutex_lock(&lock);
  stats.peak_bytes = stats.live_bytes;
  pthread_mutex_unlock(&lock);
}

void vg_alloc_set_limit(size_t bytes) { atomic_store(&limit, bytes); }

int vg_alloc_charge(ptrdiff_t more) {
  size_t before = atomic_fetch_add_explicit(&charged, (size_t)more, memory_order_relaxed), most = atomic_load_explicit(&limit, memory_order_relaxed);
  if (more <= 0 || !most || before + (size_t)more + atomic_load_explicit(&live_blocks, memory_order_relaxed) <= most) return 1;
  atomic_fetch_sub_explicit(&charged, (size_t)more, memory_order_relaxed);
  return 0;
}

size_t vg_alloc_get_limit(void) { return atomic_load(&limit); }
