/* The protocol: two or three workers that claim, freeze, wake up late. A lease of a nanosecond has run out when the next one looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <time.h>

#include "store/keeper.h"
#include "store/protocol.h"
#include "store_place.h"

static const double GONE = 1e-9, LONG = 3600;
static vg_store *a, *b;

static vg_value text(const char *s) { return (vg_value){ .kind = VG_TEXT, .s = s, .length = strlen(s) }; }
static vg_value integer(int64_t i) { return (vg_value){ .kind = VG_INTEGER, .i = i }; }
#define NOTHING ((vg_value){ .kind = VG_NULL })
#define OK(call) do { if ((call) != VG_OK) fail_msg("%s: %s", #call, vg_message()); } while (0)

static vg_status first(void *context, int n, const char *const *names, const vg_value *values) {
  (void)n, (void)names;
  *(int64_t *)context = values[0].i;
  return VG_OK;
}

static int64_t enqueue(int64_t number, int64_t priority) {
  int64_t id = 0;
  vg_value v[] = { integer(1), integer(number), text("{}"), text("ff"), NOTHING, integer(priority), integer(3), NOTHING };
  OK(vg_store_run(a, "trial_enqueue", v, 8, first, &id));
  return id;
}

static int set_up(void **state) {
  (void)state;
  place_fresh();
  vg_value study[] = { text("s"), text("[]"), text("{}"), text("0"), text("random"), text("{}"), integer(1), integer(0), text("{}"), text("{}") };
  OK(vg_store_open(&a, place_url));
  OK(vg_store_open(&b, place_url));
  OK(vg_store_run(a, "study_create", study, 10, NULL, NULL));
  vg_store_set_backoff(a, 0);
  vg_store_set_backoff(b, 0);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  vg_store_close(a);
  vg_store_close(b);
  a = b = NULL;
  return 0;
}

static int claim_as(vg_store *s, const char *owner, double lease_s, const char *capabilities, int n, vg_claim *out) {
  int got = -1;
  vg_claim_options o = { .study_id = 1, .owner = owner, .host = "here", .lease_s = lease_s, .n = n, .capabilities = capabilities };
  OK(vg_store_claim(s, &o, out, &got));
  return got;
}

static vg_claim claim(vg_store *s, const char *owner, double lease_s) {
  vg_claim c = { 0 };
  claim_as(s, owner, lease_s, NULL, 1, &c);
  return c;
}

static int finish_with(vg_store *s, vg_claim c, const char *state, double value) {
  int held = -1;
  vg_result r = { .trial_id = c.trial_id, .epoch = c.epoch, .state = state, .n_values = 1, .values = { { 1, value } }, .event_json = "{\"x\":1}" };
  OK(vg_store_finish(s, &r, &held));
  return held;
}

static const char *fail_for(vg_claim c, const char *cause) {
  const char *state = "?";
  vg_failure f = { .trial_id = c.trial_id, .epoch = c.epoch, .cause = cause };
  OK(vg_store_fail(a, &f, &state));
  return state ? state : "fenced";
}

/* A column of the one row that the statement gives for an id, as text. */
typedef struct wanted {
  const char *column;
  char text[128];
  int rows;
} wanted;
static vg_status pick(void *context, int n, const char *const *names, const vg_value *values) {
  wanted *w = context;
  w->rows++;
  for (int i = 0; i < n; i++) {
    const vg_value *v = &values[i];
    if (strcmp(names[i], w->column) != 0) continue;
    if (v->kind == VG_TEXT) snprintf(w->text, sizeof w->text, "%.*s", (int)v->length, v->s);
    else if (v->kind == VG_INTEGER) snprintf(w->text, sizeof w->text, "%lld", (long long)v->i);
    else if (v->kind == VG_REAL) snprintf(w->text, sizeof w->text, "%g", v->f);
    else strcpy(w->text, "null");
  }
  return VG_OK;
}
static const char *look(const char *statement, int64_t id, const char *column) {
  static wanted w;
  vg_value v = integer(id);
  w = (wanted){ .column = column };
  OK(vg_store_run(b, statement, &v, 1, pick, &w));
  return w.text;
}
static int rows_of(const char *statement, int64_t id) {
  wanted w = { .column = "" };
  vg_value v = integer(id);
  OK(vg_store_run(b, statement, &v, 1, pick, &w));
  return w.rows;
}

