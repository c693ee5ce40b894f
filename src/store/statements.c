/* All SQL but the tables' definitions (migrate.c). What writes for a claimed trial follows trial_held, the fence, in one transaction. */
#include <string.h>

#include "store/sql.h"

/* PostgreSQL's workers step over rows that others are taking; SQLite has one writer at a time. */
#define CLAIM(position, lock) \
  "WITH chosen AS MATERIALIZED (SELECT trial_id FROM trial WHERE study_id = $1 AND state = 'WAITING'" \
  "   AND (not_before IS NULL OR not_before <= store_now()) AND NOT EXISTS (SELECT 1 FROM trial_need" \
  "     WHERE trial_need.trial_id = trial.trial_id AND " position "($4, ' ' || capability || ' ') = 0)" \
  "   ORDER BY priority DESC, number LIMIT $3" lock ")" \
  " UPDATE trial SET state = 'RUNNING', owner = $2, epoch = epoch + 1, attempts = attempts + 1, not_before = NULL, started_at = wall_now()" \
  " WHERE trial_id IN (SELECT trial_id FROM chosen) RETURNING trial_id, epoch, priority, number"
#define EXPIRED(lock) \
  "SELECT trial.trial_id, trial.epoch FROM lease JOIN trial ON trial.trial_id = lease.trial_id AND trial.epoch = lease.epoch" \
  " WHERE lease_until < store_now() AND state = 'RUNNING' ORDER BY trial.trial_id LIMIT 100" lock
#define HELD(lock) "SELECT study_id, max_attempts FROM trial WHERE trial_id = $1 AND epoch = $2 AND state = 'RUNNING'" lock
#define LEADS(lock) "SELECT epoch FROM strategy_state WHERE study_id = $1 AND epoch = $2 AND owner IS NOT NULL" lock

#define MEASURED "('COMPLETE','PRUNED','PAUSED')"
#define OF_STUDY "trial_id IN (SELECT trial_id FROM trial WHERE study_id = $1)"

