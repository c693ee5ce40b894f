--- Speed, beside a floor and a peer.
--
--    vega-lua scripts/bench.lua step    --workload resnet20 --batch 64 --threads 2 --precision f32 --steps 5
--    vega-lua scripts/bench.lua floor   --workload resnet20 --precision f32
--    vega-lua scripts/bench.lua compare --workload resnet20 --precision f32 [--pairs 5]
--    vega-lua scripts/bench.lua agree                        the same loss as the peer from the same weights
--    vega-lua scripts/bench.lua startup
--    vega-lua scripts/bench.lua ask --strategies random,tpe --counts 100,1000,10000 --limit 60      what searchers cost (bench_ask.lua)
--    vega-lua scripts/bench.lua population --paths 1000 --images 512 --threads 2      one-shot scores, shared and one by one (bench_population.lua)
--    vega-lua scripts/bench.lua space                        draws from search spaces (bench_space.lua)
--
-- A step is forward, backward, clipping at norm 5 and SGD (0.025, momentum 0.9, decay 3e-4) on random images. `compare` alternates with the peer
-- program torch_nas.py ($VEGA_SHARED/peers, run by $VEGA_PEER_PYTHON) and ends with one JSON line; ratios above 1 are in our favour.
-- `floor` is arithmetic at the measured peak plus five passes (ten for the two steps of
-- differentiable search) over the convolutions' outputs at the measured copy bandwidth.
local vega = require "vega"
local core = require "vega.core"
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local workloads = dofile(here .. "/workloads.lua")
local json, sys = core.json, core.sys

local INPUT, CLASSES = { 32, 32, 3 }, 10
local DEFAULTS = { workload = "resnet20", batch = 64, threads = 2, precision = "f32", steps = 5, pairs = 5,
  strategies = "", counts = "100,1000,10000", limit = 60, paths = 1000, images = 512, sample = 20 }

local function fail(message, ...)
  io.stderr:write("bench: ", message:format(...), "\n")
  os.exit(2)
end

local function options()
  local o = {}
  for key, value in pairs(DEFAULTS) do o[key] = value end
  for i = 2, #arg, 2 do
    local key = arg[i]:match "^%-%-(%a+)$"
    if not key or DEFAULTS[key] == nil then
      local util = require "vega.util"
      local near = util.nearest(key or arg[i], util.sorted_keys(DEFAULTS))
      fail("unknown option %s%s", arg[i], near and "; did you mean --" .. near .. "?" or "")
    end
    if arg[i + 1] == nil then fail("%s wants a value", arg[i]) end
    o[key] = math.type(DEFAULTS[key]) == "integer" and (math.tointeger(arg[i + 1]) or fail("%s wants an integer", arg[i])) or arg[i + 1]
    if math.type(o[key]) == "integer" and o[key] < 1 then fail("%s must be at least 1", arg[i]) end
  end
  if not workloads[o.workload] then fail("unknown workload '%s'; known are darts, fair, mbv2, pcdarts, resnet20", o.workload) end
  if o.precision ~= "f32" and o.precision ~= "bf16" then fail("precision is f32 or bf16, got %s", o.precision) end
  return o
end