/* S3: A claims, its lease runs out, B claims, A finishes, B finishes. Returns A accepted + 2 * B accepted, B: -1 an error. */
static int schedule(void) {
  enqueue(1, 0);
  vg_claim old = claim(a, "A", GONE), now = claim(b, "B", LONG);
  assert_true(old.trial_id == now.trial_id && now.epoch == old.epoch + 1);
  int stale = finish_with(a, old, "COMPLETE", 1), held = 0;
  vg_result r = { .trial_id = now.trial_id, .epoch = now.epoch, .state = "COMPLETE", .n_values = 1, .values = { { 1, 2 } } };
  return stale + (vg_store_finish(b, &r, &held) == VG_OK ? 2 * held : 4);
}

static void stale_results_are_refused(void **state) {
  (void)state;
  assert_int_equal(schedule(), 2);
  assert_string_equal(look("value_list", 1, "value"), "2");
  assert_string_equal(look("trial_list", 1, "state"), "COMPLETE");
  assert_int_equal(rows_of("event_list", 1), 1);
  assert_int_equal(rows_of("attempt_list", 1), 2);
}

/* What the guards are worth: each taken away, the schedule above goes wrong as specs 2.5's table says. */
static void without_epoch(void **state) {
  (void)state;
  vg__store_replace(a, "trial_held", "SELECT study_id, max_attempts FROM trial WHERE trial_id = $1 AND $2 > 0 AND state = 'RUNNING'");
  assert_int_equal(schedule(), 1);                     /* one result, the wrong one */
}
static void without_guard(void) {
  static const char SQL[] = "SELECT study_id, max_attempts FROM trial WHERE trial_id = $1 AND $2 > 0";
  vg__store_replace(a, "trial_held", SQL);
  vg__store_replace(b, "trial_held", SQL);
}
static void without_epoch_and_state(void **state) {
  (void)state;
  without_guard();
  assert_int_equal(schedule(), 1 + 4);                 /* the trigger of the tables is the last one that holds */
}

static void without_any(void **state) {
  (void)state;
  place_execute("DROP TRIGGER trial_is_final; DROP TRIGGER value_is_final; DROP TRIGGER value_of_open",
                "ALTER TABLE trial DISABLE TRIGGER USER; ALTER TABLE trial_value DISABLE TRIGGER USER");
  without_guard();
  assert_int_equal(schedule(), 1 + 2);                 /* two results */
}

static void finishing_twice_is_finishing_once(void **state) {
  (void)state;
  enqueue(1, 0);
  vg_claim c = claim(a, "A", LONG);
  assert_int_equal(finish_with(a, c, "COMPLETE", NAN), 1);
  assert_int_equal(finish_with(a, c, "COMPLETE", NAN), 1);
  assert_int_equal(finish_with(a, c, "FAILED", NAN), 0);
  assert_int_equal(rows_of("event_list", 1), 1);
  assert_string_equal(look("value_list", 1, "kind"), "nan");
  vg_result wrong = { .state = "WAITING" };
  int held;
  assert_int_equal(vg_store_finish(a, &wrong, &held), VG_EARG);
}

static void heartbeats_hold_and_the_reaper_takes(void **state) {
  (void)state;
  int held = -1, n = -1;
  enqueue(1, 0);
  vg_claim c = claim(a, "A", LONG);
  OK(vg_store_reap(b, &n));
  assert_int_equal(n, 0);
  OK(vg_store_heartbeat(a, c.trial_id, c.epoch, GONE, &held));
  assert_int_equal(held, 1);
  OK(vg_store_reap(b, &n));                                                     /* nobody claims: a heartbeat or a reaper finds it all the same */
  assert_string_equal(look("attempt_list", 1, "outcome"), "LOST");
  assert_string_equal(look("trial_list", 1, "state"), "WAITING");
  OK(vg_store_heartbeat(a, c.trial_id, c.epoch, LONG, &held));
  assert_int_equal(held, 0);
  assert_int_equal(claim(b, "B", LONG).epoch, 2);
}

static void claims_go_by_priority_number_and_capability(void **state) {
  (void)state;
  vg_claim c[4];
  int64_t late = enqueue(1, 0), demanding = enqueue(2, 5), soon = enqueue(3, 1);
  vg_value need[] = { integer(demanding), text("mpi") };
  OK(vg_store_run(a, "trial_need", need, 2, NULL, NULL));
  assert_int_equal(claim_as(a, "A", LONG, " avx512 mp ", 4, c), 2);
  assert_true(c[0].trial_id == soon && c[1].trial_id == late);
  assert_int_equal(claim_as(a, "A", LONG, " avx512 mpi ", 4, c), 1);
  assert_true(c[0].trial_id == demanding);
  assert_int_equal(claim_as(a, "A", LONG, NULL, 4, c), 0);
  int n;
  vg_claim_options o = { .study_id = 1, .owner = "A", .lease_s = LONG, .n = 0 };
  assert_int_equal(vg_store_claim(a, &o, c, &n), VG_EARG);
}

