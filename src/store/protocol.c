/* See protocol.h. Each operation is a function of (store, context) that `transact` runs between begin and commit; what it reads is locked until
 * then, by SQLite's one writer or PostgreSQL's FOR UPDATE. The epoch is compared in one statement, trial_held, which whatever writes for a trial asks. */
#include "store/protocol.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRIES = 5, MOST_REAPED = 100 };

typedef vg_status work_fn(vg_store *s, void *context);

static vg_status transact(vg_store *s, work_fn *work, void *context) {
  for (int tries = 1; ; tries++) {
    vg_status status = vg_store_begin(s);
    if (status == VG_OK) {
      status = work(s, context);
      if (status == VG_OK) status = vg_store_commit(s);
      if (status != VG_OK) vg_store_rollback(s);
    }
    if (status == VG_OK || tries == TRIES || !vg_store_is_undone(s)) return status;
  }
}

static vg_value integer(int64_t i) { return (vg_value){ .kind = VG_INTEGER, .i = i }; }
static vg_value real(double f) { return (vg_value){ .kind = VG_REAL, .f = f }; }
static vg_value text(const char *t) { return t ? (vg_value){ .kind = VG_TEXT, .s = t, .length = strlen(t) } : (vg_value){ .kind = VG_NULL }; }
static vg_value maybe(const int64_t *i) { return i ? integer(*i) : (vg_value){ .kind = VG_NULL }; }

#define RUN(name, each, context, ...)                                              \
  vg_store_run(s, name, (const vg_value[]){ __VA_ARGS__ }, (int)(sizeof((const vg_value[]){ __VA_ARGS__ }) / sizeof(vg_value)), each, context)
#define WRITE(name, ...) VG_TRY(RUN(name, NULL, NULL, __VA_ARGS__))

/* The first two columns of the one row. */
typedef struct pair {
  int64_t first, second;
  int found;
} pair;
static vg_status read_pair(void *context, int n, const char *const *names, const vg_value *values) {
  (void)names;
  *(pair *)context = (pair){ values[0].i, n > 1 ? values[1].i : 0, 1 };
  return VG_OK;
}

/* Is (trial, epoch) still the one that runs? trial = { study, max_attempts }. */
static vg_status held(vg_store *s, int64_t trial_id, int64_t epoch, pair *trial) {
  trial->found = 0;
  return RUN("trial_held", read_pair, trial, integer(trial_id), integer(epoch));
}

static const char *kind_of(double v) { return isnan(v) ? "nan" : isinf(v) ? v > 0 ? "+inf" : "-inf" : "f"; }
static vg_value or_null(double v) { return isfinite(v) ? real(v) : (vg_value){ .kind = VG_NULL }; }

/* The end of an attempt ---------------------------------------------------------------------------------------------------------------- */

static vg_status read_outcome(void *context, int n, const char *const *names, const vg_value *values) {
  (void)n, (void)names;
  snprintf(context, 16, "%.*s", (int)values[0].length, values[0].kind == VG_TEXT ? values[0].s : "");
  return VG_OK;
}

/* PAUSED is a state of trials; its attempt is over and took nothing away. */
static const char *outcome_of(const char *state) { return strcmp(state, "PAUSED") == 0 ? "RELEASED" : state; }

typedef struct finishing {
  const vg_result *r;
  int n, *accepted;
} finishing;

static vg_status finish_one(vg_store *s, const vg_result *r, int *accepted) {
  pair trial;
  char outcome[16] = "";
  VG_TRY(held(s, r->trial_id, r->epoch, &trial));
  *accepted = trial.found;
  if (!trial.found) {
    VG_TRY(RUN("attempt_outcome", read_outcome, outcome, integer(r->trial_id), integer(r->epoch)));
    *accepted = strcmp(outcome, outcome_of(r->state)) == 0;
    return VG_OK;
  }
  for (int i = 0; i < r->n_values; i++)
    WRITE("value_add", integer(r->trial_id), integer(r->values[i].objective), text(kind_of(r->values[i].value)), or_null(r->values[i].value));
  WRITE("lease_end", integer(r->trial_id));
  WRITE("trial_close", integer(r->trial_id), text(r->state), text(r->reason), r->fidelity ? real(*r->fidelity) : text(NULL));
  WRITE("attempt_close", integer(r->trial_id), integer(r->epoch), text(outcome_of(r->state)), text(r->message), text(NULL), text(NULL), text(NULL));
  WRITE("event_add", integer(trial.first), integer(r->trial_id), text("finish"), text(r->event_json ? r->event_json : "{}"));
  return VG_OK;
}

