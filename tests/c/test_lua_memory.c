/* Lua runs out of memory at its n-th allocation, for many n, in scripts that use each part of the engine: nothing crashes, nothing is left behind,
 * and the same state runs the script afterwards. The method is SQLite's. Two ways to fail: once (Lua then collects everything and tries again, so an
 * object that is not anchored is gone), and from then on. tests/c/test_lua_memory N tries N times as many places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bind/vgl.h"

enum { PLACES = 120 };      /* of a script, for each way to fail */

static long places = PLACES;
static long calls, fail_at;
static int forever;

static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
  (void)context;
  if (new_size == 0) {
    free(block);
    return NULL;
  }
  int grows = !block || new_size > old_size;       /* Lua relies on shrinking */
  if (grows && ++calls >= fail_at && fail_at > 0 && (forever || calls == fail_at)) return NULL;
  return realloc(block, new_size);
}

static void fail_from(long n, int for_ever) {
  calls = 0;
  fail_at = n;
  forever = for_ever;
}

static int set_up(lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_vega_core);
  lua_setfield(L, -2, "vega.core");
  lua_getglobal(L, "package");
  lua_pushliteral(L, VEGA_SOURCE_DIR "/lua/?.lua;" VEGA_SOURCE_DIR "/lua/?/init.lua");
  lua_setfield(L, -2, "path");
  return luaL_dostring(L, "vega, core = require 'vega', require 'vega.core'") == LUA_OK ? 0 : lua_error(L);
}

static lua_State *open_state(void) {
  lua_State *L = lua_newstate(allocate, NULL);
  if (!L) return NULL;
  lua_pushcfunction(L, set_up);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) return L;
  if (fail_at == 0) fail_msg("%s", lua_tostring(L, -1));
  lua_close(L);
  return NULL;
}

