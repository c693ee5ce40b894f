/* The store's protocol for Lua: how processes share trials. store/protocol.h says what each operation does and what a wrong moment costs;
 * lua/vega/store.lua shows a worker. "Held" is false when another has been given the trial: drop it and go on with the next. */
#include "store/protocol.h"

#include "bind/store.h"

/* Options ----------------------------------------------------------------------------------------------------------------------------- */

/* The field of the table at `at`, on the stack; raises when it is missing and not optional. [-0, +1, e] */
static int push_field(lua_State *L, int at, const char *name, int is_optional) {
  if (lua_getfield(L, at, name) == LUA_TNIL && !is_optional) vgl_error(L, "store: option '%s' is missing", name);
  return !lua_isnil(L, -1);
}

/* Texts live as long as the table: a number, which would become a text of the stack alone, is refused. */
static const char *text_field(lua_State *L, int at, const char *name, int is_optional) {
  if (push_field(L, at, name, is_optional) && lua_type(L, -1) != LUA_TSTRING)
    vgl_error(L, "store: %s must be a text, got a %s", name, luaL_typename(L, -1));
  const char *t = lua_tostring(L, -1);
  lua_pop(L, 1);
  return t;
}

static int integer_field(lua_State *L, int at, const char *name, int is_optional, int64_t *out) {
  int is_integer = 1, given = push_field(L, at, name, is_optional);
  if (given) *out = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer) vgl_error(L, "store: %s must be a whole number, got %s", name, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return given;
}

static int number_field(lua_State *L, int at, const char *name, double *out) {
  int is_number = 1, given = push_field(L, at, name, 1);
  if (given) *out = lua_tonumberx(L, -1, &is_number);
  if (!is_number) vgl_error(L, "store: %s must be a number, got %s", name, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return given;
}

static int answer_held(lua_State *L, vg_status s, int held) {
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, held);
  return 1;
}

static int answer_count(lua_State *L, vg_status s, int n) {
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, n);
  return 1;
}

/* Trials ------------------------------------------------------------------------------------------------------------------------------ */

/* { "avx512", "mpi" } -> " avx512 mpi "; pushes the text. */
static const char *push_capabilities(lua_State *L) {
  luaL_Buffer b;
  int list = lua_gettop(L) + 1, n = push_field(L, 2, "capabilities", 1) ? (int)luaL_len(L, -1) : 0;
  luaL_buffinit(L, &b);
  luaL_addchar(&b, ' ');
  for (int i = 1; i <= n; i++) {
    lua_geti(L, list, i);
    luaL_addvalue(&b);
    luaL_addchar(&b, ' ');
  }
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

/* The trials' rows, after the transaction: what raises then costs the lease's length, no more. */
static int push_claims(lua_State *L, vg_store *s, const vg_claim *claims, int n) {
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    vg_value id = { .kind = VG_INTEGER, .i = claims[i].trial_id };
    lua_newtable(L);
    vg_status status = vg_store_run(s, "trial_get", &id, 1, vgl_add_row, L);
    if (status != VG_OK) return vgl_fail(L, status);
    lua_geti(L, -1, 1);
    lua_pushinteger(L, claims[i].epoch);
    lua_setfield(L, -2, "epoch");
    lua_rawseti(L, -3, i + 1);
    lua_pop(L, 1);
  }
  return 1;
}