static vg_status finish(vg_store *s, void *context) {
  finishing *f = context;
  for (int i = 0; i < f->n; i++) VG_TRY(finish_one(s, &f->r[i], &f->accepted[i]));
  return VG_OK;
}

static vg_status check_state(const char *state) {
  static const char *const STATES[] = { "COMPLETE", "PRUNED", "FAILED", "PAUSED" };
  for (int i = 0; i < 4; i++)
    if (strcmp(state, STATES[i]) == 0) return VG_OK;
  return vg_fail(VG_EARG, "finish: state COMPLETE, PRUNED, FAILED or PAUSED expected, got '%s'", state);
}

vg_status vg_store_finish_all(vg_store *s, const vg_result *results, int n, int *accepted) {
  for (int i = 0; i < n; i++) VG_TRY(check_state(results[i].state));
  finishing f = { results, n, accepted };
  return transact(s, finish, &f);
}

vg_status vg_store_finish(vg_store *s, const vg_result *r, int *accepted) { return vg_store_finish_all(s, r, 1, accepted); }

/* specs 2.4's table. Of a cause that is tried again `outcome` says whether the process was killed, and so may have been by the trial. */
typedef struct cause {
  const char *name, *reason, *outcome;
  int is_final;
} cause;
static const cause CAUSES[] = {
  { "lost", "lost", "LOST", 0 },          /* its lease ran out, its host is gone, it was preempted */
  { "store", "lost", "LOST", 0 },         /* the store could not be reached */
  { "disk", "lost", "LOST", 0 },          /* no room */
  { "oom", "oom", "KILLED", 0 },          /* by the system, for its memory; who hits its own limit finishes as FAILED */
  { "crash", "lost", "KILLED", 0 },       /* SIGSEGV, SIGABRT, ... */
  { "script", "script", "FAILED", 1 },
  { "invalid_arch", "invalid_arch", "FAILED", 1 },
  { "nan", "nan", "FAILED", 1 },
  { "timeout", "timeout", "FAILED", 1 },
  { "user", "user", "FAILED", 1 },
};
enum { N_CAUSES = sizeof CAUSES / sizeof *CAUSES };

typedef struct failing {
  const vg_failure *f;
  const cause *cause;
  const char *state;
} failing;

/* A result that says no more than why there is none, in the words of the journal's "tell". */
static vg_status add_verdict(vg_store *s, int64_t study_id, int64_t trial_id, const char *reason, const char *json) {
  char payload[256];
  snprintf(payload, sizeof payload, "{\"outcome\":{\"message\":\"no attempt came to an end (%s)\",\"reason\":\"%s\",\"status\":\"failed\","
           "\"values\":{}},\"seconds\":0}", reason, reason);
  return RUN("event_add", NULL, NULL, integer(study_id), integer(trial_id), text("finish"), text(json ? json : payload));
}

static vg_status close_trial(vg_store *s, const failing *x, int64_t study_id, const char *reason) {
  const vg_failure *f = x->f;
  WRITE("trial_close", integer(f->trial_id), text(x->state), text(reason), text(NULL));
  return add_verdict(s, study_id, f->trial_id, reason, x->cause->is_final ? f->event_json : NULL);
}

static vg_status fail_held(vg_store *s, failing *x, const pair *trial) {
  const vg_failure *f = x->f;
  const cause *c = x->cause;
  WRITE("attempt_close", integer(f->trial_id), integer(f->epoch), text(c->outcome), text(f->message), maybe(f->signal), maybe(f->exit_code),
        maybe(f->max_rss_kb));
  WRITE("lease_end", integer(f->trial_id));
  if (c->is_final) {
    x->state = "FAILED";
    return close_trial(s, x, trial->first, c->reason);
  }
  pair losses = { 0 };                             /* { lost or killed, killed } */
  VG_TRY(RUN("attempt_losses", read_pair, &losses, integer(f->trial_id)));
  if (losses.second >= VG_MOST_POISONINGS || losses.first >= trial->second) {
    x->state = "ABANDONED";
    return close_trial(s, x, trial->first, losses.second >= VG_MOST_POISONINGS ? "poison" : c->reason);
  }
  x->state = "WAITING";
  return RUN("trial_requeue", NULL, NULL, integer(f->trial_id), real(vg__store_pause(s, losses.first)));
}

