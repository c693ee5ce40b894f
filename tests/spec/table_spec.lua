local core = require "vega.core"
local helper = dofile(debug.getinfo(1, "S").source:match("^@(.*)table_spec%.lua$") .. "helper.lua")
local space = require "vega.space"
local strategy = require "vega.strategy"
local simulate = require "vega.simulate"
local read = require "vega.table"

local function near(expected, got, tolerance)
  if math.abs(expected - got) > tolerance then error(("expected %.10g, got %.10g"):format(expected, got), 2) end
end

local LONG = "opt,depth,epoch,seed,acc,time_s\n" ..
  "sgd,1,1,1,0.50,10\nsgd,1,1,2,0.52,12\nsgd,1,9,1,0.70,90\nsgd,1,9,2,0.74,92\n" ..
  "adam,1,1,1,0.60,11\nadam,1,1,2,0.62,11\nadam,1,9,1,0.65,99\nadam,1,9,2,0.67,99\n" ..
  "adam,2,1,1,0.40,20\nadam,2,1,2,0.40,20\nadam,2,9,1,0.80,180\nadam,2,9,2,0.90,180\n"

local function long(options)
  local o = { file = helper.write(helper.scratch "long.csv", LONG), space = { "opt", "depth" }, objectives = { acc = "max" }, fidelity = "epoch",
    seconds = "time_s" }
  for key, value in pairs(options or {}) do o[key] = value end
  return read(o)
end