/* store:claim { study, owner, host =, n = 1, lease = 60, capabilities = { words } } -> rows of `trial`, {} when nothing waits | nil, message, code */
static int l_claim(lua_State *L) {
  static const char *const KNOWN[] = { "capabilities", "host", "lease", "n", "owner", "study", NULL };
  vg_store *s = vgl_checkstore(L, 1);
  vgl_checkkeys(L, 2, "store:claim", KNOWN);
  luaL_checktype(L, 2, LUA_TTABLE);
  vg_claim_options o = { .lease_s = VG_LEASE_S, .n = 1 };
  int64_t n = 1;
  int n_claims = 0;
  integer_field(L, 2, "study", 0, &o.study_id);
  o.owner = text_field(L, 2, "owner", 0);
  o.host = text_field(L, 2, "host", 1);
  number_field(L, 2, "lease", &o.lease_s);
  integer_field(L, 2, "n", 1, &n);
  if (n < 1 || n > VG_MOST_CLAIMS) return vgl_error(L, "store:claim: n from 1 to %d expected, got %d", VG_MOST_CLAIMS, (int)n);
  o.n = (int)n;
  o.capabilities = push_capabilities(L);
  vg_claim *claims = lua_newuserdatauv(L, sizeof *claims * (size_t)n, 0);
  vg_status status = vg_store_claim(s, &o, claims, &n_claims);
  return status == VG_OK ? push_claims(L, s, claims, n_claims) : vgl_fail(L, status);
}

/* store:heartbeat(trial_id, epoch [, lease = 60]) -> held | nil, message, code */
static int l_heartbeat(lua_State *L) {
  vg_store *s = vgl_checkstore(L, 1);
  int held = 0;
  vg_status status = vg_store_heartbeat(s, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), luaL_optnumber(L, 4, VG_LEASE_S), &held);
  return answer_held(L, status, held);
}

