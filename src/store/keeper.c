/* The thread copies the list under the lock, talks to the store without it, and takes over what is still on the list. `fresh` is when the last
 * round that succeeded for an entry began: the lease lasts from then at least. */
#include "store/keeper.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/url.h"

typedef struct entry {
  int64_t id, epoch;       /* of a trial; of the lead: its study */
  double fresh;
  int is_fenced;
  double deadline, limit;  /* of a trial's time, 0: none */
} entry;

struct vg_keeper {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int is_ending;
  vg_store *store;         /* the thread's alone once it runs */
  char *worker_id;
  double lease_s;
  entry trials[VG_MOST_CLAIMS], lead;
  int n;
  int64_t rounds;
  char failure[256];
};

double vg_keeper_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The safety margin of specs 2.5: 10 of 60 s, less of a shorter lease. */
static double longest_silence(const vg_keeper *k) { return k->lease_s - fmin(10, k->lease_s / 6); }
static int is_lost(const vg_keeper *k, const entry *e) { return e->is_fenced || vg_keeper_now() - e->fresh > longest_silence(k); }

static entry *find(vg_keeper *k, int64_t trial_id) {
  for (int i = 0; i < k->n; i++)
    if (k->trials[i].id == trial_id) return &k->trials[i];
  return NULL;
}

static void take_over(entry *e, int64_t epoch, int held, double began) {
  if (!e || e->epoch != epoch) return;
  if (held) e->fresh = fmax(e->fresh, began);
  else e->is_fenced = 1;
}

/* One round; called with the lock, which it gives back while the store is asked. */
static void go_round(vg_keeper *k) {
  static _Thread_local vg_claim claims[VG_MOST_CLAIMS];
  static _Thread_local int held[VG_MOST_CLAIMS];
  vg_lead lead = { k->lead.id, is_lost(k, &k->lead) ? 0 : k->lead.epoch, 0 };
  vg_round r = { .claims = claims, .held = held, .lead = &lead, .worker_id = k->worker_id, .lease_s = k->lease_s };
  for (int i = 0; i < k->n; i++)
    if (!is_lost(k, &k->trials[i])) claims[r.n++] = (vg_claim){ .trial_id = k->trials[i].id, .epoch = k->trials[i].epoch };
  double began = vg_keeper_now();
  pthread_mutex_unlock(&k->lock);
  vg_status status = vg__store_round(k->store, &r);
  pthread_mutex_lock(&k->lock);
  snprintf(k->failure, sizeof k->failure, "%s", status == VG_OK ? "" : vg_message());
  if (status != VG_OK) return;
  k->rounds++;
  for (int i = 0; i < r.n; i++) take_over(find(k, claims[i].trial_id), claims[i].epoch, held[i], began);
  if (lead.epoch) take_over(&k->lead, lead.epoch, lead.held, began);
}

/* Without the lock nobody else is left to matter: a trial that is finished at this moment is found to be held no more, and so is not failed. */
static void time_out(vg_keeper *k, const entry *late) {
  char message[96];
  const char *state;
  int held;
  snprintf(message, sizeof message, "it took longer than the %g s of a trial", late->limit);
  vg_failure f = { .trial_id = late->id, .epoch = late->epoch, .cause = "timeout", .message = message };
  vg_status status = vg_store_fail(k->store, &f, &state);
  for (int i = 0; i < k->n && status == VG_OK; i++)
    if (k->trials[i].id != late->id) status = vg_store_release(k->store, k->trials[i].id, k->trials[i].epoch, &held);
  _exit(VG_TIMED_OUT);                               /* where the store could not be reached the leases will run out */
}

/* The soonest moment to do something at; ends the process when a trial's time is over. */
static double next_moment(vg_keeper *k, double next_round) {
  double now = vg_keeper_now();
  for (int i = 0; i < k->n; i++) {
    const entry *e = &k->trials[i];
    if (e->deadline > 0 && now >= e->deadline) time_out(k, e);
    if (e->deadline > 0) next_round = fmin(next_round, e->deadline);
  }
  return next_round;
}

static void *keep(void *context) {
  vg_keeper *k = context;
  pthread_mutex_lock(&k->lock);
  double next = vg_keeper_now() + k->lease_s / 4;
  while (!k->is_ending) {
    double wait = next_moment(k, next) - vg_keeper_now();
    if (wait > 0) {
      struct timespec until;
      clock_gettime(CLOCK_MONOTONIC, &until);
      wait += (double)until.tv_nsec * 1e-9;
      until.tv_sec += (time_t)wait;
      until.tv_nsec = (long)((wait - floor(wait)) * 1e9);
      pthread_cond_timedwait(&k->changed, &k->lock, &until);
      continue;
    }
    if (vg_keeper_now() < next) continue;            /* a trial's deadline it was */
    next = vg_keeper_now() + k->lease_s / 4;
    go_round(k);
  }
  pthread_mutex_unlock(&k->lock);
  return NULL;
}