describe("a table of one's own", function()
  it("gives a space, values, seconds, the best known", function()
    local t = assert(long())
    assert.equal("adam, sgd", table.concat(t.space.by_name.opt.domain.values, ", "))
    assert.equal(3, #t.members)
    assert.same({ name = "epoch", min = 1, max = 9 }, t.fidelity)
    local values = t:evaluate { opt = "sgd", depth = 1 }
    near(0.72, values.acc, 1e-12)
    assert.equal(91, values.seconds)
    local best, arch = t:best()
    near(0.85, best, 1e-12)
    assert.same({ opt = "adam", depth = 2 }, arch)
    near(0.13, t:regret(values), 1e-12)
    near(0.41, t:evaluate({ opt = "adam", depth = 2 }, nil, 1).acc, 0.011)
    assert.equal(111, t.spent_s)
    assert.error_matches(function() t:best "accc" end, "unknown objective or score 'accc'; did you mean 'acc'")
  end)

  it("forbids what is not in it", function()
    local t = assert(long())
    assert.equal(4, t.space.size)
    local rng = core.rng.new(1, "x")
    for _ = 1, 50 do assert(t:evaluate(t.space:random(rng))) end
    assert.is_nil((t.space:check { opt = "sgd", depth = 2 }))
    local values, message, code = t:evaluate { opt = "sgd", depth = 2 }
    assert.is_nil(values)
    assert.matches("has no such architecture: depth=i:2, opt=s:3:sgd", message)
    assert.equal("EARG", code)
  end)

  it("draws a repeat by the trial's seed, or takes the mean", function()
    local t, seen = assert(long { repeats = "draw" }), {}
    for seed = 0, 9 do seen[t:evaluate({ opt = "sgd", depth = 1 }, { seed = seed }, 9).acc] = true end
    assert.same({ [0.70] = true, [0.74] = true }, seen)
    assert.equal(t:evaluate({ opt = "sgd", depth = 1 }, { seed = 3 }).acc, t:evaluate({ opt = "sgd", depth = 1 }, { seed = 3 }).acc)
  end)

  it("counts only the piece that is trained, and interpolates between fidelities", function()
    local t, arch = assert(long()), { opt = "adam", depth = 2 }
    assert.equal(20, t:evaluate(arch, { fidelity = { from = 0, to = 1 } }).seconds)
    assert.equal(160, t:evaluate(arch, { fidelity = { from = 1, to = 9 } }).seconds)
    local middle = t:evaluate(arch, nil, 5)
    near(0.4 + 0.45 / 2, middle.acc, 1e-12)
    near(100, middle.seconds, 1e-9)
    local values, message = t:evaluate(arch, nil, 10)
    assert.same({ nil, "table 'long.csv': epoch 10 is outside of 1 to 9" }, { values, (message:gsub("'%d+_", "'")) })
  end)

  it("reports each step and ends where it is told to", function()
    local t, steps = assert(long()), {}
    local values = t:evaluate({ opt = "adam", depth = 2 }, { fidelity = { from = 1, to = 9 }, report = function(step, v)
      steps[#steps + 1] = ("%d %.2f"):format(step, v.acc)
      return step == 4 and "stop" or "continue"
    end })
    assert.same({ "2 0.46", "3 0.51", "4 0.57" }, steps)
    near(60, values.seconds, 1e-9)
  end)

  it("reads repeats and fidelities side by side, filters, joins and renames", function()
    local results = helper.write(helper.scratch "results.csv",
      "task,id,e1,e9_a,e9_b,t1,t9\nx,1,0.5,0.6,0.8,1,9\nx,2,0.4,0.7,0.8,2,18\ny,1,0.1,0.2,0.3,1,9\n")
    local configs = helper.write(helper.scratch "configs.csv", "id,lr,code\n1,0.1,01\n2,0.01,02\n")
    local t = assert(read { file = results, where = { task = "x" }, join = { file = configs, on = "id" }, space = { "lr", "code" },
      fidelity = { name = "epochs" }, objectives = { acc = "max" }, scores = { last = "max" }, seconds = read.at { [1] = "t1", [9] = "t9" },
      values = { acc = read.at { [1] = "e1", [9] = read.repeats { "e9_a", "e9_b" } }, last = read.repeats { "e9_a", "e9_b" } } })
    assert.same({ 1, 9 }, t.levels)
    assert.same({ acc = 0.5, last = 0.7, seconds = 1 }, t:evaluate({ lr = 0.1, code = "01" }, nil, 1))
    assert.same({ acc = 0.75, last = 0.75, seconds = 18 }, t:evaluate { lr = 0.01, code = "02" })
    near(0.75, t:best "last", 1e-12)
  end)

  it("answers with the nearest row where it is asked to", function()
    local rows = { { lr = 0.001, opt = "sgd", loss = 3 }, { lr = 0.1, opt = "sgd", loss = 2 }, { lr = 0.1, opt = "adam", loss = 1 } }
    local t = assert(read { rows = rows, space = { "opt", lr = space.float(1e-4, 1, { log = true }) }, objectives = { loss = "min" },
      lookup = "nearest" })
    assert.equal(3, t:evaluate({ opt = "sgd", lr = 0.005 }).loss)
    assert.equal(2, t:evaluate({ opt = "sgd", lr = 0.05 }).loss)
    assert.equal(1, t:evaluate({ opt = "adam", lr = 0.0001 }).loss)
    local blended = assert(read { rows = { { x = 0, v = 1 }, { x = 4, v = 2 }, { x = 10, v = 5 } }, space = { x = space.float(0, 10) },
      objectives = { v = "min" }, lookup = "interpolate" })
    assert.equal(2, blended:evaluate({ x = 4.0 }).v)
    local a, b, c = 1 / 4, 1 / 4, 1 / 64                 -- inverse squares of the distances from 2
    near((a * 1 + b * 2 + c * 5) / (a + b + c), blended:evaluate({ x = 2.0 }).v, 1e-12)
    local inferred = assert(read { rows = { { x = 1, y = 0.5, v = 1 }, { x = 7, y = 2.5, v = 2 } }, space = { "x", "y" }, objectives = { v = "min" },
      lookup = "nearest" })
    assert.equal("int [1, 7]", inferred.space.by_name.x.domain:describe())
    assert.equal("float [0.5, 2.5]", inferred.space.by_name.y.domain:describe())
  end)

  it("reads conditional spaces: an empty field does not apply", function()
    local path = helper.write(helper.scratch "c.csv", "opt,opt.sgd.momentum,v\nsgd,0.5,1\nsgd,0.9,2\nadam,,3\n")
    local t = assert(read { file = path, objectives = { v = "max" }, space = space.define { name = "c", choices = {
      opt = space.choice { sgd = { momentum = space.ordinal { 0.5, 0.9 } }, adam = {} } } } })
    assert.equal(3, t:evaluate({ opt = "adam" }).v)
    assert.equal(2, t:evaluate({ opt = "sgd", ["opt.sgd.momentum"] = 0.9 }).v)
  end)

  it("reads JSON as rows and as columns, the same as CSV", function()
    local rows = helper.write(helper.scratch "rows.json", '[{"a": 1, "b": "x", "v": 0.5}, {"a": 2, "b": "y", "v": 0.25}]')
    local columns = helper.write(helper.scratch "columns.json", '{"a": [1, 2], "b": ["x", "y"], "v": [0.5, 0.25]}')
    local csv = helper.write(helper.scratch "same.csv", "a,b,v\n1,x,0.5\n2,y,0.25\n")
    for _, path in ipairs { rows, columns, csv } do
      local t = assert(read { file = path, space = { "a", "b" }, objectives = { v = "min" } })
      assert.equal(0.25, t:evaluate({ a = 2, b = "y" }).v)
      assert.equal(0.25, (t:best()))
    end
  end)

  it("is what a study evaluates", function()
    local t = assert(long())
    local study = require "vega.study" { space = t.space, evaluate = t, objectives = t.objectives, strategy = strategy.random {}, seed = 1,
      quiet = true }
    local front = study:run()
    near(0.85, front:best().values.acc, 1e-12)
    assert.equal(3, #study:trials())
    study:close()
  end)
end)

describe("a table that is wrong", function()
  local function refused(text, options, ending)
    local o = { file = helper.write(helper.scratch("t" .. (ending or ".csv")), text), space = { "a" }, objectives = { v = "max" } }
    for key, value in pairs(options or {}) do o[key] = value end
    local t, message, code = read(o)
    assert.is_nil(t)
    return message, code
  end

  it("is refused with row and column", function()
    local function check(expected, ...)
      local message, code = refused(...)
      assert.matches(expected, message)
      assert.equal("EFORMAT", code)
    end
    check("row 2, column 'v': a number expected, got 'abc'", "a,v\n1,0.5\n2,abc\n")
    check("row 2, column 'v': a number expected, got ''", "a,v\n1,0.5\n2,\n")
    check("row 3, column 'a' is empty", "a,v\n1,0.5\n2,1\n,2\n")
    check("row 2 %(line 3%) has 1 fields, the header names 2 columns", "a,v\n1,2\n3\n")
    check("row 2: space .*'a' is 9, expected ordinal", "a,v\n1,2\n9,3\n", { space = { a = space.ordinal { 1, 2 } } })
    check("row 1 has no row with e = 3", "a,e,v\n1,1,2\n2,1,3\n2,3,4\n", { fidelity = "e" })
    check("row 2, column 'v': a number, text or boolean expected, got table", '[{"a": 1, "v": 1}, {"a": 1, "v": []}]', nil, ".json")
    check("a list of rows or an object of columns expected", '"text"', nil, ".json")
    check("column 'v' has 1 values, the others 2", '{"a": [1, 2], "v": [1]}', nil, ".json")
    check("has no rows", "a,v\n")
  end)

  it("is refused when it is not there, or the options are wrong", function()
    local t, message, code = read { file = "/nowhere/x.csv", space = { "a" }, objectives = { v = "max" } }
    assert.is_nil(t)
    assert.matches("/nowhere/x.csv", message)
    assert.equal("EIO", code)
    local path = helper.write(helper.scratch "w.csv", "accuracy,v\n1,2\n3,4\n")
    local function raises(expected, options)
      assert.error_matches(function()
        options.file = options.file or path
        read(options)
      end, expected)
    end
    raises("table .*w.csv: unknown column 'acuracy'; did you mean 'accuracy'", { space = { "acuracy" }, objectives = { v = "max" } })
    raises("unknown option 'objectivs'; did you mean 'objectives'", { space = { "v" }, objectivs = {} })
    raises("lookup is one of exact, nearest, interpolate; got 'near'", { space = { "v" }, objectives = { v = "max" }, lookup = "near" })
    raises("no row has v = 7", { space = { "accuracy" }, objectives = { v = "max" }, where = { v = 7 } })
    raises("2 architectures of a space with no end", { space = { accuracy = space.float(0, 9) }, objectives = { v = "max" } })
    raises("ends in .csv, .csv.gz or .json", { file = "x.txt", space = { "v" }, objectives = { v = "max" } })
    local _, located = pcall(function() read { file = path, space = { "acuracy" }, objectives = { v = "max" } } end)
    assert.matches("table_spec.lua:%d+: table", located)
    assert.error_matches(function() return read.nas_bench_21 end, "did you mean 'nas_bench_201'")
  end)
end)

describe("known tables", function()
  local shared = (os.getenv "VEGA_SHARED" or "../shared") .. "/data/"
  local function present(name) return core.sys.list(shared .. name) ~= nil end

  -- The expected score of the best by `objective` of n draws without replacement, exactly: the row of rank i from the top is the best with
  -- probability C(N - i, n - 1) / C(N, n).
  local function expected_of_random(t, n)
    local rows = {}
    for i, member in ipairs(t.members) do rows[i] = t:evaluate(member.arch) end
    table.sort(rows, function(a, b) return a.accuracy > b.accuracy end)
    local p, sum = n / #rows, 0.0
    for i, v in ipairs(rows) do
      sum = sum + p * v.test_accuracy
      if #rows - i - n + 1 <= 0 then break end
      p = p * (#rows - i - n + 1) / (#rows - i)
    end
    return sum
  end

  local function mean_of(t, descriptor, runs)
    local sum = 0.0
    for seed = 1, runs do
      sum = sum + simulate { problem = t, strategy = descriptor, budget = { trials = 100 }, seed = seed }.driver:best().values.test_accuracy
    end
    return sum / runs
  end

  for _, each in ipairs { { "cifar10", 93.74, 93.99, 94.373, 0.05 }, { "cifar100", 71.19, 72.06, 73.513, 0.14 },
    { "imagenet16-120", 44.90, 45.55, 47.311, 0.15 } } do
    local name, random, aging, best, error_of_100 = table.unpack(each)
    it("NAS-Bench-201, " .. name .. ": the published protocol", function()
      if not present "nas-bench-201" then return pending "no shared data" end
      local t = assert(read.nas_bench_201(name, { epochs = 12 }))
      assert.equal(15625, #t.members)
      near(best, t:best "test_accuracy", 1e-3)
      near(random, expected_of_random(t, 100), 0.05)
      near(random, mean_of(t, strategy.random {}, 100), 3 * error_of_100)
      near(aging, mean_of(t, strategy.aging { population = 10, tournament = 3 }, 200), 0.1 + 2 * error_of_100 / math.sqrt(2))
    end)
  end

  it("NAS-Bench-201: fidelities, seconds, counts", function()
    if not present "nas-bench-201" then return pending "no shared data" end
    local t = assert(read.nas_bench_201 "cifar10")
    local cell = assert(space "nb201".parse "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|")
    local early, late = t:evaluate(cell, nil, 12), t:evaluate(cell)
    assert.same({ 82.834, 93.66, 802426, 113951370 }, { early.accuracy, late.accuracy, early.params, early.macs })
    near(200 / 12, late.seconds / early.seconds, 0.02)
    -- Index 465 of the table was timed: 67.9 s at 12 epochs.
    local timed, found = assert(core.csv.read(shared .. "nas-bench-201/nasbench201.csv.gz")), nil
    for i = 1, timed.rows do if timed.columns.index[i] == 465 then found = space "nb201".parse(timed.columns.arch[i]) end end
    assert.equal(67.9, t:evaluate(found, nil, 12).seconds)
  end)

  it("NAS-Bench-Macro: the best network and the three repeats", function()
    if not present "nas-bench-macro" then return pending "no shared data" end
    local t = assert(read.nas_bench_macro())
    assert.equal(6561, #t.members)
    local best, arch = t:best()
    near(93.127, best, 1e-3)
    local digits = {}
    for i = 1, 8 do digits[i] = ({ identity = 0, mb3_k3 = 1, mb6_k5 = 2 })[arch["layer" .. i]] end
    assert.equal("22212202", table.concat(digits))                -- 22212220 has the same three results and comes later in the file
    local drawn, seen, kinds = assert(read.nas_bench_macro { repeats = "draw" }), {}, 0
    for seed = 0, 20 do
      local v = drawn:evaluate(arch, { seed = seed }).accuracy
      if not seen[v] then seen[v], kinds = true, kinds + 1 end
    end
    assert.is_true(kinds == 2 or kinds == 3)
  end)

  it("LCBench: the best of each task", function()
    if not present "hpo-lcbench-surrogate" then return pending "no shared data" end
    for task, best in pairs { [3945] = 99.608, [7593] = 81.594, [189862] = 87.368 } do
      local t = assert(read.lcbench(task))
      near(best, t:best(), 1e-9)
      assert.same({ 1, 3, 9, 27, 50 }, t.levels)
    end
    assert.error_matches(function() read.lcbench(1) end, "lcbench: task 1 is not one of 3945")
  end)
end)