static vg_status fail_trial(vg_store *s, void *context) {
  failing *x = context;
  pair trial;
  x->state = NULL;
  VG_TRY(held(s, x->f->trial_id, x->f->epoch, &trial));
  return trial.found ? fail_held(s, x, &trial) : VG_OK;
}

vg_status vg_store_fail(vg_store *s, const vg_failure *f, const char **state) {
  failing x = { .f = f };
  for (int i = 0; i < N_CAUSES; i++)
    if (strcmp(CAUSES[i].name, f->cause) == 0) x.cause = &CAUSES[i];
  if (!x.cause) {
    return vg_fail(VG_EARG, "fail: unknown cause '%s'; lost, store, disk, oom, crash, script, invalid_arch, nan, timeout or user expected", f->cause);
  }
  VG_TRY(transact(s, fail_trial, &x));
  *state = x.state;
  return VG_OK;
}

typedef struct releasing {
  int64_t trial_id, epoch;
  const char *message;
  int held;
} releasing;

static vg_status release(vg_store *s, void *context) {
  releasing *r = context;
  pair trial;
  VG_TRY(held(s, r->trial_id, r->epoch, &trial));
  r->held = trial.found;
  if (!r->held) return VG_OK;
  WRITE("attempt_close", integer(r->trial_id), integer(r->epoch), text("RELEASED"), text(r->message), text(NULL), text(NULL), text(NULL));
  WRITE("lease_end", integer(r->trial_id));
  return RUN("trial_requeue", NULL, NULL, integer(r->trial_id), real(0));
}

vg_status vg_store_release(vg_store *s, int64_t trial_id, int64_t epoch, int *out) {
  releasing r = { trial_id, epoch, NULL, 0 };
  VG_TRY(transact(s, release, &r));
  *out = r.held;
  return VG_OK;
}

/* What nobody holds any more --------------------------------------------------------------------------------------------------------- */

typedef struct found {
  vg_claim list[MOST_REAPED];
  int n;
} found;

static vg_status keep(void *context, int n, const char *const *names, const vg_value *values) {
  (void)n, (void)names;
  found *f = context;
  if (f->n < MOST_REAPED) f->list[f->n++] = (vg_claim){ .trial_id = values[0].i, .epoch = values[1].i };
  return VG_OK;
}

static vg_status reap(vg_store *s, void *context) {
  found expired = { .n = 0 };
  VG_TRY(vg_store_run(s, "lease_expired", NULL, 0, keep, &expired));
  for (int i = 0; i < expired.n; i++) {
    vg_failure f = { .trial_id = expired.list[i].trial_id, .epoch = expired.list[i].epoch, .cause = "lost", .message = "its lease ran out" };
    failing x = { .f = &f, .cause = &CAUSES[0] };
    VG_TRY(fail_trial(s, &x));
  }
  if (context) *(int *)context = expired.n;
  return VG_OK;
}

vg_status vg_store_reap(vg_store *s, int *n) { return transact(s, reap, n); }

typedef struct adopting {
  int64_t study_id;
  int n;
} adopting;

static vg_status adopt(vg_store *s, void *context) {
  adopting *a = context;
  a->n = 0;
  for (;;) {
    found orphans = { .n = 0 };
    VG_TRY(RUN("trial_orphans", keep, &orphans, integer(a->study_id)));
    for (int i = 0; i < orphans.n; i++) {
      releasing r = { orphans.list[i].trial_id, orphans.list[i].epoch, "the process that ran it ended", 0 };
      VG_TRY(release(s, &r));
    }
    a->n += orphans.n;
    if (orphans.n < MOST_REAPED) return VG_OK;
  }
}