const vg_statement vg__statements[] = {
  /* From here on this connection only reads. */
  { "read_only", "PRAGMA query_only = ON", "SET default_transaction_read_only = on" },

  { "meta_get", "SELECT value FROM meta WHERE key = $1", NULL },
  { "meta_set", "INSERT INTO meta(key, value) VALUES($1, $2) ON CONFLICT(key) DO UPDATE SET value = excluded.value", NULL },
  { "meta_drop", "DELETE FROM meta WHERE key = $1", NULL },

  { "integrity", "PRAGMA integrity_check", "SELECT 'ok' AS integrity_check" },

  { "study_create", "INSERT INTO study(name, created_at, status, objectives_json, space_json, space_hash, strategy, strategy_json, seed_lo,"
                    " seed_hi, budget_json, env_json) VALUES($1, wall_now(), 'ACTIVE', $2, $3, $4, $5, $6, $7, $8, $9, $10)"
                    " RETURNING study_id", NULL },
  { "study_find", "SELECT * FROM study WHERE name = $1", NULL },
  { "study_list", "SELECT * FROM study ORDER BY study_id", NULL },
  { "study_counts", "SELECT study_id, state, count(*) AS n FROM trial GROUP BY study_id, state ORDER BY study_id, state", NULL },
  { "study_status", "UPDATE study SET status = $1 WHERE study_id = $2", NULL },
  { "study_next", "UPDATE study SET next_number = $1 WHERE study_id = $2", NULL },
  { "study_script", "UPDATE study SET script_sha256 = $2, script = $3 WHERE study_id = $1", NULL },

  { "study_env", "UPDATE study SET env_json = $2 WHERE study_id = $1", NULL },

  /* A trial of the process that asks for it, without a lease. */
  { "trial_create", "INSERT INTO trial(study_id, number, params_json, arch_hash, state, attempts, epoch, created_at, started_at)"
                    " VALUES($1, $2, $3, $4, 'RUNNING', 1, 1, wall_now(), wall_now()) RETURNING trial_id", NULL },
  { "trial_retry", "UPDATE trial SET attempts = attempts + 1, epoch = epoch + 1, started_at = wall_now() WHERE trial_id = $1", NULL },
  { "trial_parent", "UPDATE trial SET parent_id = $2 WHERE trial_id = $1", NULL },
  { "trial_move", "UPDATE trial SET state = $2, fidelity = $3 WHERE trial_id = $1", NULL },
  { "trial_finish", "UPDATE trial SET state = $2, reason = $3, finished_at = wall_now() WHERE trial_id = $1", NULL },
  { "trial_list", "SELECT trial.*, arch.params, arch.macs FROM trial LEFT JOIN arch USING(study_id, arch_hash) WHERE study_id = $1"
                  " ORDER BY number", NULL },
  { "trial_get", "SELECT * FROM trial WHERE trial_id = $1", NULL },
  /* A trial for whoever claims it. A paused one waits again with a new fidelity. */
  { "trial_enqueue", "INSERT INTO trial(study_id, number, params_json, arch_hash, fidelity, priority, max_attempts, parent_id, state, created_at)"
                     " VALUES($1, $2, $3, $4, $5, $6, $7, $8, 'WAITING', wall_now()) RETURNING trial_id", NULL },
  { "trial_promote", "UPDATE trial SET state = 'WAITING', fidelity = $2, priority = $3, not_before = NULL WHERE trial_id = $1"
                     " AND state = 'PAUSED'", NULL },
  { "trial_need", "INSERT INTO trial_need(trial_id, capability) VALUES($1, $2)", NULL },
  { "trial_claim", CLAIM("instr", ""), CLAIM("strpos", " FOR UPDATE SKIP LOCKED") },
  { "trial_held", HELD(""), HELD(" FOR UPDATE") },
  { "trial_close", "UPDATE trial SET state = $2, reason = $3, fidelity = coalesce($4, fidelity), owner = NULL,"
                   " finished_at = CASE WHEN $2 = 'PAUSED' THEN NULL ELSE wall_now() END WHERE trial_id = $1", NULL },
  { "trial_requeue", "UPDATE trial SET state = 'WAITING', owner = NULL, not_before = store_now() + $2 WHERE trial_id = $1", NULL },
  /* Whoever holds it or not, it is ours: the epoch fences them. */
  { "trial_seize", "UPDATE trial SET state = 'RUNNING', owner = NULL, not_before = NULL, attempts = attempts + 1, epoch = epoch + 1,"
                   " started_at = wall_now() WHERE trial_id = $1", NULL },
  { "trial_pause", "SELECT min(not_before) - store_now() AS seconds FROM trial WHERE study_id = $1 AND state = 'WAITING'"
                   " AND not_before > store_now()", NULL },
  { "trial_owned", "SELECT trial_id, epoch, number, owner FROM trial WHERE study_id = $1 AND state = 'RUNNING' AND owner IS NOT NULL"
                   " ORDER BY number", NULL },
  { "trial_asked", "SELECT payload_json FROM event WHERE study_id = $1 AND trial_id = $2 AND kind = 'ask' ORDER BY seq DESC LIMIT 1", NULL },
  /* What a study that ran in one process left in flight. */
  { "trial_orphans", "SELECT trial_id, epoch FROM trial WHERE study_id = $1 AND state = 'RUNNING'"
                     " AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.trial_id = trial.trial_id) ORDER BY trial_id", NULL },

  { "attempt_start", "INSERT INTO attempt(trial_id, epoch, started_at) SELECT trial_id, epoch, wall_now() FROM trial WHERE trial_id = $1", NULL },
  { "attempt_claim", "INSERT INTO attempt(trial_id, epoch, owner, host, started_at) VALUES($1, $2, $3, $4, wall_now())", NULL },
  { "attempt_end", "UPDATE attempt SET outcome = $2, message = $3, ended_at = wall_now() WHERE trial_id = $1 AND outcome IS NULL", NULL },
  { "attempt_close", "UPDATE attempt SET outcome = $3, message = $4, signal = $5, exit_code = $6, max_rss_kb = $7, ended_at = wall_now()"
                     " WHERE trial_id = $1 AND epoch = $2", NULL },
  { "attempt_outcome", "SELECT outcome FROM attempt WHERE trial_id = $1 AND epoch = $2", NULL },
  { "attempt_losses", "SELECT count(*) AS lost, coalesce(sum(CASE WHEN outcome = 'KILLED' THEN 1 ELSE 0 END), 0) AS killed FROM attempt"
                      " WHERE trial_id = $1 AND outcome IN ('LOST','KILLED')",
                      "SELECT count(*) AS lost, count(*) FILTER (WHERE outcome = 'KILLED') AS killed FROM attempt"
                      " WHERE trial_id = $1 AND outcome IN ('LOST','KILLED')" },
  { "attempt_list", "SELECT attempt.* FROM attempt JOIN trial USING(trial_id) WHERE study_id = $1 ORDER BY trial_id, attempt.epoch", NULL },

  { "lease_set", "INSERT INTO lease(trial_id, epoch, lease_until) VALUES($1, $2, store_now() + $3)"
                 " ON CONFLICT(trial_id) DO UPDATE SET epoch = excluded.epoch, lease_until = excluded.lease_until", NULL },
  { "lease_renew", "UPDATE lease SET lease_until = store_now() + $3 WHERE trial_id = $1 AND epoch = $2", NULL },
  { "lease_end", "DELETE FROM lease WHERE trial_id = $1", NULL },
  { "lease_expired", EXPIRED(""), EXPIRED(" FOR UPDATE SKIP LOCKED") },
  { "lease_forget", "UPDATE lease SET lease_until = -1", NULL },
  { "backoff_forget", "UPDATE trial SET not_before = NULL WHERE state = 'WAITING' AND not_before IS NOT NULL", NULL },
  { "lead_forget", "UPDATE strategy_state SET lease_until = -1", NULL },

  { "lead_take", "INSERT INTO strategy_state(study_id, epoch, owner, lease_until) VALUES($1, 1, $2, store_now() + $3)"
                 " ON CONFLICT(study_id) DO UPDATE SET epoch = strategy_state.epoch + 1, owner = excluded.owner, lease_until = excluded.lease_until"
                 " WHERE strategy_state.owner IS NULL OR strategy_state.lease_until < store_now() RETURNING epoch", NULL },
  { "lead_renew", "UPDATE strategy_state SET lease_until = store_now() + $3 WHERE study_id = $1 AND epoch = $2 AND owner IS NOT NULL", NULL },
  { "lead_held", LEADS(""), LEADS(" FOR UPDATE") },
  { "lead_end", "UPDATE strategy_state SET owner = NULL, lease_until = -1 WHERE study_id = $1 AND epoch = $2", NULL },
  { "lead_get", "SELECT epoch, owner, lease_until - store_now() AS seconds_left FROM strategy_state WHERE study_id = $1", NULL },

  { "value_add", "INSERT INTO trial_value(trial_id, objective, kind, value) VALUES($1, $2, $3, $4)"
                 " ON CONFLICT(trial_id, objective) DO UPDATE SET kind = excluded.kind, value = excluded.value", NULL },
  { "value_list", "SELECT trial_value.* FROM trial_value JOIN trial USING(trial_id) WHERE study_id = $1 ORDER BY trial_id, objective", NULL },
  { "metric_add", "INSERT INTO metric(trial_id, epoch, name, step, kind, value, at) SELECT trial_id, epoch, CAST($2 AS text), CAST($3 AS bigint),"
                  " CAST($4 AS text), CAST($5 AS double precision), wall_now() FROM trial WHERE trial_id = $1"
                  " ON CONFLICT(trial_id, name, step, epoch) DO UPDATE SET kind = excluded.kind, value = excluded.value, at = excluded.at", NULL },
  /* Of a step that several attempts have reported the last counts. */
  { "metric_list", "SELECT m.trial_id, m.epoch, m.name, m.step, m.kind, m.value, m.at FROM trial JOIN metric AS m USING(trial_id) WHERE study_id = $1"
                   " AND NOT EXISTS (SELECT 1 FROM metric AS later WHERE later.trial_id = m.trial_id AND later.name = m.name AND later.step = m.step"
                   "   AND later.epoch > m.epoch) ORDER BY m.trial_id, m.step, m.name", NULL },
  { "artifact_add", "INSERT INTO artifact(trial_id, epoch, kind, sha256, bytes, locator, created_at)"
                    " VALUES($1, $2, $3, $4, $5, $6, wall_now())", NULL },
  { "artifact_list", "SELECT artifact.* FROM artifact JOIN trial USING(trial_id) WHERE study_id = $1 ORDER BY trial_id, artifact.epoch, kind", NULL },
  { "arch_add", "INSERT INTO arch(study_id, arch_hash, genotype, params, macs) VALUES($1, $2, $3, $4, $5) ON CONFLICT(study_id, arch_hash)"
                " DO UPDATE SET params = coalesce(excluded.params, arch.params), macs = coalesce(excluded.macs, arch.macs)", NULL },
  { "arch_list", "SELECT * FROM arch WHERE study_id = $1 ORDER BY arch_hash", NULL },

  { "worker_add", "INSERT INTO worker(worker_id, host, pid, boot_id, version, caps_json, started_at, last_seen)"
                  " VALUES($1, $2, $3, $4, $5, $6, wall_now(), wall_now()) ON CONFLICT(worker_id) DO UPDATE SET host = excluded.host,"
                  " pid = excluded.pid, boot_id = excluded.boot_id, version = excluded.version, caps_json = excluded.caps_json, last_seen = excluded.last_seen", NULL },
  { "worker_seen", "UPDATE worker SET last_seen = wall_now() WHERE worker_id = $1", NULL },
  { "worker_list", "SELECT worker.*, wall_now() - last_seen AS seconds_ago FROM worker ORDER BY worker_id", NULL },
  { "worker_remove", "DELETE FROM worker WHERE worker_id = $1", NULL },

  /* study rm: from the leaves to the root, while meta says so. */
  { "remove_value", "DELETE FROM trial_value WHERE " OF_STUDY, NULL },
  { "remove_metric", "DELETE FROM metric WHERE " OF_STUDY, NULL },
  { "remove_artifact", "DELETE FROM artifact WHERE " OF_STUDY, NULL },
  { "remove_attempt", "DELETE FROM attempt WHERE " OF_STUDY, NULL },
  { "remove_lease", "DELETE FROM lease WHERE " OF_STUDY, NULL },
  { "remove_need", "DELETE FROM trial_need WHERE " OF_STUDY, NULL },
  { "remove_arch", "DELETE FROM arch WHERE study_id = $1", NULL },
  { "remove_event", "DELETE FROM event WHERE study_id = $1", NULL },
  { "remove_lead", "DELETE FROM strategy_state WHERE study_id = $1", NULL },
  { "remove_trial", "DELETE FROM trial WHERE study_id = $1", NULL },
  { "remove_study", "DELETE FROM study WHERE study_id = $1", NULL },

  { "event_add", "INSERT INTO event(study_id, trial_id, at, kind, payload_json) VALUES($1, $2, wall_now(), $3, $4)", NULL },
  { "event_list", "SELECT * FROM event WHERE study_id = $1 ORDER BY seq", NULL },
  /* study import: rows as they were; a finished trial's state comes after its values, which it seals. */
  { "study_import", "INSERT INTO study(name, created_at, status, objectives_json, space_json, space_hash, strategy, strategy_json, seed_lo, seed_hi,"
                    " next_number, script_sha256, env_json, budget_json, script)"
                    " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING study_id", NULL },
  { "trial_import", "INSERT INTO trial(study_id, number, parent_id, params_json, arch_hash, fidelity, priority, attempts, max_attempts, epoch,"
                    " created_at, started_at, state) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'WAITING') RETURNING trial_id", NULL },
  { "trial_settle", "UPDATE trial SET state = $2, reason = $3, finished_at = $4 WHERE trial_id = $1", NULL },
  { "attempt_import", "INSERT INTO attempt(trial_id, epoch, owner, host, started_at, ended_at, outcome, signal, exit_code, max_rss_kb, message)"
                      " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", NULL },
  { "metric_import", "INSERT INTO metric(trial_id, epoch, name, step, kind, value, at) VALUES($1, $2, $3, $4, $5, $6, $7)", NULL },
  { "need_list", "SELECT trial_need.* FROM trial_need JOIN trial USING(trial_id) WHERE study_id = $1 ORDER BY trial_id, capability", NULL },
  { "artifact_import", "INSERT INTO artifact(trial_id, epoch, kind, sha256, bytes, locator, created_at) VALUES($1, $2, $3, $4, $5, $6, $7)", NULL },
  { "metric_all", "SELECT metric.* FROM metric JOIN trial USING(trial_id) WHERE study_id = $1"
                  " ORDER BY trial_id, metric.epoch, step, metric.name", NULL },
  { "event_import", "INSERT INTO event(study_id, trial_id, at, kind, payload_json) VALUES($1, $2, $3, $4, $5)", NULL },
  { "event_after", "SELECT * FROM event WHERE study_id = $1 AND seq > $2 ORDER BY seq", NULL },

  /* vega-lua study: what it looks at beyond the above. A trial's fidelity that is not there is $2: it was measured elsewhere, to the end. */
  { "best_level", "SELECT max(coalesce(fidelity, CAST($2 AS double precision))) AS level FROM trial WHERE study_id = $1 AND state IN " MEASURED
                  " AND EXISTS (SELECT 1 FROM trial_value WHERE trial_value.trial_id = trial.trial_id AND kind = 'f')", NULL },
  /* The k best by an objective: $4 = 1 the smallest, -1 the largest. */
  { "best_list", "SELECT number FROM trial JOIN trial_value USING(trial_id) WHERE study_id = $1 AND state IN " MEASURED
                 " AND objective = $3 AND kind = 'f' AND (CAST($2 AS double precision) IS NULL OR coalesce(fidelity, $2) >= $2)"
                 " ORDER BY value * CAST($4 AS double precision), number LIMIT $5", NULL },
  { "point_list", "SELECT number, objective, value FROM trial JOIN trial_value USING(trial_id) WHERE study_id = $1 AND state IN " MEASURED
                  " AND kind = 'f' AND (CAST($2 AS double precision) IS NULL OR coalesce(fidelity, $2) >= $2)"
                  " ORDER BY trial.trial_id, objective", NULL },
  { "trial_find", "SELECT trial.*, arch.params, arch.macs FROM trial LEFT JOIN arch USING(study_id, arch_hash) WHERE study_id = $1 AND number = $2",
    NULL },
  { "trial_values", "SELECT * FROM trial_value WHERE trial_id = $1 ORDER BY objective", NULL },
  { "number_last", "SELECT coalesce(max(number), 0) AS number FROM trial WHERE study_id = $1", NULL },
  { "attempt_outcomes", "SELECT coalesce(outcome, 'RUNNING') AS outcome, count(*) AS n, sum(coalesce(ended_at, wall_now()) - attempt.started_at) AS seconds"
                        " FROM attempt JOIN trial USING(trial_id) WHERE study_id = $1 GROUP BY coalesce(outcome, 'RUNNING') ORDER BY 1", NULL },
  { "owner_list", "SELECT attempt.owner, attempt.host, count(*) AS attempts, min(attempt.started_at) AS first_at, max(coalesce(ended_at,"
                  " attempt.started_at)) AS last_at FROM attempt JOIN trial USING(trial_id) WHERE study_id = $1 AND attempt.owner IS NOT NULL"
                  " GROUP BY attempt.owner, attempt.host ORDER BY 1, 2", NULL },
  { "lease_live", "SELECT count(*) AS n FROM lease JOIN trial USING(trial_id) WHERE study_id = $1 AND lease_until >= store_now()"
                  " AND state = 'RUNNING'", NULL },
  { "lease_dead", "SELECT number FROM lease JOIN trial USING(trial_id) WHERE study_id = $1 AND lease_until < store_now() AND state = 'RUNNING'"
                  " ORDER BY number", NULL },
  { "integrity", "PRAGMA integrity_check", "SELECT 'ok' AS integrity_check" },
  { "references", "PRAGMA foreign_key_check", "SELECT 1 WHERE false" },
  { "reindex", "REINDEX", "SELECT 1 WHERE false" },
};
enum { N_STATEMENTS = sizeof vg__statements / sizeof *vg__statements };
_Static_assert(N_STATEMENTS <= (int)VG__MAX_STATEMENTS, "drivers keep room for as many prepared statements");

int vg__statement_find(const char *name) {
  for (int i = 0; i < N_STATEMENTS; i++)
    if (strcmp(vg__statements[i].name, name) == 0) return i;
  return -1;
}