static const struct script { const char *name, *text; } SCRIPTS[] = {
  { "tensors", "local r = core.rng.new(1, 'x') local t = core.tensor.randn({ 3, 4 }, r) local u = (t + 1) * 2 - t / 2\n"
               "assert(#u:totable() == 3 and tostring(u):find 'min') u:reshape { 4, 3 }:rows(1, 2):copy():set(1, 1, 5) return core.tensor.new({ { 1, 2 } }):to 'bf16'" },
  { "tape", "local tape <close> = core.tape.new() local w = core.tensor.ones({ 4, 3 }):param() local x = core.tensor.ones { 2, 3 }\n"
            "local loss = core.op.mean(core.op.relu(core.op.linear(x, w))) tape:backward(loss) assert(w.grad:get(1, 1) > 0)\n"
            "core.op.concat({ x, x }, { axis = 1 }) tape:no_grad(function() return x + x end)" },
  { "network", "local m = vega.nn.network({ 8, 8, 1 }, function(net) local y = net:conv_bn(net:input(), 4, { kernel = 3, act = 'relu' })\n"
               "return net:linear(net:global_avg_pool(y), 3) end, { seed = 1 })\n"
               "local t = core.train.new(m, { optimiser = 'sgd', lr = 0.1, total_steps = 3 })\n"
               "assert(t:step(core.tensor.ones { 2, 8, 8, 1 }, core.tensor.new({ 0, 2 }, { dtype = 'i32' })))\n"
               "local n = 0 for _ in pairs(m:params()) do n = n + 1 end assert(n >= 4 and #m:nodes() > 3) local f <close> = m:fold()\n"
               "f:run(core.tensor.ones { 1, 8, 8, 1 }) assert(core.cost.count(m).macs > 0)\n"
               "local path = os.tmpname() local ok, e = pcall(function() assert(t:save(path, ('note '):rep(20))) assert(t:load(path)) end)\n"
               "os.remove(path) t:close() if not ok then error(e, 0) end" },
  { "population", "local net = vega.supernet.new { input = { 4, 4, 1 }, space = vega.space.define { name = 'p', build = function(n)\n"
                  "local op = n:choice('op', { { 'a', function(x) return n:relu(x) end }, { 'b', function(x) return n:conv_bn(x, 1) end } })\n"
                  "return n:linear(n:global_avg_pool(op(n:input())), 3) end } }\n"
                  "local p <close> = core.population.new(net.graph, net:settings { { op = 'a' }, { op = 'b' } }, { fold = true })\n"
                  "assert(p:score(core.tensor.ones { 2, 4, 4, 1 }, core.tensor.new({ 0, 1 }, { dtype = 'i32' })))\n"
                  "assert(#p:scores() == 2 and p:counts().networks == 2 and tostring(p))" },
  { "json", "local text = core.json.encode({ a = { 1, 2.5, 'x', core.json.null }, b = core.json.array {} }, { indent = 2 })\n"
            "local v = assert(core.json.decode(text)) assert(v.a[2] == 2.5) assert(not core.json.decode '{')" },
  { "store", "local db <close> = assert(core.store.open ':memory:') assert(db:begin())\n"
             "assert(db:run('study_create', 's', '[]', '{}', '0', 'none', '{}', 1, 0, '{}', '{}')) assert(db:commit())\n"
             "assert(db:run('study_list')[1].name == 's')" },
  { "protocol", "local db <close> = assert(core.store.open ':memory:') local name, json = 's', '{}'\n"
                "assert(db:run('study_create', name, '[]', json, '0', 'none', json, 1, 0, json, json))\n"
                "for i = 1, 3 do assert(db:run('trial_enqueue', 1, i, json, 'ff', nil, 0, 3, nil)) end\n"
                "local list = assert(db:claim { study = 1, owner = 'me', n = 3, capabilities = { 'mpi', 'amx' } }) assert(#list == 3)\n"
                "assert(db:metrics(1, 1, { { name = 'loss', step = 1, value = 0.5 }, { name = 'acc', step = 1, value = 1 } }))\n"
                "assert(db:finish { trial_id = 1, epoch = 1, state = 'COMPLETE', values = { 1, 2 }, message = 'm', event = json })\n"
                "assert(db:fail { trial_id = 2, epoch = 1, cause = 'oom', message = 'm' } == 'WAITING' and db:release(3, 1) and db:lead(1, 'me') == 1)\n"
                "assert(core.store.where('postgresql://me@host/db').kind == 'postgres' and tostring(db))" },
  { "files", "local path = os.tmpname() os.remove(path) path = path .. '.safetensors'\n"
             "local ok, m = pcall(function() assert(core.io.save(path, { a = core.tensor.ones { 2 } }, { metadata = { note = 'x' } }))\n"
             "assert(core.io.load(path).a:get(2) == 1) assert(#core.sys.list '/' > 0) end) os.remove(path) if not ok then error(m, 0) end" },
  { "data", "local n = 12 local x, y = core.tensor.zeros({ n, 4, 4, 1 }, { dtype = 'u8' }), {} for i = 1, n do y[i] = i % 3 end\n"
            "local d = core.data.new('toy', x, core.tensor.new(y, { dtype = 'i32' }), 3) d:set_class_names { 'a', 'b', 'c' }\n"
            "local a, b = d:split { n = 4, seed = 1 } assert(#a + #b == n and d:stats().mean[1] == 0 and #d.class_names == 3)\n"
            "local l <close> = a:loader { batch = 2, shuffle = true, seed = 1 } for images in l.next, l do local x <close> = images end" },
  { "numbers", "local r = core.rng.new(2, 'y') local list = {} for i = 1, 12 do list[i] = { r:uniform(), r:normal() } end r:shuffle(list)\n"
               "core.pareto.crowding(list, core.pareto.rank(list)) assert(core.pareto.hypervolume(list, { 9, 9 }) > 0) core.rng.restore(r:state())" },
  { "processes", "assert(core.sys.run { 'echo', ('long '):rep(20) }) core.sys.versions() core.sys.cpu() assert(core.sys.disk '/') core.sys.make_dirs '/tmp'" },
  { "space", "local s = vega.space.define { name = 's', choices = function(c) c:choice('op', { 'a', 'b' }) c:int('n', 1, 5) c:float('lr', 1e-3, 1) end }\n"
             "local r = core.rng.new(3, 's') local arch = s:random(r) s:mutate(arch, r) s:crossover(arch, s:random(r), r) assert(s:check(arch) and s:hash(arch))" },
  { "study", "local s = vega.space.define { name = 's', choices = function(c) for i = 1, 4 do c:choice('e' .. i, { 1, 2, 3 }) end end }\n"
             "local study <close> = vega.study { space = s, strategy = vega.strategy.nsga2 { population = 3 }, objectives = { a = 'max', b = 'min' },\n"
             "evaluate = function(arch) return { a = arch.e1, b = arch.e2 + arch.e3 } end, budget = { trials = 5 }, quiet = true }\n"
             "study:run() study:trials()" },
  { "sandbox", "local guarded = vega.sandbox.guard('g', function(n) if n > 1 then error { message = 'large' } end return n, ('x'):rep(40) end)\n"
               "local n, x = guarded(1) assert(n == 1 and #x == 40) local ok, e = pcall(guarded, 2) assert(not ok)\n"
               "if not tostring(e.message):find 'large' then error(e, 0) end assert(getmetatable('').__index == string and not debug.gethook())\n"
               "local name = 'nb201' assert(vega.space(name).build)" },
  { "interactive", "assert(require 'vega.repl.complete'('vega.ten', _G)) require 'vega.repl.show' { 1, { a = 2 } } assert(vega.help.text 'conv2d')" },
};

