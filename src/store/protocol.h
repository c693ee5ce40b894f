/* How processes share the trials of a store, none of them trusted to live.
 *
 *   ask ──▶ WAITING ──claim──▶ RUNNING ──finish──▶ COMPLETE | PRUNED | FAILED, or PAUSED (trial_promote: WAITING again)
 *             ▲                 │   │ fail, for good: FAILED
 *             └── release ──────┘   │ fail, or the lease ran out (reap): WAITING again after a pause, or ABANDONED
 *
 * A claim gives (trial, epoch) and a lease. Each later claim of the trial has a greater epoch, and what comes with an older one is refused: the
 * caller is *fenced*, not told off; it drops the trial and goes on. So a worker that froze, or whose network did, can do no harm when it wakes.
 * Whoever holds a trial renews its lease every lease/4 (keeper.h does it in a thread of its own); all times are the store's.
 *
 * Each function is one transaction. Where the connection to a server breaks it is done again, exactly once in effect: see vg_store_commit.
 * All return VG_OK when fenced: *held or its like says so. Failures are those of vg_store_run. */
#ifndef VG_STORE_PROTOCOL_H
#define VG_STORE_PROTOCOL_H

#include "store/store.h"

#define VG_LEASE_S 60.0
enum { VG_MOST_CLAIMS = 1024, VG_MOST_OBJECTIVES = 8, VG_MOST_POISONINGS = 2 };

typedef struct vg_claim {
  int64_t trial_id, epoch, number, priority;
} vg_claim;
typedef struct vg_claim_options {
  int64_t study_id;
  const char *owner, *host;
  const char *capabilities;    /* words between blanks, with one at either end: " avx512 mpi "; NULL: none. A trial that needs others is left */
  double lease_s;
  int n;                       /* at most so many, 1..VG_MOST_CLAIMS */
} vg_claim_options;
/* Reaps, then takes the first trials that wait: by priority, then by number. *n_out of claims [o->n] are filled, 0 when nothing waits. */
VG_CHECKED vg_status vg_store_claim(vg_store *s, const vg_claim_options *o, vg_claim *claims, int *n_out);

/* *held = 0: fenced. */
VG_CHECKED vg_status vg_store_heartbeat(vg_store *s, int64_t trial_id, int64_t epoch, double lease_s, int *held);

typedef struct vg_result {
  int64_t trial_id, epoch;
  const char *state;           /* COMPLETE, PRUNED, FAILED or PAUSED */
  const char *reason, *message;   /* NULL: none */
  const double *fidelity;      /* how far it was trained, or NULL */
  int n_values;
  struct vg_objective_value { int64_t objective; double value; } values[VG_MOST_OBJECTIVES];
  const char *event_json;      /* payload of its event "finish", for who leads the strategy */
} vg_result;
/* The trial's result, values and event. Finishing twice with the same epoch and state is one finish. *accepted = 0: fenced, nothing is written. */
VG_CHECKED vg_status vg_store_finish(vg_store *s, const vg_result *r, int *accepted);
/* The results of a batch, in one transaction; accepted [n] says of each. */
VG_CHECKED vg_status vg_store_finish_all(vg_store *s, const vg_result *results, int n, int *accepted);

typedef struct vg_failure {
  int64_t trial_id, epoch;
  const char *cause;           /* tried again: lost, store, disk, oom, crash; final: script, invalid_arch, nan, timeout, user */
  const char *message;         /* NULL: none */
  const int64_t *signal, *exit_code, *max_rss_kb;   /* of a process that ended; NULL: unknown */
  const char *event_json;      /* as of vg_result, for a final cause; NULL: one that says the cause */
} vg_failure;
/* What becomes of the trial, by the cause: *state = "WAITING" (after a pause), "FAILED" (final cause), "ABANDONED" (lost max_attempts times, or
 * twice by oom or crash: "poison"), NULL when fenced. VG_EARG: no such cause. */
VG_CHECKED vg_status vg_store_fail(vg_store *s, const vg_failure *f, const char **state);

/* Gives the trial back without prejudice (SIGTERM): it waits, at once, and the attempt does not count against it.
 * Departure from specs 2.4, which has a pause here: a study that is stopped 20 times would abandon whatever it was at. */
VG_CHECKED vg_status vg_store_release(vg_store *s, int64_t trial_id, int64_t epoch, int *held);
/* Ends the attempts whose lease ran out, in all studies of the store: *n trials. At most 100 a time. */
VG_CHECKED vg_status vg_store_reap(vg_store *s, int *n);
/* RUNNING trials without a lease are what a study run by one process (journal.lua) left in flight: they wait. For who leads the study. *n trials. */
VG_CHECKED vg_status vg_store_adopt(vg_store *s, int64_t study_id, int *n);

typedef struct vg_point {
  const char *name;
  int64_t step;
  double value;
} vg_point;
/* Intermediate results of a held trial; *held = 0: fenced, nothing is written. */
VG_CHECKED vg_status vg_store_metrics(vg_store *s, int64_t trial_id, int64_t epoch, const vg_point *points, int n, int *held);
typedef struct vg_artifact {
  int64_t trial_id, epoch;
  const char *kind, *sha256, *locator;
  int64_t bytes;
} vg_artifact;
/* A file of a held trial whose name has the epoch in it; the file of who is fenced is garbage that nothing points to. */
VG_CHECKED vg_status vg_store_artifact(vg_store *s, const vg_artifact *a, int *held);

/* The strategy of a study runs where its lease is. *epoch = 0: somebody else leads. */
VG_CHECKED vg_status vg_store_lead(vg_store *s, int64_t study_id, const char *owner, double lease_s, int64_t *epoch);
VG_CHECKED vg_status vg_store_lead_renew(vg_store *s, int64_t study_id, int64_t epoch, double lease_s, int *held);
/* Inside a transaction of the leader's, before it writes: until the commit nobody can take over. */
VG_CHECKED vg_status vg_store_leads(vg_store *s, int64_t study_id, int64_t epoch, int *held);
VG_CHECKED vg_status vg_store_resign(vg_store *s, int64_t study_id, int64_t epoch);

/* The study and all of it. */
VG_CHECKED vg_status vg_store_remove_study(vg_store *s, int64_t study_id);

/* One round for several: renews leases (held [n] says which are still ours), the lead (if lead->epoch), sees to the worker's row, reaps. keeper.c. */
typedef struct vg_lead {
  int64_t study_id, epoch;
  int held;
} vg_lead;
typedef struct vg_round {
  const vg_claim *claims;      /* trial_id and epoch count */
  int *held;
  int n;
  vg_lead *lead;
  const char *worker_id;       /* or NULL */
  double lease_s;
} vg_round;
VG_CHECKED vg_status vg__store_round(vg_store *s, vg_round *round);

#endif
