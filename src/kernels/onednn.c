/* The primitive cache: a hash map with chains, bounded; the least recently used entry makes room. Entries are counted, so that an evicted
 * primitive lives until its last run is over. Primitives are made outside the lock: two threads that miss at once both make one, the second
 * to come back drops its own. Runs share nothing but the immutable primitive: memory objects, stream and scratchpad belong to the call. */
#include "kernels/onednn.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "kernels/simd.h"

enum { BUCKETS = 512, MAX_ENTRIES = 1024, MAX_RUN_ARGS = 6 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static vg__prim *bucket[BUCKETS];
static int n_entries;
static uint64_t now;

static dnnl_engine_t engine;
static dnnl_status_t engine_status;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

/* Whoever limits our kernels (VEGA_ISA) means the library's too. An environment variable of oneDNN's own that asks for less stays in force. */
static void limit_isa(void) {
#ifndef VG_PORTABLE
  dnnl_cpu_isa_t most = vg_cpu_has_amx() ? dnnl_cpu_isa_all : vg_cpu_has_bf16() ? dnnl_cpu_isa_avx512_core_bf16
                      : vg_cpu_has_avx512() ? dnnl_cpu_isa_avx512_core_vnni : dnnl_cpu_isa_avx2;
  if (getenv("VEGA_ISA") && !getenv("DNNL_MAX_CPU_ISA") && !getenv("ONEDNN_MAX_CPU_ISA")) dnnl_set_max_cpu_isa(most);
#endif
}

static void make_engine(void) {
  limit_isa();
  engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
}

static vg_status need_engine(void) {
  pthread_once(&engine_once, make_engine);
  return vg__dnnl_check(engine_status, "creating the CPU engine");
}

vg_status vg__dnnl_check(dnnl_status_t s, const char *what) {
  static const char *const NAMES[] = { "success", "out of memory", "invalid arguments", "unimplemented", "iterator ends", "runtime error",
                                       "not required" };
  if (s == dnnl_success) return VG_OK;
  const char *name = (unsigned)s < sizeof NAMES / sizeof *NAMES ? NAMES[s] : "unknown status";
  return vg_fail(s == dnnl_out_of_memory ? VG_ENOMEM : VG_EBACKEND, "oneDNN: %s: %s", what, name);
}

dnnl_data_type_t vg__dnnl_type(vg_dtype t) { return t == VG_BF16 ? dnnl_bf16 : dnnl_f32; }

bool vg__dnnl_has_bf16(void) { return vg_cpu_has_avx512(); }

vg_status vg__dnnl_attr(dnnl_primitive_attr_t *out) {
  VG_TRY(vg__dnnl_check(dnnl_primitive_attr_create(out), "creating attributes"));
  return vg__dnnl_check(dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user), "setting the scratchpad mode");
}

vg_status vg__prim_create(dnnl_primitive_t *out, dnnl_primitive_desc_t *pd, const void *op_desc, const_dnnl_primitive_desc_t hint,
                          const_dnnl_primitive_attr_t attr) {
  VG_TRY(need_engine());
  VG_TRY(vg__dnnl_check(dnnl_primitive_desc_create(pd, op_desc, attr, engine, hint), "describing a primitive"));
  return out ? vg__dnnl_check(dnnl_primitive_create(out, *pd), "creating a primitive") : VG_OK;
}

vg_status vg__prim_add_side(vg__prim *p, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to) {
  if (dnnl_memory_desc_equal(from, to)) return VG_OK;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_primitive_desc_t pd = NULL;
  vg_status status = VG_OK;
  VG_GOTO(vg__dnnl_attr(&attr));
  VG_GOTO(vg__dnnl_check(dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, attr), "describing a reorder of weights"));
  VG_GOTO(vg__dnnl_check(dnnl_primitive_create(&p->side, pd), "creating a reorder of weights"));
  p->side_scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
done:
  if (pd) dnnl_primitive_desc_destroy(pd);
  if (attr) dnnl_primitive_attr_destroy(attr);
  return status;
}

static void destroy(vg__prim *p) {
  if (p->main) dnnl_primitive_destroy(p->main);
  if (p->side) dnnl_primitive_destroy(p->side);
  vg_free(p);
}

void vg__prim_release(vg__prim *p) {
  if (p && atomic_fetch_sub(&p->refs, 1) == 1) destroy(p);
}

static unsigned bucket_of(const vg__prim_key *key) { return (unsigned)(vg_hash_fnv(VG_FNV_START, key, sizeof *key) % BUCKETS); }

