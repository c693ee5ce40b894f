--- vega.cost.device and `vega-lua agent`, on this machine: real agents on a free port of the loopback, and false ones that do one thing wrong each.
local vega = require "vega"
local core = require "vega.core"
local helper = require "spec.helper"
local machine = require "vega.device.machine"
local network = require "vega.device.network"
local wire = require "vega.device.wire"

local net, clock = core.net, core.sys.clock

local SHAPE, CLASSES = { 28, 28, 1 }, 10
local space = vega.space "mobile_tiny"
local function some_network(seed) return space:network(space:random(vega.rng(seed or 1)), SHAPE, CLASSES) end

-- Programs at the other end -----------------------------------------------------------------------------------------------------------

local started = {}
local function spawn(words)
  local socket, pid = assert(net.spawn(words))
  started[#started + 1] = pid
  return socket, pid
end

--- Calls f until it gives a value; the tests' only way to wait for another program.
local function eventually(f)
  local deadline = clock() + 30
  repeat
    local value = f()
    if value then return value end
    net.wait({}, 0.01)
  until clock() > deadline
  error("it never happened", 2)
end

--- A real agent: its port and pid.
local function agent(options)
  local out = helper.scratch "agent.out"
  local shell = ("exec %s agent --listen 127.0.0.1:0 --threads 1 %s >%s 2>%s.err"):format(helper.program(), options or "", out, out)
  local _, pid = spawn { "/bin/sh", "-c", shell }
  local port = eventually(function()
    local file = io.open(out)
    local text = file and file:read "a" or ""
    if file then file:close() end
    return text:match "^listening on 127%.0%.0%.1:(%d+)\n$"
  end)
  return math.tointeger(tonumber(port)), pid, out .. ".err"
end

local FALSE = [[
local core = require "vega.core"
local machine, wire = require "vega.device.machine", require "vega.device.wire"
local parent, what = core.net.parent(), arg[1]
local listener = assert(core.net.listen("127.0.0.1", 0))
parent:send(tostring(listener:port()), 5)
local good = { median_ms = 2.0, min_ms = 1.0, mean_ms = 2.5, p90_ms = 3.0, iqr_ms = 0.5, count = 30 }
local rng = core.rng.new(7)

local function damaged(text)
  local bytes = { text:byte(1, -1) }
  for _ = 1, rng:int(1, 4) do
    local at, how = rng:int(1, #bytes), rng:int(1, 3)
    if how == 1 then bytes[at] = rng:int(0, 255) elseif how == 2 then table.remove(bytes, at) else table.insert(bytes, at, bytes[at]) end
    if #bytes == 0 then bytes[1] = 0 end
  end
  return string.char(table.unpack(bytes))
end

local greeting = { vega = "0.1.0", device = machine.describe(1) }
local calls = 0
local DOES = {}
function DOES.close() end
function DOES.silent(c) c:receive(30, 1 << 24) end
function DOES.slow(c) wire.send(c, greeting, 5) c:receive(5, 1 << 24) c:receive(30, 1 << 24) end
function DOES.version(c) c:send('{"protocol": 2, "device": {}}', 5) end
function DOES.busy(c) wire.send(c, { error = "EBUSY", message = "busy" }, 5) end
function DOES.busy_once(c)
  calls = calls + 1
  if calls == 1 then DOES.busy(c) else DOES.good(c) end
end
function DOES.text(c) c:send("hello", 5) end
function DOES.list(c) c:send("[1, 2]", 5) end
function DOES.nobody(c) wire.send(c, { vega = "0.1.0" }, 5) end
function DOES.forged(c)
  greeting.device.fingerprint = "0"
  wire.send(c, greeting, 5)
end
function DOES.long(c) c:send((" "):rep(1 << 20), 5) end
local function answer(c, text)
  wire.send(c, greeting, 5)
  c:receive(5, 1 << 24)
  c:send(text, 5)
end
function DOES.good(c) answer(c, wire.encode { latency = good }) end
function DOES.dies_in_the_middle(c) wire.send(c, greeting, 5) c:receive(5, 1 << 24) end
function DOES.dies_once(c)
  calls = calls + 1
  if calls == 1 then DOES.dies_in_the_middle(c) else DOES.good(c) end
end
function DOES.changes(c)
  calls = calls + 1
  greeting.device.cpu = "CPU " .. calls
  greeting.device.fingerprint = machine.fingerprint(greeting.device)
  DOES.good(c)
end
function DOES.fuzz(c) answer(c, damaged(wire.encode { latency = good })) end
function DOES.fuzz_greeting(c) c:send(damaged(wire.encode(greeting)), 5) end
function DOES.escape(c) answer(c, wire.encode { error = "EREFUSED", message = "\27[2J" .. ("x"):rep(5000) }) end
for name, value in pairs { negative = -1, zero = 0, text = "fast", huge = 1e999, list = {} } do
  DOES["median_" .. name] = function(c)
    good.median_ms = value
    answer(c, wire.encode { latency = good })
  end
end
function DOES.order(c)
  good.min_ms = 9.0
  answer(c, wire.encode { latency = good })
end
function DOES.no_times(c) answer(c, wire.encode { result = 1 }) end
while true do
  local caller <close> = listener:accept(60)
  if not caller then break end
  pcall(DOES[what], caller)
end
]]

--- A false agent that does `what`: a device for it, not patient unless `options` say so.
local function false_device(what, options)
  local script = helper.write(helper.scratch "false.lua", FALSE)
  local socket = spawn { helper.program(), script, what }
  local port = math.tointeger(tonumber(assert(socket:receive(30, 100))))
  local o = { port = port, retries = 0, patience = 0, timeout = 20 }
  for key, value in pairs(options or {}) do o[key] = value end
  return vega.cost.device(o)
end

--- Something that is no vega-lua at all: bash answers with `bytes` (a printf format), or sends them to `port` and prints what it gets.
local function raw(port, bytes)
  local line = ("exec 3<>/dev/tcp/127.0.0.1/%d; printf '%s' >&3; timeout 20 cat <&3 | tr -d '\\0'"):format(port, bytes)
  local _, out = helper.run(('bash -c %q'):format(line))
  return out
end

--- Sends a request as it is to an agent: its answer.
local function request(port, text)
  local socket <close> = assert(net.connect("127.0.0.1", port, 5))
  assert(wire.receive(socket, 5, wire.LONGEST_ANSWER))
  assert(socket:send(text, 5))
  return assert(wire.receive(socket, 30, wire.LONGEST_ANSWER))
end

local function good_request(change)
  local data = assert(network.describe(some_network()))
  local message = { network = data, batch = 1, repeats = 5, max_seconds = 0.1, precision = "f32" }
  if change then change(message, data) end
  return wire.encode(message)
end

describe("vega.cost.device", function()
  teardown(function() for _, pid in ipairs(started) do pcall(net.stop, pid) end end)

  describe("with an agent", function()
    local port, pid, errors, device
    setup(function()
      port, pid, errors = agent()
      device = vega.cost.device { port = port, timeout = 60 }
    end)

    it("agrees with a measurement made here", function()
      local graph <close> = some_network()
      local folded <close> = graph:fold()
      local there = assert(device:measure(graph))
      local threads = core.sys.threads()
      core.sys.threads(1)
      local here = vega.cost.latency(folded)
      core.sys.threads(threads)
      assert.is_true(there.median_ms < 4 * here.median_ms and here.median_ms < 4 * there.median_ms, there.median_ms .. " against " .. here.median_ms)
      assert.is_true(there.iqr_ms >= 0 and there.min_ms <= there.median_ms and there.median_ms <= there.p90_ms and there.count + there.rejected >= 30)
      assert.same({ 1, "f32" }, { there.batch, there.precision })
    end)

    it("says what it runs on", function()
      local d = assert(device:describe())
      assert.equal(vega.version, d.vega)
      assert.equal(1, d.threads)
      assert.equal(machine.describe(1).fingerprint, d.fingerprint)
      assert.not_equal(machine.describe(2).fingerprint, d.fingerprint)
      assert.same(d, assert(device:measure(some_network(), { repeats = 5 })).device)
    end)

    it("takes batch, repeats, precision, and the graph as it stands", function()
      local graph = some_network()
      local one, many = assert(device:measure(graph, { repeats = 20 })), assert(device:measure(graph, { repeats = 20, batch = 16 }))
      assert.is_true(one.count + one.rejected >= 20 and one.count + one.rejected < 10000)
      assert.is_true(many.min_ms > 2 * one.min_ms, many.min_ms .. " for 16 images, " .. one.min_ms .. " for one")
      assert.equal("bf16", assert(device:measure(graph, { repeats = 5, precision = "bf16" })).precision)
      assert(device:measure(graph, { repeats = 5, fold = false }))
    end)

    it("measures as an objective of a study", function()
      local study = vega.study { space = space, strategy = vega.strategy.random {}, quiet = true, store = ":memory:", seed = 1,
        objectives = { latency_ms = "min" }, budget = { trials = 4 },
        evaluate = function(arch)
          local graph <close> = space:network(arch, SHAPE, CLASSES)
          local r, message, code = device:measure(graph, { repeats = 10 })
          if not r then return nil, message, code end
          return { latency_ms = r.median_ms }
        end }
      local front = assert(study:run())
      assert.is_true(front:best().values.latency_ms > 0)
    end)

    it("measures what vega.evaluate.train trains", function()
      local data = vega.data.find "fashion-mnist" and vega.data "fashion-mnist"
      if not data then return pending "no Fashion-MNIST" end
      local function train(latency)
        local evaluate = vega.evaluate.train { data = data, epochs = 1, limit = 64, validation = 64, latency = latency }
        return evaluate(space:random(vega.rng(1)), nil, space)
      end
      assert.is_true(assert(train(device)).latency_ms > 0)
      local r, message, code = train(vega.cost.device { port = 1, retries = 0 })
      assert.is_nil(r)
      assert.equal("EIO", code, message)
      assert.has_error(function() train "there" end)
    end)

    it("refuses networks that it cannot build, with the reason", function()
      local function refused(change, code, reason)
        local answer = request(port, good_request(change))
        assert.same(code, answer.error, answer.message)
        assert.truthy(answer.message:find(reason, 1, true), answer.message)
      end
      local function last_op(data) for i = #data.nodes, 1, -1 do if data.nodes[i].op then return data.nodes[i] end end end
      refused(function(_, d) last_op(d).op = "warp" end, "EREFUSED", "has no operator 'warp'")
      refused(function(_, d) last_op(d).options = { bend = 1 } end, "EREFUSED", "unknown option 'bend'")
      refused(function(_, d) last_op(d).shape = { 1, 77 } end, "EREFUSED", "gives [1, 77], this one [1, 10]")
      refused(function(_, d) last_op(d).inputs = { (1 << 32) + 1 } end, "EREFUSED", "input 1 is not a node of this graph")
      refused(function(_, d) d.nodes[1].shape = { 1, 1 << 40, 1 << 40, 1 << 40 } end, "EREFUSED", "shape is too large")
      refused(function(_, d) d.nodes[2].init = "magic" end, "EREFUSED", "magic")
      refused(function(_, d) d.nodes[2].kind = "choice" end, "EREFUSED", "unknown kind 'choice'")
      refused(function(_, d) d.output = 10000 end, "EREFUSED", "output is not a node")
      refused(function(_, d) d.nodes = {} end, "EREFUSED", "nodes")
      refused(function(m) m.network = 7 end, "EREFUSED", "network must be a table")
      refused(function(m) m.batch = 1 << 40 end, "EREFUSED", "batch must be from 1 to 4096")
      refused(function(m) m.batch = "many" end, "EFORMAT", "batch must be a number")
      refused(function(m) m.max_seconds = -1 end, "EREFUSED", "max_seconds")
      refused(function(m) m.precision = "int3" end, "EREFUSED", "precision must be f32 or bf16")
      assert(device:measure(some_network(), { repeats = 5 }))
    end)

    it("answers for a network that has no room", function()
      local graph = vega.graph.new { 1 << 16 }
      local w = graph:param("w", { 1 << 24, 1 << 16 }, "zeros")
      graph:output(graph:op("linear", { 1, w }))
      local r, message, code = device:measure(graph, { fold = false })
      assert.is_nil(r)
      assert.equal("ENOMEM", code, message)
    end)

    it("names the versions that do not go together", function()
      local answer = request(port, '{"protocol": 2, "measure": {}}')
      assert.equal("EVERSION", answer.error)
      assert.truthy(answer.message:find("protocol 1 was expected, got 2: use the same version", 1, true))
    end)

    it("survives garbage", function()
      assert.truthy(raw(port, [[GET / HTTP/1.1\r\n\r\n]]):find("this is no message of vega-lua, it begins with 'GET / HT'", 1, true))
      assert.truthy(raw(port, [[vega\377\377\377\377]]):find("a message of 4294967295 bytes is announced, at most 4194304 are taken", 1, true))
      raw(port, [[vega\0\0\0\1{]])
      for _, text in ipairs { "", "{", "[]", "null", "{}", '{"protocol": "1"}', ("["):rep(100000), "\xff\xfe" } do
        assert.equal("EFORMAT", request(port, text).error, text:sub(1, 20))
      end
      local rng, text = vega.rng(3), good_request()
      for _ = 1, 10 do
        local at = rng:int(1, #text)
        local answer = request(port, text:sub(1, at - 1) .. string.char(rng:int(0, 255)) .. text:sub(at + rng:int(0, 3)))
        assert.truthy(answer.error and answer.message or answer.latency)
      end
      assert(device:measure(some_network(), { repeats = 5 }))
      assert.equal("", helper.read(errors))
    end)

    it("stops for a caller that goes away", function()
      for _ = 1, 3 do
        local socket <close> = assert(net.connect("127.0.0.1", port, 5))
        assert(wire.receive(socket, 5, wire.LONGEST_ANSWER))
        assert(socket:send(good_request(function(m) m.repeats, m.max_seconds = 0, 60 end), 5))
      end
      local begin = clock()
      assert(device:measure(some_network(), { repeats = 5 }))
      assert.is_true(clock() - begin < 50)
    end)

    it("ends with the signal's code", function()
      local mortal, its_pid = agent()
      assert(vega.cost.device { port = mortal }:describe())
      os.execute("kill " .. its_pid)
      eventually(function() return helper.read(("/proc/%d/stat"):format(its_pid)):find(") Z", 1, true) end)
      assert.equal(143, net.stop(its_pid))
      assert.not_equal(pid, its_pid)
    end)
  end)

  it("tells a second caller that the agent is busy, and is free when the first has gone", function()
    local port = agent()
    local first = assert(net.connect("127.0.0.1", port, 5))
    assert(wire.receive(first, 20, wire.LONGEST_ANSWER))
    assert(first:send(good_request(function(m) m.repeats, m.max_seconds, m.batch = 10000, 60, 256 end), 5))
    local r, message, code = vega.cost.device { port = port, patience = 0 }:measure(some_network(2), { repeats = 5 })
    first:close()
    assert.is_nil(r)
    assert.same({ "EBUSY", "the agent says: another network is being measured" }, { code, message })
    assert(vega.cost.device { port = port }:measure(some_network(2), { repeats = 5 }))
  end)

  it("is sent away by an agent whose machine has a load, and told of it", function()
    local load = machine.load()
    if not load or load < 0.02 then return pending "no load" end
    local r, message, code = vega.cost.device { port = agent "--max-load 0.001", patience = 0 }:measure(some_network(), { repeats = 5 })
    assert.is_nil(r)
    assert.equal("EBUSY", code)
    assert.matches("^the agent says: the load beside its own is %d+%.%d%d, more than 0.001: what is measured now would be noise$", message)
    assert(vega.cost.device { port = agent "--max-load 1000" }:measure(some_network(), { repeats = 5 }))
  end)

  it("goes on with a new agent after the old one was killed in the middle", function()
    local port, pid = agent "--limit 200"
    local out = helper.scratch "second.out"
    os.execute(("( sleep 0.3; kill -9 %d; exec %s agent --threads 1 --limit 200 --listen 127.0.0.1:%d ) >%s 2>&1 & echo $! >%s.pid"):format(pid,
      helper.program(), port, out, out))
    local device = vega.cost.device { port = port, retries = 20, timeout = 250 }
    local r = assert(device:measure(some_network(), { repeats = 200, max_seconds = 0.1 }))
    eventually(function() return helper.read(out) == ("listening on 127.0.0.1:%d\n"):format(port) end)
    os.execute("kill $(cat " .. out .. ".pid)")
    assert.is_true(r.count + r.rejected >= 200)
    assert.equal(137, net.stop(pid))
  end)

  it("is told when the program that measures is killed, and may go on", function()
    local port, pid = agent()
    local device = vega.cost.device { port = port, retries = 0 }
    os.execute(("( until kill -9 $(cat /proc/%d/task/%d/children); do sleep 0.05; done ) 2>/dev/null &"):format(pid, pid))
    local r, message, code = device:measure(some_network(), { repeats = 10000, max_seconds = 20, batch = 256 })
    assert.is_nil(r)
    assert.same({ "EDIED", "the agent says: the program that measured the network ended with code 137" }, { code, message })
    assert(device:measure(some_network(), { repeats = 5 }))
  end)

  it("is told when a network takes longer than the agent's limit", function()
    local device = vega.cost.device { port = agent "--limit 0.5" }
    local r, message, code = device:measure(some_network(), { repeats = 10000, max_seconds = 60, batch = 256 })
    assert.is_nil(r)
    assert.equal("ETIMEDOUT", code)
    assert.equal("the agent says: it took longer than the agent's limit of 0.5 s", message)
    assert(device:describe())
  end)

  describe("with a false agent", function()
    local function fails(what, code, reason, options)
      local r, message, got = false_device(what, options):measure(some_network(), { repeats = 5 })
      assert.is_nil(r)
      assert.equal(code, got, message)
      assert.truthy(message:find(reason, 1, true), message)
      return message
    end

    it("refuses nonsense with the reason", function()
      fails("text", "EFORMAT", "json: line 1")
      fails("list", "EFORMAT", "an object was expected")
      fails("long", "EFORMAT", "a message of 1048576 bytes is announced, at most 65536 are taken")
      fails("nobody", "EFORMAT", "it names no device")
      fails("forged", "EFORMAT", "the fingerprint is not that of the device")
      fails("no_times", "EFORMAT", "it holds no times")
      fails("median_negative", "EFORMAT", "median_ms is -1")
      fails("median_zero", "EFORMAT", "median_ms is 0")
      fails("median_text", "EFORMAT", "median_ms is fast")
      fails("median_huge", "EFORMAT", "median_ms is inf")
      fails("median_list", "EFORMAT", "median_ms is table")
      fails("order", "EFORMAT", "not in order")
    end)

    it("says when nobody listens", function()
      local listener <close> = assert(net.listen("127.0.0.1", 0))
      local port = listener:port()
      listener:close()
      local r, message, code = vega.cost.device { port = port, retries = 1 }:measure(some_network())
      assert.is_nil(r)
      assert.equal("EIO", code)
      assert.equal(("no connection to an agent at 127.0.0.1:%d: Connection refused (after 2 attempts)"):format(port), message)
    end)

    it("names another protocol", function()
      fails("version", "EVERSION", "protocol 1 was expected, got 2: use the same version of vega-lua on both sides")
    end)

    it("gives up in time", function()
      for _, what in ipairs { "silent", "slow" } do
        local begin = clock()
        fails(what, "ETIMEDOUT", "no answer within 0.3 s", { timeout = 0.3 })
        assert.is_true(clock() - begin < 30)
      end
    end)

    it("tries again when the connection is lost, so many times and no more", function()
      assert.equal(2.0, assert(false_device("dies_once", { retries = 1 }):measure(some_network())).median_ms)
      fails("dies_in_the_middle", "EIO", "the other side closed the connection (after 3 attempts)", { retries = 2 })
      fails("close", "EIO", "the other side closed the connection", { retries = 0 })
    end)

    it("waits for a busy one as long as it was told", function()
      local begin = clock()
      fails("busy", "EBUSY", "the agent says: busy", { patience = 0.5 })
      assert.equal(2.0, assert(false_device("busy_once", { patience = 60 }):measure(some_network())).median_ms)
      assert.is_true(clock() - begin < 30)
    end)

    it("notices another device at the same place", function()
      local device = false_device "changes"
      assert(device:measure(some_network()))
      local r, message, code = device:measure(some_network())
      assert.is_nil(r)
      assert.equal("EDEVICE", code)
      assert.truthy(message:find("another device answers at 127.0.0.1", 1, true))
      fails("good", "EDEVICE", "it was 0123456789abcdef", { fingerprint = "0123456789abcdef" })
    end)

    it("shows what it says without its control characters, and not all of it", function()
      local message = fails("escape", "EREFUSED", "the agent says: ?[2Jxxx")
      assert.is_true(#message < 600)
    end)

    it("takes damaged messages for answers or errors, never for a fault", function()
      local texts = {}
      for what, n in pairs { fuzz = 150, fuzz_greeting = 150 } do
        local device = false_device(what)
        for _ = 1, n do
          local r, message, code = device:measure(some_network())
          assert.is_true(r and r.median_ms > 0 or type(message) == "string" and code:find "^E%u+$" ~= nil)
          if message then texts[#texts + 1] = message end
        end
      end
      assert.is_true(#texts > 100)
    end)
  end)

  it("raises for what the script does wrong, at its line", function()
    local function raises(reason, f, ...)
      local ok, message = pcall(f, ...)
      assert.is_false(ok)
      assert.truthy(tostring(message):find(reason, 1, true), tostring(message))
      assert.truthy(tostring(message):find("device_spec.lua:", 1, true), tostring(message))
    end
    raises("unknown option 'prot'; did you mean 'port'?", function() vega.cost.device { prot = 1 } end)
    raises("port must be <= 65535, got 65536", function() vega.cost.device { port = 65536 } end)
    raises("timeout must be a number, got string", function() vega.cost.device { timeout = "1" } end)
    local device = vega.cost.device {}
    raises("batch must be >= 1, got 0", function() device:measure(some_network(), { batch = 0 }) end)
    raises("precision must be f32 or bf16 (there are no 8-bit kernels), got int8",
      function() device:measure(some_network(), { precision = "int8" }) end)
    raises("the network has no output yet", function() device:measure(vega.graph.new { 4 }, { precision = "f32", fold = false }) end)
  end)
end)

describe("a network as data", function()
  local SPACES = { "mobile_tiny", "nb201", "darts" }

  it("comes back the same", function()
    for _, name in ipairs(SPACES) do
      local s = vega.space(name)
      local graph <close> = s:network(s:random(vega.rng(5)), { 32, 32, 3 }, 10)
      local data = core.json.decode(core.json.encode(assert(network.describe(graph)), { nonfinite = "tag" }), { nonfinite = "tag" })
      local again <close> = assert(network.build(data))
      assert.same(graph:nodes(), again:nodes())
      assert.same(graph:output(), again:output())
      assert.same(vega.cost.count(graph), vega.cost.count(again))
    end
  end)

  it("gives the same result with the same values", function()
    local graph <close> = some_network()
    local again <close> = assert(network.build(assert(network.describe(graph))))
    graph:materialise(1)
    again:materialise(1)
    local x = vega.tensor.randn({ 2, 28, 28, 1 }, vega.rng(1))
    assert.equal(tostring(graph:run(x)), tostring(again:run(x)))
  end)

  it("is refused, not a fault, when it is damaged", function()
    local text = core.json.encode(assert(network.describe(some_network())))
    local rng, refused = vega.rng(11), 0
    local NUMBERS = { "0", "-1", "1e308", "9223372036854775807", "2147483648", "1.5", "null", "[]", "{}", '"x"', "true" }
    for _ = 1, 400 do
      local places = {}
      for at, number, stop in text:gmatch "()(%d+)()" do places[#places + 1] = { at, number, stop } end
      local place = places[rng:int(1, #places)]
      local damaged = text:sub(1, place[1] - 1) .. NUMBERS[rng:int(1, #NUMBERS)] .. text:sub(place[3])
      local data = core.json.decode(damaged)
      if data then
        local graph, message = network.build(data)
        if not graph then
          refused = refused + 1
          assert.is_string(message)
        else
          graph:close()
        end
      end
    end
    assert.is_true(refused > 100, refused)
  end)

  it("is none of a supernet", function()
    local graph = vega.graph.new { 4 }
    graph:output(graph:choice("either", graph:slot(1), { 1, graph:op("relu", { 1 }) }))
    local data, message = network.describe(graph)
    assert.is_nil(data)
    assert.truthy(message:find("settle the supernet first", 1, true))
  end)
end)

describe("a load average", function()
  it("rises and falls as the kernel's does", function()
    assert.equal(0.7, machine.average(0.7, 3, 0))
    assert.is_true(math.abs(machine.average(0, 2, 60) - 2 * (1 - math.exp(-1))) < 1e-12)
    assert.is_true(math.abs(machine.average(machine.average(0, 1, 30), 0, 60) - (1 - math.exp(-0.5)) * math.exp(-1)) < 1e-12)
    assert.is_true(math.abs(machine.average(5, 1, 1e4) - 1) < 1e-12)
  end)
end)

describe("vega-lua agent", function()
  it("refuses a wrong command line with 2", function()
    for options, reason in pairs { ["--listen 8342"] = "wants HOST:PORT", ["--listen 127.0.0.1:99999"] = "wants HOST:PORT",
      ["--threads 0"] = "from 1 to 1024", ["--limit 0"] = "more than 0 seconds", ["--max-load -1"] = "0 (any) or more",
      ["--treads 1"] = "did you mean --threads?" } do
      local code, out, err = helper.run("%s agent " .. options)
      assert.equal(2, code, err)
      assert.equal("", out)
      assert.truthy(err:find(reason, 1, true), err)
    end
  end)

  it("says when the port is taken, also as --agent", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local code, _, err = helper.run(("%%s --agent --listen 127.0.0.1:%d"):format(listener:port()))
    assert.equal(1, code)
    assert.truthy(err:find(("cannot listen at 127.0.0.1 port %d: Address already in use"):format(listener:port()), 1, true), err)
  end)

  it("warns when others can reach it", function()
    local out = helper.scratch "open.err"
    local _, pid = spawn { "/bin/sh", "-c", ("exec %s agent --listen 0.0.0.0:0 >/dev/null 2>%s"):format(helper.program(), out) }
    eventually(function()
      local file = io.open(out)
      local text = file and file:read "a" or ""
      if file then file:close() end
      return text:find("warning: anyone who reaches 0.0.0.0 can use this agent", 1, true)
    end)
    net.stop(pid)
  end)
end)