vg_status vg_store_adopt(vg_store *s, int64_t study_id, int *n) {
  adopting a = { study_id, 0 };
  VG_TRY(transact(s, adopt, &a));
  *n = a.n;
  return VG_OK;
}

/* Claims ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct claiming {
  const vg_claim_options *o;
  vg_claim *claims;
  int n;
} claiming;

static vg_status add_claim(void *context, int n, const char *const *names, const vg_value *values) {
  (void)n, (void)names;
  claiming *c = context;
  c->claims[c->n++] = (vg_claim){ values[0].i, values[1].i, .priority = values[2].i, .number = values[3].i };
  return VG_OK;
}

/* RETURNING gives rows in any order. */
static int by_turn(const void *a, const void *b) {
  const vg_claim *x = a, *y = b;
  if (x->priority != y->priority) return x->priority > y->priority ? -1 : 1;
  return x->number < y->number ? -1 : x->number > y->number;
}

static vg_status claim(vg_store *s, void *context) {
  claiming *c = context;
  const vg_claim_options *o = c->o;
  c->n = 0;
  VG_TRY(reap(s, NULL));
  VG_TRY(RUN("trial_claim", add_claim, c, integer(o->study_id), text(o->owner), integer(o->n), text(o->capabilities ? o->capabilities : " ")));
  for (int i = 0; i < c->n; i++) {
    WRITE("lease_set", integer(c->claims[i].trial_id), integer(c->claims[i].epoch), real(o->lease_s));
    WRITE("attempt_claim", integer(c->claims[i].trial_id), integer(c->claims[i].epoch), text(o->owner), text(o->host));
  }
  return VG_OK;
}

vg_status vg_store_claim(vg_store *s, const vg_claim_options *o, vg_claim *claims, int *n_out) {
  if (o->n < 1 || o->n > VG_MOST_CLAIMS) return vg_fail(VG_EARG, "claim: n from 1 to %d expected, got %d", VG_MOST_CLAIMS, o->n);
  if (!(o->lease_s > 0)) return vg_fail(VG_EARG, "claim: a lease of > 0 seconds expected, got %g", o->lease_s);
  claiming c = { o, claims, 0 };
  VG_TRY(transact(s, claim, &c));
  qsort(claims, (size_t)c.n, sizeof *claims, by_turn);
  *n_out = c.n;
  return VG_OK;
}

static vg_status renew(vg_store *s, int64_t trial_id, int64_t epoch, double lease_s, int *out) {
  int64_t changed = 0;
  vg_value values[] = { integer(trial_id), integer(epoch), real(lease_s) };
  VG_TRY(vg__store_change(s, "lease_renew", values, 3, &changed));
  *out = changed > 0;
  return VG_OK;
}

static vg_status renew_lead(vg_store *s, vg_lead *lead, double lease_s) {
  int64_t changed = 0;
  vg_value values[] = { integer(lead->study_id), integer(lead->epoch), real(lease_s) };
  VG_TRY(vg__store_change(s, "lead_renew", values, 3, &changed));
  lead->held = changed > 0;
  return VG_OK;
}

static vg_status go_round(vg_store *s, void *context) {
  vg_round *r = context;
  for (int i = 0; i < r->n; i++) VG_TRY(renew(s, r->claims[i].trial_id, r->claims[i].epoch, r->lease_s, &r->held[i]));
  if (r->lead && r->lead->epoch) VG_TRY(renew_lead(s, r->lead, r->lease_s));
  if (r->worker_id) WRITE("worker_seen", text(r->worker_id));
  return reap(s, NULL);
}

vg_status vg__store_round(vg_store *s, vg_round *round) { return transact(s, go_round, round); }

vg_status vg_store_heartbeat(vg_store *s, int64_t trial_id, int64_t epoch, double lease_s, int *out) {
  vg_claim c = { .trial_id = trial_id, .epoch = epoch };
  vg_round r = { .claims = &c, .held = out, .n = 1, .lease_s = lease_s };
  return vg__store_round(s, &r);
}

/* What a held trial leaves on its way ---------------------------------------------------------------------------------------------------- */

typedef struct measuring {
  int64_t trial_id, epoch;
  const vg_point *points;
  int n, held;
} measuring;