static vg_status start_thread(vg_keeper *k) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);      /* a wall clock that is set must not put it to sleep for an hour */
  pthread_mutex_init(&k->lock, NULL);
  pthread_cond_init(&k->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);                 /* signals are the main thread's: they cut short what it waits for */
  int failed = pthread_create(&k->thread, NULL, keep, k);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!failed) return VG_OK;
  pthread_cond_destroy(&k->changed);
  pthread_mutex_destroy(&k->lock);
  return vg_fail(VG_ENOMEM, "keeper: cannot start a thread");
}

static void free_keeper(vg_keeper *k) {
  vg_store_close(k->store);
  vg_free(k->worker_id);
  vg_free(k);
}

vg_status vg_keeper_start(vg_keeper **out, const char *url, const char *worker_id, double lease_s, double backoff_s) {
  vg_keeper *k = NULL;
  vg_store_url where;
  VG_TRY(vg_store_url_parse(&where, url));
  if (where.kind == VG_STORE_MEMORY) return vg_fail(VG_EARG, "keeper: a store in memory has no second connection, and no one to keep it from");
  if (!(lease_s > 0)) return vg_fail(VG_EARG, "keeper: a lease of > 0 seconds expected, got %g", lease_s);
  VG_TRY(VG_NEW(&k));
  k->lease_s = lease_s;
  vg_status status = VG_OK;
  if (worker_id) {
    VG_GOTO(vg_alloc((void **)&k->worker_id, strlen(worker_id) + 1));
    strcpy(k->worker_id, worker_id);
  }
  VG_GOTO(vg_store_open(&k->store, url));
  vg_store_set_backoff(k->store, backoff_s);
  VG_GOTO(start_thread(k));
  *out = k;
  return VG_OK;
done:
  free_keeper(k);
  return status;
}

void vg_keeper_stop(vg_keeper *k) {
  if (!k) return;
  pthread_mutex_lock(&k->lock);
  k->is_ending = 1;
  pthread_cond_signal(&k->changed);
  pthread_mutex_unlock(&k->lock);
  pthread_join(k->thread, NULL);
  pthread_cond_destroy(&k->changed);
  pthread_mutex_destroy(&k->lock);
  free_keeper(k);
}

vg_status vg_keeper_hold(vg_keeper *k, int64_t trial_id, int64_t epoch, double claimed_at) {
  vg_status status = VG_OK;
  pthread_mutex_lock(&k->lock);
  entry *e = find(k, trial_id);
  if (!e && k->n < VG_MOST_CLAIMS) e = &k->trials[k->n++];
  if (e) *e = (entry){ .id = trial_id, .epoch = epoch, .fresh = claimed_at };
  else status = vg_fail(VG_EARG, "keeper: it holds %d trials already", VG_MOST_CLAIMS);
  pthread_mutex_unlock(&k->lock);
  return status;
}

void vg_keeper_limit(vg_keeper *k, int64_t trial_id, double seconds) {
  pthread_mutex_lock(&k->lock);
  entry *e = find(k, trial_id);
  if (e) e->limit = seconds, e->deadline = seconds > 0 ? vg_keeper_now() + seconds : 0;
  pthread_cond_signal(&k->changed);
  pthread_mutex_unlock(&k->lock);
}

void vg_keeper_drop(vg_keeper *k, int64_t trial_id) {
  pthread_mutex_lock(&k->lock);
  entry *e = find(k, trial_id);
  if (e) *e = k->trials[--k->n];
  pthread_mutex_unlock(&k->lock);
}

int vg_keeper_is_fenced(vg_keeper *k, int64_t trial_id) {
  pthread_mutex_lock(&k->lock);
  entry *e = find(k, trial_id);
  if (e && is_lost(k, e)) e->is_fenced = 1;          /* for good: a later renewal must not bring it back */
  int fenced = !e || e->is_fenced;
  pthread_mutex_unlock(&k->lock);
  return fenced;
}

void vg_keeper_lead(vg_keeper *k, int64_t study_id, int64_t epoch, double taken_at) {
  pthread_mutex_lock(&k->lock);
  k->lead = (entry){ .id = study_id, .epoch = epoch, .fresh = taken_at };
  pthread_mutex_unlock(&k->lock);
}

int vg_keeper_leads(vg_keeper *k) {
  pthread_mutex_lock(&k->lock);
  if (is_lost(k, &k->lead)) k->lead.is_fenced = 1;
  int leads = k->lead.epoch != 0 && !k->lead.is_fenced;
  pthread_mutex_unlock(&k->lock);
  return leads;
}

int64_t vg_keeper_rounds(vg_keeper *k, char *failure, size_t room) {
  pthread_mutex_lock(&k->lock);
  int64_t rounds = k->rounds;
  if (room > 0) snprintf(failure, room, "%s", k->failure);
  pthread_mutex_unlock(&k->lock);
  return rounds;
}