static void read_values(lua_State *L, int at, vg_result *r) {
  if (!push_field(L, at, "values", 1)) return lua_pop(L, 1);
  for (int i = 1; i <= VG_MOST_OBJECTIVES; i++) {
    int type = lua_geti(L, -1, i);
    if (type == LUA_TNUMBER) r->values[r->n_values++] = (struct vg_objective_value){ i, lua_tonumber(L, -1) };
    else if (type != LUA_TNIL) vgl_error(L, "store:finish: values[%d] must be a number, got a %s", i, luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* The result described by the table at `at`; its texts, and *fidelity, must live as long. */
static void read_result(lua_State *L, int at, vg_result *r, double *fidelity) {
  static const char *const KNOWN[] = { "epoch", "event", "fidelity", "message", "reason", "state", "trial_id", "values", NULL };
  vgl_checkkeys(L, at, "store:finish", KNOWN);
  luaL_checktype(L, at, LUA_TTABLE);
  *r = (vg_result){ .state = text_field(L, at, "state", 0), .reason = text_field(L, at, "reason", 1), .message = text_field(L, at, "message", 1),
                    .event_json = text_field(L, at, "event", 1) };
  integer_field(L, at, "trial_id", 0, &r->trial_id);
  integer_field(L, at, "epoch", 0, &r->epoch);
  if (number_field(L, at, "fidelity", fidelity)) r->fidelity = fidelity;
  read_values(L, at, r);
}

/* store:finish { trial_id, epoch, state, reason =, message =, fidelity =, values = { [objective] = number }, event = json } -> held | nil, message,
 * code: the result; values count objectives from 1, as the study does; event is the payload of its event "finish". */
static int l_finish(lua_State *L) {
  vg_store *s = vgl_checkstore(L, 1);
  vg_result r;
  double fidelity;
  int held = 0;
  read_result(L, 2, &r, &fidelity);
  vg_status status = vg_store_finish(s, &r, &held);
  return answer_held(L, status, held);
}

/* store:finish_all({ result, ... }) -> { held, ... } | nil, message, code: those of a batch (as of store:finish), in one transaction */
static int l_finish_all(lua_State *L) {
  vg_store *s = vgl_checkstore(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  int n = (int)luaL_len(L, 2);
  luaL_argcheck(L, n >= 1 && n <= VG_MOST_CLAIMS, 2, "1 to 1024 results expected");
  vg_result *results = lua_newuserdatauv(L, sizeof *results * (size_t)n, 0);
  double *fidelity = lua_newuserdatauv(L, sizeof *fidelity * (size_t)n, 0);
  int *held = lua_newuserdatauv(L, sizeof *held * (size_t)n, 0);
  for (int i = 0; i < n; i++) {
    lua_geti(L, 2, i + 1);
    read_result(L, lua_gettop(L), &results[i], &fidelity[i]);
    lua_pop(L, 1);
  }
  vg_status status = vg_store_finish_all(s, results, n, held);
  if (status != VG_OK) return vgl_fail(L, status);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushboolean(L, held[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* store:fail { trial_id, epoch, cause, message =, signal =, exit_code =, max_rss_kb =, event = json } -> "WAITING" (it will be tried again), "FAILED"
 * or "ABANDONED", false when not held | nil, message, code. cause: lost, store, disk, oom, crash; final: script, invalid_arch, nan, timeout, user. */
static int l_fail(lua_State *L) {
  static const char *const KNOWN[] = { "cause", "epoch", "event", "exit_code", "max_rss_kb", "message", "signal", "trial_id", NULL };
  vg_store *s = vgl_checkstore(L, 1);
  vgl_checkkeys(L, 2, "store:fail", KNOWN);
  luaL_checktype(L, 2, LUA_TTABLE);
  vg_failure f = { .cause = text_field(L, 2, "cause", 0), .message = text_field(L, 2, "message", 1), .event_json = text_field(L, 2, "event", 1) };
  int64_t signal, exit_code, max_rss_kb;
  const char *state = NULL;
  integer_field(L, 2, "trial_id", 0, &f.trial_id);
  integer_field(L, 2, "epoch", 0, &f.epoch);
  if (integer_field(L, 2, "signal", 1, &signal)) f.signal = &signal;
  if (integer_field(L, 2, "exit_code", 1, &exit_code)) f.exit_code = &exit_code;
  if (integer_field(L, 2, "max_rss_kb", 1, &max_rss_kb)) f.max_rss_kb = &max_rss_kb;
  vg_status status = vg_store_fail(s, &f, &state);
  if (status != VG_OK) return vgl_fail(L, status);
  if (state) lua_pushstring(L, state);
  else lua_pushboolean(L, 0);
  return 1;
}

/* store:release(trial_id, epoch) -> held | nil, message, code: it waits again, and the attempt does not count */
static int l_release(lua_State *L) {
  int held = 0;
  vg_status status = vg_store_release(vgl_checkstore(L, 1), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), &held);
  return answer_held(L, status, held);
}

/* store:reap() -> trials whose lease ran out | nil, message, code */
static int l_reap(lua_State *L) {
  int n = 0;
  vg_status status = vg_store_reap(vgl_checkstore(L, 1), &n);
  return answer_count(L, status, n);
}

/* store:adopt(study) -> trials that a study run by one process left in flight | nil, message, code: they wait */
static int l_adopt(lua_State *L) {
  int n = 0;
  vg_status status = vg_store_adopt(vgl_checkstore(L, 1), luaL_checkinteger(L, 2), &n);
  return answer_count(L, status, n);
}

/* store:metrics(trial_id, epoch, { { name =, step =, value = }, ... }) -> held | nil, message, code */
static int l_metrics(lua_State *L) {
  enum { AT = 6 };                                         /* of each point; the names live in the list */
  vg_store *s = vgl_checkstore(L, 1);
  luaL_checktype(L, 4, LUA_TTABLE);
  lua_settop(L, 4);
  int n = (int)luaL_len(L, 4), held = 0;
  vg_point *points = lua_newuserdatauv(L, sizeof *points * (size_t)(n + 1), 0);
  for (int i = 0; i < n; i++) {
    double value = 0;
    if (lua_geti(L, 4, i + 1) != LUA_TTABLE) return vgl_error(L, "store:metrics: a list of { name, step, value } expected");
    points[i] = (vg_point){ .name = text_field(L, AT, "name", 0) };
    integer_field(L, AT, "step", 0, &points[i].step);
    if (!number_field(L, AT, "value", &value)) return vgl_error(L, "store:metrics: '%s' has no value", points[i].name);
    points[i].value = value;
    lua_pop(L, 1);
  }
  vg_status status = vg_store_metrics(s, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), points, n, &held);
  return answer_held(L, status, held);
}

/* store:artifact { trial_id, epoch, kind, locator, sha256 =, bytes = } -> held | nil, message, code */
static int l_artifact(lua_State *L) {
  static const char *const KNOWN[] = { "bytes", "epoch", "kind", "locator", "sha256", "trial_id", NULL };
  vg_store *s = vgl_checkstore(L, 1);
  vgl_checkkeys(L, 2, "store:artifact", KNOWN);
  luaL_checktype(L, 2, LUA_TTABLE);
  vg_artifact a = { .kind = text_field(L, 2, "kind", 0), .locator = text_field(L, 2, "locator", 0), .sha256 = text_field(L, 2, "sha256", 1) };
  int held = 0;
  integer_field(L, 2, "trial_id", 0, &a.trial_id);
  integer_field(L, 2, "epoch", 0, &a.epoch);
  integer_field(L, 2, "bytes", 1, &a.bytes);
  vg_status status = vg_store_artifact(s, &a, &held);
  return answer_held(L, status, held);
}

/* store:lead(study, owner [, lease = 60]) -> epoch, false when somebody else leads | nil, message, code */
static int l_lead(lua_State *L) {
  int64_t epoch = 0;
  vg_status status = vg_store_lead(vgl_checkstore(L, 1), luaL_checkinteger(L, 2), luaL_checkstring(L, 3), luaL_optnumber(L, 4, VG_LEASE_S), &epoch);
  if (status != VG_OK) return vgl_fail(L, status);
  if (epoch) lua_pushinteger(L, epoch);
  else lua_pushboolean(L, 0);
  return 1;
}

/* store:renew(study, epoch [, lease = 60]) -> held | nil, message, code: the lead */
static int l_renew(lua_State *L) {
  int held = 0;
  double lease_s = luaL_optnumber(L, 4, VG_LEASE_S);
  vg_status status = vg_store_lead_renew(vgl_checkstore(L, 1), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), lease_s, &held);
  return answer_held(L, status, held);
}

/* store:leads(study, epoch) -> held | nil, message, code: inside a transaction, until its commit nobody takes over */
static int l_leads(lua_State *L) {
  int held = 0;
  vg_status status = vg_store_leads(vgl_checkstore(L, 1), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), &held);
  return answer_held(L, status, held);
}

static int answer(lua_State *L, vg_status s) { return answer_held(L, s, 1); }

/* store:resign(study, epoch) -> true | nil, message, code */
static int l_resign(lua_State *L) { return answer(L, vg_store_resign(vgl_checkstore(L, 1), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3))); }
/* store:remove(study) -> true | nil, message, code: the study and all of it */
static int l_remove(lua_State *L) { return answer(L, vg_store_remove_study(vgl_checkstore(L, 1), luaL_checkinteger(L, 2))); }

/* store:backoff(seconds): the pause before a trial that was lost once is tried again (5); it doubles with each loss */
static int l_backoff(lua_State *L) {
  lua_Number s = luaL_checknumber(L, 2);
  luaL_argcheck(L, s >= 0, 2, "seconds >= 0 expected");
  vg_store_set_backoff(vgl_checkstore(L, 1), s);
  return 0;
}

const luaL_Reg vgl_store_protocol[] = {
  { "adopt", l_adopt }, { "artifact", l_artifact }, { "backoff", l_backoff }, { "claim", l_claim }, { "fail", l_fail }, { "finish", l_finish },
  { "finish_all", l_finish_all },
  { "heartbeat", l_heartbeat }, { "lead", l_lead }, { "leads", l_leads }, { "metrics", l_metrics }, { "reap", l_reap }, { "release", l_release },
  { "remove", l_remove }, { "renew", l_renew }, { "resign", l_resign }, { NULL, NULL },
};