static vg_status add_metrics(vg_store *s, void *context) {
  measuring *m = context;
  pair trial;
  VG_TRY(held(s, m->trial_id, m->epoch, &trial));
  m->held = trial.found;
  for (int i = 0; i < m->n && m->held; i++) {
    const vg_point *p = &m->points[i];
    WRITE("metric_add", integer(m->trial_id), text(p->name), integer(p->step), text(kind_of(p->value)), or_null(p->value));
  }
  return VG_OK;
}

vg_status vg_store_metrics(vg_store *s, int64_t trial_id, int64_t epoch, const vg_point *points, int n, int *out) {
  measuring m = { trial_id, epoch, points, n, 0 };
  VG_TRY(transact(s, add_metrics, &m));
  *out = m.held;
  return VG_OK;
}

typedef struct attaching {
  const vg_artifact *a;
  int held;
} attaching;

static vg_status attach(vg_store *s, void *context) {
  attaching *x = context;
  const vg_artifact *a = x->a;
  pair trial;
  VG_TRY(held(s, a->trial_id, a->epoch, &trial));
  x->held = trial.found;
  if (!x->held) return VG_OK;
  return RUN("artifact_add", NULL, NULL, integer(a->trial_id), integer(a->epoch), text(a->kind), text(a->sha256), integer(a->bytes),
             text(a->locator));
}

vg_status vg_store_artifact(vg_store *s, const vg_artifact *a, int *out) {
  attaching x = { a, 0 };
  VG_TRY(transact(s, attach, &x));
  *out = x.held;
  return VG_OK;
}

/* The strategy's lease --------------------------------------------------------------------------------------------------------------------- */

typedef struct leading {
  vg_lead lead;
  const char *owner;
  double lease_s;
} leading;

static vg_status take_lead(vg_store *s, void *context) {
  leading *l = context;
  pair row = { 0 };
  VG_TRY(RUN("lead_take", read_pair, &row, integer(l->lead.study_id), text(l->owner), real(l->lease_s)));
  l->lead.epoch = row.found ? row.first : 0;
  return VG_OK;
}

vg_status vg_store_lead(vg_store *s, int64_t study_id, const char *owner, double lease_s, int64_t *epoch) {
  leading l = { { .study_id = study_id }, owner, lease_s };
  VG_TRY(transact(s, take_lead, &l));
  *epoch = l.lead.epoch;
  return VG_OK;
}

vg_status vg_store_lead_renew(vg_store *s, int64_t study_id, int64_t epoch, double lease_s, int *out) {
  vg_lead lead = { study_id, epoch, 0 };
  vg_round r = { .lead = &lead, .lease_s = lease_s };
  VG_TRY(vg__store_round(s, &r));
  *out = lead.held;
  return VG_OK;
}

vg_status vg_store_leads(vg_store *s, int64_t study_id, int64_t epoch, int *out) {
  pair row = { 0 };
  VG_TRY(RUN("lead_held", read_pair, &row, integer(study_id), integer(epoch)));
  *out = row.found;
  return VG_OK;
}

static vg_status resign(vg_store *s, void *context) {
  const vg_lead *lead = context;
  return RUN("lead_end", NULL, NULL, integer(lead->study_id), integer(lead->epoch));
}

vg_status vg_store_resign(vg_store *s, int64_t study_id, int64_t epoch) {
  vg_lead lead = { study_id, epoch, 0 };
  return transact(s, resign, &lead);
}

/* Removal ---------------------------------------------------------------------------------------------------------------------------------- */

static vg_status remove_study(vg_store *s, void *context) {
  static const char *const ORDER[] = { "remove_value", "remove_metric", "remove_artifact", "remove_attempt", "remove_lease", "remove_need",
    "remove_arch", "remove_event", "remove_lead", "remove_trial", "remove_study" };
  int64_t id = *(int64_t *)context;
  char number[32];
  snprintf(number, sizeof number, "%lld", (long long)id);
  WRITE("meta_set", text("removing"), text(number));
  for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++) WRITE(ORDER[i], integer(id));
  return RUN("meta_drop", NULL, NULL, text("removing"));
}

vg_status vg_store_remove_study(vg_store *s, int64_t study_id) { return transact(s, remove_study, &study_id); }