/* specs 2.4's table. */
static void causes_decide(void **state) {
  (void)state;
  static const struct { const char *cause; int times; const char *becomes, *reason, *outcome; } TABLE[] = {
    { "lost", 3, "ABANDONED", "lost", "LOST" },       { "store", 3, "ABANDONED", "lost", "LOST" },     { "disk", 3, "ABANDONED", "lost", "LOST" },
    { "oom", 2, "ABANDONED", "poison", "KILLED" },    { "crash", 2, "ABANDONED", "poison", "KILLED" }, { "script", 1, "FAILED", "script", "FAILED" },
    { "nan", 1, "FAILED", "nan", "FAILED" },          { "timeout", 1, "FAILED", "timeout", "FAILED" }, { "user", 1, "FAILED", "user", "FAILED" },
    { "invalid_arch", 1, "FAILED", "invalid_arch", "FAILED" } };
  for (int i = 0; i < (int)(sizeof TABLE / sizeof *TABLE); i++) {
    int64_t id = enqueue(i + 1, 0);
    for (int time = 1; time <= TABLE[i].times; time++) {
      vg_claim c = claim(a, "A", LONG);
      assert_true(c.trial_id == id && c.epoch == time);
      assert_string_equal(fail_for(c, TABLE[i].cause), time == TABLE[i].times ? TABLE[i].becomes : "WAITING");
      assert_string_equal(fail_for(c, TABLE[i].cause), "fenced");
    }
    assert_string_equal(look("trial_get", id, "state"), TABLE[i].becomes);
    assert_string_equal(look("trial_get", id, "reason"), TABLE[i].reason);
    assert_string_equal(look("attempt_list", 1, "outcome"), TABLE[i].outcome);
    assert_int_equal(rows_of("event_list", 1), i + 1);                          /* who leads the strategy is told of each end, once */
    assert_non_null(strstr(look("event_list", 1, "payload_json"), TABLE[i].reason));
  }
  vg_failure f = { .cause = "weather" };
  const char *becomes;
  assert_int_equal(vg_store_fail(a, &f, &becomes), VG_EARG);
}

static void lost_trials_wait_longer_each_time(void **state) {
  (void)state;
  vg_store_set_backoff(a, 1000);
  enqueue(1, 0);
  assert_string_equal(fail_for(claim(a, "A", LONG), "lost"), "WAITING");
  assert_int_equal(claim(a, "A", LONG).trial_id, 0);                            /* its pause is not over */
  assert_true(vg__store_pause(a, 1) == 600);
  vg_store_set_backoff(a, 5);
  static const double PAUSES[] = { 5, 10, 20, 40, 80, 160, 320, 600, 600 };
  for (int i = 0; i < 9; i++) assert_true(vg__store_pause(a, i + 1) == PAUSES[i]);
}

static void released_trials_lose_nothing(void **state) {
  (void)state;
  int held;
  vg_store_set_backoff(a, 1000);
  enqueue(1, 0);
  for (int i = 1; i <= 20; i++) {
    vg_claim c = claim(a, "A", LONG);
    assert_int_equal(c.epoch, i);
    OK(vg_store_release(a, c.trial_id, c.epoch, &held));
    assert_int_equal(held, 1);
    OK(vg_store_release(a, c.trial_id, c.epoch, &held));
    assert_int_equal(held, 0);
  }
  assert_string_equal(look("trial_list", 1, "state"), "WAITING");
}

static void pauses_are_no_ends(void **state) {
  (void)state;
  int64_t id = enqueue(1, 0);
  vg_claim c = claim(a, "A", LONG);
  assert_int_equal(finish_with(a, c, "PAUSED", 5), 1);
  vg_value promote[] = { integer(id), { .kind = VG_REAL, .f = 9 }, integer(1) };
  OK(vg_store_run(a, "trial_promote", promote, 3, NULL, NULL));
  c = claim(a, "A", LONG);
  assert_int_equal(c.epoch, 2);
  assert_int_equal(finish_with(a, c, "COMPLETE", 4), 1);
  assert_string_equal(look("value_list", 1, "value"), "4");
  assert_string_equal(look("trial_list", 1, "fidelity"), "9");
}