/* Under the lock. The result is retained for the caller. */
static vg__prim *find(const vg__prim_key *key) {
  for (vg__prim *p = bucket[bucket_of(key)]; p; p = p->next) {
    if (memcmp(&p->key, key, sizeof *key) != 0) continue;
    p->used = ++now;
    atomic_fetch_add(&p->refs, 1);
    return p;
  }
  return NULL;
}

/* Under the lock. */
static void evict_oldest(void) {
  vg__prim **oldest = NULL;
  for (int b = 0; b < BUCKETS; b++)
    for (vg__prim **at = &bucket[b]; *at; at = &(*at)->next)
      if (!oldest || (*at)->used < (*oldest)->used) oldest = at;
  if (!oldest) return;
  vg__prim *gone = *oldest;
  *oldest = gone->next;
  n_entries--;
  vg__prim_release(gone);
}

/* Under the lock. The cache takes a reference of its own. */
static void insert(vg__prim *p) {
  if (n_entries >= MAX_ENTRIES) evict_oldest();
  unsigned b = bucket_of(&p->key);
  p->used = ++now;
  p->next = bucket[b];
  bucket[b] = p;
  n_entries++;
  atomic_fetch_add(&p->refs, 1);
}

vg_status vg__prim_get(vg__prim **out, const vg__prim_key *key, vg__prim_make make, const void *spec) {
  pthread_mutex_lock(&lock);
  vg__prim *p = find(key);
  pthread_mutex_unlock(&lock);
  if (p) {
    *out = p;
    return VG_OK;
  }
  VG_TRY(need_engine());
  VG_TRY(VG_NEW(&p));
  p->key = *key;
  p->refs = 1;
  vg_status status = make(p, spec);
  if (status != VG_OK) {
    destroy(p);
    return status;
  }
  pthread_mutex_lock(&lock);
  vg__prim *rival = find(key);
  if (!rival) insert(p);
  pthread_mutex_unlock(&lock);
  if (rival) vg__prim_release(p);
  *out = rival ? rival : p;
  return VG_OK;
}

int vg__prim_cache_count(void) {
  pthread_mutex_lock(&lock);
  int n = n_entries;
  pthread_mutex_unlock(&lock);
  return n;
}

static vg_status execute(const_dnnl_primitive_t prim, const dnnl_memory_desc_t *scratch, int n, const vg__prim_arg *args) {
  dnnl_exec_arg_t list[MAX_RUN_ARGS + 1];
  int n_list = 0;
  void *work = NULL;
  dnnl_stream_t stream = NULL;
  vg_status status = VG_OK;
  VG_GOTO(vg__dnnl_check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "creating a stream"));
  for (int i = 0; i < n; i++) {
    dnnl_memory_t memory;
    VG_GOTO(vg__dnnl_check(dnnl_memory_create(&memory, args[i].desc, engine, args[i].data), "wrapping memory"));
    list[n_list++] = (dnnl_exec_arg_t){ args[i].id, memory };
  }
  size_t bytes = dnnl_memory_desc_get_size(scratch);
  if (bytes > 0) {
    dnnl_memory_t memory;
    VG_GOTO(vg_block_get(&work, bytes));
    VG_GOTO(vg__dnnl_check(dnnl_memory_create(&memory, scratch, engine, work), "wrapping scratch memory"));
    list[n_list++] = (dnnl_exec_arg_t){ DNNL_ARG_SCRATCHPAD, memory };
  }
  VG_GOTO(vg__dnnl_check(dnnl_primitive_execute(prim, stream, n_list, list), "running a primitive"));
  VG_GOTO(vg__dnnl_check(dnnl_stream_wait(stream), "waiting for a primitive"));
done:
  for (int i = 0; i < n_list; i++) dnnl_memory_destroy(list[i].memory);
  if (stream) dnnl_stream_destroy(stream);
  vg_block_put(work);
  return status;
}

vg_status vg__prim_run(const vg__prim *p, int n, const vg__prim_arg *args) {
  if (n > MAX_RUN_ARGS - 1) return vg_fail(VG_EARG, "oneDNN: at most %d arguments, got %d", MAX_RUN_ARGS - 1, n);
  return execute(p->main, &p->scratch, n, args);
}

vg_status vg__prim_run_side(const vg__prim *p, void *to, const void *from) {
  bool reads = !p->writes_weights;
  const vg__prim_arg args[] = { { DNNL_ARG_FROM, reads ? &p->user_weights : &p->weights, (void *)from },
                                { DNNL_ARG_TO, reads ? &p->weights : &p->user_weights, to } };
  return execute(p->side, &p->side_scratch, 2, args);
}