/* Runs the script at stack index 1. */
static int run(lua_State *L) {
  lua_pushvalue(L, 1);
  return lua_pcall(L, 0, 0, 0);
}

typedef struct memory { size_t live_bytes; long long live_small; } memory;

static memory collect(lua_State *L) {
  fail_from(0, 0);
  lua_settop(L, 1);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  vg_alloc_stats s = vg_alloc_get_stats();
  return (memory){ s.live_bytes, s.live_small };
}

static void must_run(lua_State *L, const char *name) {
  fail_from(0, 0);
  if (run(L) != LUA_OK) fail_msg("%s: %s", name, lua_tostring(L, -1));
}

static void run_out(lua_State *L, const char *name, int for_ever) {
  must_run(L, name);                    /* what is loaded or cached once */
  must_run(L, name);
  memory before = collect(L);
  must_run(L, name);
  long all = calls, step = all > places ? all / places : 1, failures = 0;
  for (long n = 1; n <= all; n += step) {
    fail_from(n, for_ever);
    failures += run(L) != LUA_OK;
    memory after = collect(L);
    if (after.live_bytes != before.live_bytes || after.live_small != before.live_small)
      fail_msg("%s, call %ld of %ld: %zu bytes and %lld blocks are left behind", name, n, all, after.live_bytes - before.live_bytes,
               after.live_small - before.live_small);
  }
  must_run(L, name);
  assert_true(!for_ever || failures > 0);
}

static void out_of_memory(void **state) {
  const struct script *s = *state;
  for (int for_ever = 0; for_ever < 2; for_ever++) {
    lua_State *L = open_state();
    assert_non_null(L);
    if (luaL_loadstring(L, s->text) != LUA_OK) fail_msg("%s: %s", s->name, lua_tostring(L, -1));
    run_out(L, s->name, for_ever);
    lua_close(L);
  }
}

/* A state that cannot be opened is closed again. */
static void opening(void **state) {
  (void)state;
  for (int for_ever = 0; for_ever < 2; for_ever++) {
    fail_from(0, 0);
    lua_close(open_state());
    long all = calls, step = all > places / 2 ? all / (places / 2) : 1;
    long long before = vg_alloc_get_stats().live_small;
    for (long n = 1; n <= all; n += n < 40 ? 1 : step) {
      fail_from(n, for_ever);
      lua_State *L = open_state();
      fail_from(0, 0);
      if (L) lua_close(L);
      assert_int_equal(vg_alloc_get_stats().live_small, before);
    }
  }
}

int main(int argc, char **argv) {
  enum { N = sizeof SCRIPTS / sizeof *SCRIPTS };
  struct CMUnitTest tests[N + 1] = { cmocka_unit_test(opening) };
  if (argc > 1) places *= strtol(argv[1], NULL, 10);
  for (int i = 0; i < N; i++)
    tests[i + 1] = (struct CMUnitTest){ .name = SCRIPTS[i].name, .test_func = out_of_memory, .initial_state = (void *)&SCRIPTS[i] };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