static void late_metrics_and_artifacts_are_refused(void **state) {
  (void)state;
  int held;
  enqueue(1, 0);
  vg_claim old = claim(a, "A", GONE), now = claim(b, "B", LONG);
  vg_point points[] = { { "loss", 1, 0.5 }, { "loss", 2, -INFINITY } };
  vg_artifact f = { .trial_id = old.trial_id, .epoch = old.epoch, .kind = "checkpoint", .locator = "x.1" };
  OK(vg_store_metrics(a, old.trial_id, old.epoch, points, 2, &held));
  assert_int_equal(held, 0);
  OK(vg_store_artifact(a, &f, &held));
  assert_int_equal(held, 0);
  assert_int_equal(rows_of("metric_list", 1) + rows_of("artifact_list", 1), 0);
  OK(vg_store_metrics(b, now.trial_id, now.epoch, points, 2, &held));
  assert_int_equal(held, 1);
  OK(vg_store_metrics(b, now.trial_id, now.epoch, points, 2, &held));           /* again: the same rows */
  f.epoch = now.epoch;
  OK(vg_store_artifact(b, &f, &held));
  assert_int_equal(held, 1);
  assert_int_equal(rows_of("metric_list", 1), 2);
  assert_int_equal(rows_of("artifact_list", 1), 1);
  assert_string_equal(look("metric_list", 1, "kind"), "-inf");
}

static void one_leads(void **state) {
  (void)state;
  int64_t first_epoch, epoch;
  int held;
  OK(vg_store_lead(a, 1, "A", LONG, &first_epoch));
  assert_true(first_epoch > 0);
  OK(vg_store_lead(b, 1, "B", LONG, &epoch));
  assert_int_equal(epoch, 0);
  OK(vg_store_lead_renew(a, 1, first_epoch, GONE, &held));
  assert_int_equal(held, 1);
  OK(vg_store_lead(b, 1, "B", LONG, &epoch));
  assert_int_equal(epoch, first_epoch + 1);
  OK(vg_store_lead_renew(a, 1, first_epoch, LONG, &held));
  assert_int_equal(held, 0);
  OK(vg_store_leads(a, 1, first_epoch, &held));
  assert_int_equal(held, 0);
  OK(vg_store_resign(a, 1, first_epoch));                                       /* not its to give */
  OK(vg_store_leads(b, 1, epoch, &held));
  assert_int_equal(held, 1);
  OK(vg_store_resign(b, 1, epoch));
  OK(vg_store_leads(b, 1, epoch, &held));
  assert_int_equal(held, 0);
  OK(vg_store_lead(a, 1, "A", LONG, &epoch));
  assert_int_equal(epoch, first_epoch + 2);
}

static void orphans_wait_again(void **state) {
  (void)state;
  int n;
  vg_value trial[] = { integer(1), integer(1), text("{}"), text("ff") };
  int64_t id = 0;
  OK(vg_store_run(a, "trial_create", trial, 4, first, &id));
  vg_value key = integer(id);
  OK(vg_store_run(a, "attempt_start", &key, 1, NULL, NULL));
  enqueue(2, 0);
  vg_claim held = claim(a, "A", LONG);
  OK(vg_store_reap(b, &n));
  assert_int_equal(n, 0);                                                       /* what has no lease is not reaped: it may be running */
  OK(vg_store_adopt(b, 1, &n));
  assert_int_equal(n, 1);
  assert_true(claim(b, "B", LONG).trial_id == id);
  assert_int_equal(finish_with(a, held, "COMPLETE", 1), 1);
}

static void removed_studies_are_gone_and_others_stay(void **state) {
  (void)state;
  vg_value other[] = { text("t"), text("[]"), text("{}"), text("0"), text("random"), text("{}"), integer(1), integer(0), text("{}"), text("{}") };
  int64_t id = 0, epoch;
  OK(vg_store_run(a, "study_create", other, 10, first, &id));
  enqueue(1, 0);
  vg_value v[] = { integer(id), integer(1), text("{}"), text("ff"), NOTHING, integer(0), integer(3), NOTHING };
  OK(vg_store_run(a, "trial_enqueue", v, 8, NULL, NULL));
  OK(vg_store_lead(a, 1, "A", LONG, &epoch));
  assert_int_equal(finish_with(a, claim(a, "A", LONG), "COMPLETE", 1), 1);
  OK(vg_store_remove_study(a, 1));
  assert_int_equal(rows_of("trial_list", 1) + rows_of("event_list", 1) + rows_of("attempt_list", 1) + rows_of("value_list", 1), 0);
  assert_int_equal(rows_of("trial_list", id), 1);
  vg_value name = text("s");
  wanted w = { .column = "" };
  OK(vg_store_run(a, "study_find", &name, 1, pick, &w));
  assert_int_equal(w.rows, 0);
}