local function median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  return sorted[#sorted // 2 + 1]
end

local function peak_mb()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmHWM:%s+(%d+)"
    if kb then return math.tointeger(kb) // 1024 end
  end
end

local function batch_of(n)
  local rng = vega.rng.new(0, "bench")
  local labels = {}
  for i = 1, n do labels[i] = rng:int(0, CLASSES - 1) end
  return vega.tensor.randn({ n, table.unpack(INPUT) }, rng), vega.tensor.new(labels, { dtype = "i32" })
end

-- `replay`: outputs of norms are computed anew rather than kept; nil: the trainer decides.
local function trainer(model, replay)
  return core.train.new(model, { optimiser = "sgd", lr = 0.025, momentum = 0.9, weight_decay = 3e-4, decay_norms = true, clip = 5,
    total_steps = 1000000, replay = replay })
end

-- One step of a workload: of the weights, and of a differentiable search one of the architecture before it.
local function stepper(work)
  local fit, arch = trainer(work.graph, work.searches), nil
  if work.searches then
    arch = core.train.new(work.graph, { group = "arch", optimiser = "adam", lr = 3e-4, beta1 = 0.5, weight_decay = 1e-3, total_steps = 1000000, replay = true })
  end
  return function(x, y, paths)
    if arch then assert(arch:step(x, y)) end
    return assert(fit:step(x, y, paths))
  end
end

local function time_steps(o)
  vega.threads(o.threads)
  local work = workloads[o.workload](INPUT, CLASSES)
  local model, paths = work.graph:precision(o.precision), work.paths or function() end
  local x, y = batch_of(o.batch)
  local step, times = stepper(work), {}
  step(x, y, paths(1))
  for i = 1, o.steps do
    local start = sys.clock()
    step(x, y, paths(i + 1))
    times[i] = sys.clock() - start
  end
  return { workload = o.workload, batch = o.batch, threads = o.threads, precision = o.precision, params = model:n_params(),
    min_s = math.min(table.unpack(times)), median_s = median(times), rss_mb = peak_mb() }
end

local function floor_of(o)
  vega.threads(o.threads)
  local peak, macs, acts, work = vega.cost.peak(o.precision), 0, 0, workloads[o.workload](INPUT, CLASSES)
  for _, network in ipairs(work.networks()) do
    local counts = vega.cost.count(network)
    macs, acts = macs + counts.macs, acts + counts.acts - CLASSES
  end
  local bytes = (o.precision == "f32" and 4 or 2) * o.batch * acts
  local arithmetic, traffic = 2 * (work.searches and 5 or 3) * macs * o.batch / peak.flops, (work.searches and 10 or 5) * bytes / peak.copy_bytes
  return { workload = o.workload, precision = o.precision, gflops = peak.flops / 1e9, copy_gb_s = peak.copy_bytes / 1e9,
    arithmetic_s = arithmetic, traffic_s = traffic, floor_s = arithmetic + traffic }
end

local function run_json(command)
  local output, code = sys.run(command)
  if not output then fail("%s", code) end
  if code ~= 0 then fail("'%s' ended with %d", table.concat(command, " "), code) end
  return assert(json.decode(output:match "(%b{})%s*$" or output))
end

local function peer_command(o)
  local shared = os.getenv "VEGA_SHARED" or "../shared"
  return { os.getenv "VEGA_PEER_PYTHON" or "python3", shared .. "/peers/torch_nas.py", o.workload, "--batch", tostring(o.batch), "--threads", tostring(o.threads),
    "--steps", tostring(o.steps), "--best", o.precision == "f32" and "f32" or "any" }
end

local function compare(o)
  local ours, theirs, ratios, last = {}, {}, {}, nil
  for i = 1, o.pairs do
    local mine = run_json { arg[-1], arg[0], "step", "--workload", o.workload, "--batch", tostring(o.batch), "--threads", tostring(o.threads),
      "--precision", o.precision, "--steps", tostring(o.steps) }
    last = run_json(peer_command(o))
    if mine.params ~= last.params then fail("parameters differ: %d here, %d there", mine.params, last.params) end
    ours[i], theirs[i], ratios[i] = mine.median_s, last.median_s, last.median_s / mine.median_s
    io.stderr:write(("pair %d: ours %.4f s, peer %.4f s, ratio %.2f, memory %d and %d MB\n"):format(i, ours[i], theirs[i], ratios[i], mine.rss_mb, last.rss_mb))
  end
  local floor = floor_of(o)
  return { workload = o.workload, precision = o.precision, ours_s = median(ours), peer_s = median(theirs), peer = last.peer, ratio = median(ratios),
    ratio_low = math.min(table.unpack(ratios)), ratio_high = math.max(table.unpack(ratios)), floor_s = floor.floor_s, of_floor = median(ours) / floor.floor_s }
end

-- What a trainer step says of loss and gradient, without moving anything: the rate is next to nothing.
local function look(model, group, x, y)
  local loss, _, norm = assert(core.train.new(model, { group = group, lr = 1e-30, total_steps = 1 }):step(x, y))
  return loss, norm
end

--- The peer's network with our weights and input must give our loss (and the norms of its gradients); the weights travel as .npz.
local function agree(o)
  vega.threads(o.threads)
  local work = workloads[o.workload](INPUT, CLASSES)
  if work.paths then fail("agree takes resnet20, darts and pcdarts") end
  local model = work.graph
  local x, y = batch_of(8)
  local bundle = { input = x, labels = y }
  for name, tensor in pairs(model:params()) do bundle[name] = tensor end
  local path = os.tmpname()
  os.remove(path)
  path = path .. ".npz"
  assert(core.io.save(path, bundle))
  local command = peer_command(o)
  local theirs = run_json { command[1], here .. "/peer_loss.py", command[2], o.workload, path }
  os.remove(path)
  local loss, norm = look(model, "weights", x, y)
  local difference = math.abs(loss - theirs.loss)
  local result = { workload = o.workload, ours = loss, peer = theirs.loss, difference = difference, agree = difference < 1e-4, grad_norm = norm,
    peer_grad_norm = theirs.grad_norm }
  if work.searches then
    local _, arch_norm = look(model, "arch", x, y)
    result.arch_norm, result.peer_arch_norm = arch_norm, theirs.arch_norm
  end
  return result
end

local function startup()
  local times = {}
  for i = 1, 21 do
    local start = sys.clock()
    sys.run { arg[-1], "-e", "" }
    times[i] = 1e3 * (sys.clock() - start)
  end
  return { startup_ms = median(times), min_ms = math.min(table.unpack(times)) }
end

local function ask(o) return dofile(here .. "/bench_ask.lua")(here, o) end

local function population(o) return dofile(here .. "/bench_population.lua")(o) end

local function space() return dofile(here .. "/bench_space.lua")() end

local COMMANDS = { ask = ask, population = population, space = space, step = time_steps, floor = floor_of, compare = compare, agree = agree,
  startup = startup }
local command = COMMANDS[arg[1]]
if not command then fail("expected ask, population, space, step, floor, compare, agree or startup, got %s", tostring(arg[1])) end
local result = command(options())
if result then print(json.encode(result)) end