static void nap(void) { nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); }

/* Kept over many leases; fenced when another has it; the keeper reaps for others. */
static void keepers_hold(void **state) {
  (void)state;
  vg_keeper *k = NULL;
  enqueue(1, 0);
  enqueue(2, 0);
  vg_value worker[] = { text("w1"), text("here"), integer(1), text("boot"), text("0"), text("{}") };
  OK(vg_store_run(a, "worker_add", worker, 6, NULL, NULL));
  double before = vg_keeper_now();
  int64_t epoch;
  vg_claim mine = claim(a, "A", 2), other = claim(b, "B", GONE);
  OK(vg_store_lead(a, 1, "A", 2, &epoch));
  OK(vg_keeper_start(&k, place_url, "w1", 2, 0));
  OK(vg_keeper_hold(k, mine.trial_id, mine.epoch, before));
  vg_keeper_lead(k, 1, epoch, before);
  while (vg_keeper_now() < before + 3) nap();                                   /* longer than the lease */
  assert_int_equal(vg_keeper_is_fenced(k, mine.trial_id), 0);
  assert_int_equal(vg_keeper_leads(k), 1);
  assert_string_equal(look("trial_get", other.trial_id, "state"), "WAITING");
  assert_string_equal(look("trial_get", mine.trial_id, "state"), "RUNNING");
  assert_int_equal(vg_keeper_is_fenced(k, other.trial_id), 1);
  int held;
  OK(vg_store_release(b, mine.trial_id, mine.epoch, &held));
  OK(vg_store_resign(b, 1, epoch));
  while (!vg_keeper_is_fenced(k, mine.trial_id) || vg_keeper_leads(k)) nap();
  char why[64];
  assert_true(vg_keeper_rounds(k, why, sizeof why) >= 3);
  assert_string_equal(why, "");
  vg_keeper_stop(k);
  assert_int_equal(vg_keeper_start(&k, "mem:", NULL, 2, 0), VG_EARG);
}

/* A worker that slept through its lease knows when it wakes, before any store has answered, and it stays so. */
static void keepers_fence_themselves(void **state) {
  (void)state;
  vg_keeper *k = NULL;
  enqueue(1, 0);
  vg_claim c = claim(a, "A", LONG);
  OK(vg_keeper_start(&k, place_url, NULL, 60, 0));
  OK(vg_keeper_hold(k, c.trial_id, c.epoch, vg_keeper_now() - 49));
  vg_keeper_lead(k, 1, 1, vg_keeper_now() - 51);
  assert_int_equal(vg_keeper_is_fenced(k, c.trial_id), 0);
  assert_int_equal(vg_keeper_leads(k), 0);
  OK(vg_keeper_hold(k, c.trial_id, c.epoch, vg_keeper_now() - 51));
  assert_int_equal(vg_keeper_is_fenced(k, c.trial_id), 1);
  vg_keeper_drop(k, c.trial_id);
  vg_keeper_stop(k);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void no_server(void **state) {
  (void)state;
  skip();
}

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(stale_results_are_refused), TEST(without_epoch), TEST(without_epoch_and_state), TEST(without_any), TEST(finishing_twice_is_finishing_once),
    TEST(heartbeats_hold_and_the_reaper_takes), TEST(claims_go_by_priority_number_and_capability), TEST(causes_decide),
    TEST(lost_trials_wait_longer_each_time), TEST(released_trials_lose_nothing), TEST(pauses_are_no_ends),
    TEST(late_metrics_and_artifacts_are_refused), TEST(one_leads), TEST(orphans_wait_again), TEST(removed_studies_are_gone_and_others_stay),
    TEST(keepers_hold), TEST(keepers_fence_themselves),
  };
  const struct CMUnitTest absent[] = { cmocka_unit_test(no_server) };
  place_begin();
  int failed = cmocka_run_group_tests_name("SQLite", tests, NULL, NULL);
  if (place_start_server()) failed += cmocka_run_group_tests_name("PostgreSQL", tests, NULL, NULL);
  else failed += cmocka_run_group_tests_name("PostgreSQL", absent, NULL, NULL);
  place_end();
  return failed;
}
