--- What people get wrong, and what they read then: one message that names the mistake, at their line, and the exit code.
local helper = require "spec.helper"

-- Each: a script (run with `local vega = require "vega"` as its line 1) and how the message begins, "#" standing for the script's "path:line: ".
local MISTAKES = {
  { "local x = = 2", "#2: unexpected symbol near '='" },
  { "local s = vega.studdy {}", "#2: vega has no member 'studdy'; did you mean 'study'?" },
  { "local x = require 'vegga'", "#2: module 'vegga' not found:" },
  { "local function f() return 1 + f() end\nf()", "#2: stack overflow" },
  { "error { x = 1 }", "the error is a table value" },
  { "error { message = 'no disk' }", "no disk" },
  { "error()", "the error is a nil value" },
  -- operators and tensors
  { "local y = vega.op.conv2(vega.tensor.ones { 1 })", "#2: no operator 'conv2'; did you mean 'conv2d'?" },
  { "local y = vega.op.conv2d(vega.tensor.ones { 1, 4, 4, 3 }, vega.tensor.ones { 8, 3, 3, 3 }, { stirde = 2 })",
    "#2: conv2d: unknown option 'stirde', did you mean 'stride'?" },
  { "local x, w = vega.tensor.ones { 1, 4, 4, 3 }, vega.tensor.ones { 8, 3, 3, 16 }\nlocal y = vega.op.conv2d(x, w)",
    "#3: conv2d: input has 3 channels in 1 groups, weight wants 16 channels a group" },
  { "local y = vega.op.relu(nil)", "#2: relu: input 1 is missing" },
  { "local y = vega.op.relu 'x'", "#2: relu: argument 1 must be a tensor, got string" },
  { "local y = vega.tensor.ones { 2 }:rellu()", "#2: tensor has no member 'rellu'; did you mean 'relu'?" },
  { "local t\ndo local u <close> = vega.tensor.ones { 2 } t = u end\nlocal y = t:sum()", "#4: bad argument #1 to 'index' (the tensor is closed)" },
  { "local t\ndo local u <close> = vega.tensor.ones { 2 } t = u end\nlocal y = t + 1", "#4: scale: argument 1 is a closed tensor" },
  { "local t\ndo local u <close> = vega.tensor.ones { 2 } t = u end\nlocal y = vega.op.add(t, vega.tensor.ones { 2 })", "#4: add: argument 1 is a closed tensor" },
  { "local t = vega.tensor.ones({ 2 }, { dtype = 'f64' })", "#2: bad argument #3 to 'ones' (dtype f32, bf16, i32 or u8 expected, got 'f64')" },
  { "local t = vega.tensor.ones { 2, -1 }", "#2: bad argument #1 to 'ones' (axis 2 of the shape: a whole number >= 0 expected, got -1)" },
  { "local t = vega.tensor.ones { 1 << 40, 1 << 30 }", "#2: tensor: shape is too large" },
  { "local t = assert(vega.tensor.ones { 1 << 40 })", "#2: tensor memory limit of " },
  { "local a = vega.tensor.ones { 2, 3 } + vega.tensor.ones { 2, 4 }", "#2: add: " },
  -- data
  { "local d = vega.data 'fashion-mist'", "#2: data: unknown data set 'fashion-mist'; did you mean 'fashion-mnist'?" },
  { "local d = vega.data('mnist', { pth = '/nowhere' })", "#2: data: unknown option 'pth'; did you mean 'path'?" },
  { "local d = assert(vega.data('mnist', { path = '/nowhere' }))", "#2: data set 'mnist' is missing (not in /nowhere): set VEGA_DATA to the folder that holds mnist/" },
  { "local d = assert(vega.data { kind = 'idxx', path = '/' })", "#2: data: unknown kind 'idxx'; did you mean 'idx'?" },
  { "local t = assert(vega.io.load '/nowhere.npy')", "#2: /nowhere.npy: No such file or directory" },
  { "local t = vega.io.load '/etc/passwd'", "#2: /etc/passwd: expected a name that ends in .npy, .npz or .safetensors" },
  { "vega.json.encode(print)", "#2: json: a function cannot be written" },
  { "assert(vega.json.decode '{')", "#2: json: line 1, column 1: " },
  -- spaces and strategies
  { "local s = vega.space 'mobile_tny'", "#2: space 'mobile_tny' is not found; did you mean 'mobile_tiny'?" },
  { "local s = vega.space 'mobile_tiny'\nlocal n = s:network({ stem = 9 }, { 28, 28, 1 }, 10, 1)", "#3: space 'mobile_tiny': " },
  { "local s = vega.strategy.ageing {}", "#2: strategy 'ageing' is not found; did you mean 'aging'?" },
  { "local s = vega.strategy.aging { populaton = 3 }", "#2: strategy 'aging': unknown option 'populaton'; did you mean 'population'?" },
  { "local s = vega.strategy.aging { population = 0 }", "#2: strategy 'aging': population must be >= 1, got 0" },
  { "local s = vega.strategy.aging { population = 'many' }", "#2: strategy 'aging': population must be a number, got string" },
  { "local s = vega.scheduler.ashaa {}", "#2: scheduler 'ashaa' is not found; did you mean 'asha'?" },
  { "local s = vega.problem.branni()", "#2: vega.problem: unknown name 'branni'; did you mean 'branin'?" },
  -- networks, training
  { "local m = vega.nn.network({ 28, 28, 1 }, function(net)\nlocal y = net:conv_bn(net:input(), 8, { kernl = 3 })\nreturn y end, { seed = 1 })",
    "#3: conv_bn: unknown option 'kernl'; did you mean 'kernel'?" },
  { "vega.train.fit { model = 1, data = 2, optimizer = {} }", "#2: train.fit: unknown option 'optimizer'; did you mean 'optimiser'?" },
  { "vega.train.fit { model = 1, data = 2 }", "#2: train.fit: model: a network expected, got number" },
  { "local e = vega.evaluate.train { data = {}, epochs = 3 }", "#2: evaluate.train: data: a data set or { train =, test = } expected, got table" },
  { "local e = vega.evaluate.train { data = nil, epochs = 3 }", "#2: evaluate.train: option 'data' is missing" },
  { "vega.threads(0)", "#2: bad argument #1 to 'threads' (a number of threads from 1 to 1024 expected)" },
}

local function numbered(path, message) return (message:gsub("^#", function() return path .. ":" end)) end

describe("a mistake in a script", function()
  for _, m in ipairs(MISTAKES) do
    it("is told: " .. m[2]:sub(1, 60), function()
      local code, out, err, path = helper.script('local vega = require "vega"\n' .. m[1])
      assert.equal(1, code)
      assert.equal("", out)
      local wanted = "vega-lua: " .. numbered(path, m[2])
      assert.equal(wanted, err:sub(1, #wanted))
      assert.truthy(select(2, err:gsub("\n", "")) <= 8 or m[2]:find "module", err)
    end)
  end
end)

-- Studies -----------------------------------------------------------------------------------------------------------------------------

local STUDY = [[
local vega = require "vega"
local space = vega.space.define { name = "s", choices = function(s) s:choice("a", { 1, 2, 3, 4, 5, 6, 7, 8 }) end }
local o = { space = space, strategy = vega.strategy.random {}, objectives = { acc = "max" }, budget = { trials = 3 }, seed = 1, quiet = true }
o.evaluate = function(arch, trial) return { acc = arch.a } end
%s
local study = vega.study(o)
print(assert(study:run()))
]]

local function study(change) return helper.script(STUDY:format(change)) end

describe("a mistake in a study", function()
  for change, message in pairs {
    ["o.evalute = o.evaluate o.evaluate = nil"] = "study: unknown option 'evalute'; did you mean 'evaluate'?",
    ["o.objectives = { acc = 'maximise' }"] = "objectives: 'acc' must be \"min\" or \"max\", got 'maximise'",
    ["o.budget = { trails = 3 }"] = "study: budget: unknown option 'trails'; did you mean 'trials'?",
    ["o.budget = { trials = -3 }"] = "study: budget.trials must be > 0, got -3",
    ["o.budget = 12"] = "study: budget: a table of options expected, got number",
    ["o.space = { 'a' }"] = "study: space: the name of a search space or vega.space.define { ... } expected, got table",
    ["o.store = 12"] = "study: store must be a string, got number",
    ["o.name = {}"] = "study: name must be a string, got table",
    ["o.seed = 'x'"] = "study: seed must be a whole number, got x",
    ["o.evaluate = 3"] = "study: evaluate must be a function or an object with evaluate(self, arch, trial) or evaluate_batch(self, archs, trials), got number",
    ["o.strategy = nil"] = "study: option 'strategy' is missing",
  } do
    it("is told at its line: " .. message:sub(1, 50), function()
      local code, _, err, path = study(change)
      assert.equal(1, code)
      local wanted = ("vega-lua: %s:6: %s"):format(path, message)
      assert.equal(wanted, err:sub(1, #wanted))
    end)
  end

  it("of an evaluation fails its trials, and the script when none succeeded, with 3", function()
    for body, message in pairs {
      ["local x = arch.a .. nil"] = "script.lua:5: attempt to concatenate a nil value",
      ["return { acc = 0 / 0 }"] = "objective 'acc' is nan",
      ["return { acc = math.huge }"] = "objective 'acc' is inf",
      [""] = "evaluate returned nothing",
      ["return 'good'"] = "evaluate must return a table of values, got string",
      ["return { accuracy = 1 }"] = "objective 'acc' is missing",
      ["return { acc = '1' }"] = "objective 'acc' is a string, a number expected",
      ["return nil, 'diverged', 'ENAN'"] = "diverged",
      ["error { 1 }"] = "an error without a message",
      ["error()"] = "nil",
      ["trial.report('x', 3)"] = "script.lua:5: trial:report: a whole number of steps expected, got x",
      ["trial.report(1, { loss = 'a' })"] = "script.lua:5: trial:report: 'loss' is a string, a number expected",
    } do
      local code, out, err = study("o.evaluate = function(arch, trial) " .. body .. " end")
      assert.equal(3, code, err)
      assert.equal("", out)
      assert.truthy(err:match "^vega%-lua: study 'study': all %d trials failed; the last one: [^\n]*\n$", err)
      assert.truthy(err:find(message, 1, true), err)
    end
  end)

  it("leaves the other trials alone", function()
    local code, out = study "o.evaluate = function(arch) arch.a = arch.a * 10 if arch.a > 30 then error 'too large' end return { acc = arch.a } end o.budget.trials = 8"
    assert.equal(0, code)
    assert.truthy(out:match "\n +%d +30\n$", out)
  end)
end)

describe("a store", function()
  local function with(path) return ("o.store = %q"):format(path) end

  it("that is no database, or another program's, is refused with 4 and left as it is", function()
    local path = helper.write(helper.scratch "notes.db", ("these are notes\n"):rep(200))
    local code, _, err = study(with(path))
    assert.equal(4, code)
    assert.equal(("vega-lua: study 'study' in %s: store: the file is no SQLite database, or damaged (EFORMAT)\n"):format(path), err)
    assert.equal(("these are notes\n"):rep(200), helper.read(path))
  end)

  it("of a newer version is refused with 4", function()
    local path = helper.scratch "newer.db"
    assert.equal(0, (study(with(path))))
    local bytes = helper.read(path)
    local at = assert(bytes:find("schema_version", 1, true)) + #"schema_version"
    helper.write(path, bytes:sub(1, at - 1) .. "9" .. bytes:sub(at + 1))
    local code, _, err = study(with(path))
    assert.equal(4, code)
    assert.truthy(err:find("(schema 9, this program knows 2); use that one, or export there and import here (EFORMAT)", 1, true), err)
  end)

  it("in a folder that cannot be written is refused with 4", function()
    local code, _, err = study(with "/proc/runs/study.db")
    assert.equal(4, code)
    assert.truthy(err:find("cannot create the folder '/proc/runs'", 1, true), err)
    code, _, err = study(with "/proc/study.db")
    assert.equal(4, code)
    assert.truthy(err:find("study 'study' in /proc/study.db: store: cannot open '/proc/study.db'", 1, true), err)
  end)

  it("that was begun with something else is refused with 4, naming it", function()
    local path = helper.scratch "begun.db"
    assert.equal(0, (study(with(path))))
    local code, _, err = study(with(path) .. " o.seed = 2")
    assert.equal(4, code)
    assert.truthy(err:find("was begun with another seed", 1, true), err)
  end)

  it("on a full disk ends with 5, and the study goes on when there is room again", function()
    local path = helper.scratch "full.db"
    local script = helper.write(helper.scratch "script.lua", STUDY:format(with(path) ..
      " o.budget.trials = 8 o.evaluate = function(arch, trial) for i = 1, 200 do trial.report(i, { loss = i }) end return { acc = arch.a } end"))
    local code, _, err = helper.run("trap '' XFSZ; ulimit -f 400; %s " .. script)       -- files of at most 400 KiB stand for the full disk
    assert.equal(5, code, err)
    assert.truthy(err:match "^vega%-lua: study 'study': store: [^\n]*%(EIO%)\n$", err)
    local done = #assert(require("vega.core").store.open(path)):run("trial_list", 1)
    assert.is_true(done >= 1 and done < 8, "trials: " .. done)
    local out
    code, out = helper.run("%s " .. script)
    assert.equal(0, code)
    assert.truthy(out:match "\n +%d +8\n$", out)
  end)
end)

describe("too little memory", function()
  if os.getenv "VEGA_SANITIZE" then return pending "a limit on addresses leaves the sanitizer none" end
  it("in a script ends with 5", function()
    local path = helper.write(helper.scratch "script.lua", "local t = ('x'):rep(1 << 20) while true do t = t .. t end")
    local code, _, err = helper.run("ulimit -v 1500000; %s " .. path)
    assert.equal(5, code)
    assert.equal("vega-lua: not enough memory\n", err)
  end)

  it("in an evaluation fails its trial alone", function()
    local path = helper.write(helper.scratch "script.lua", STUDY:format [[
o.evaluate = function(arch)
  if arch.a > 4 then local t = ('x'):rep(1 << 20) while true do t = t .. t end end
  return { acc = arch.a }
end
o.budget.trials = 8]] .. "for _, t in ipairs(study:trials()) do if t.reason then print(t.reason, t.message) end end")
    local code, out, err = helper.run("ulimit -v 1500000; %s " .. path)
    assert.equal(0, code, err)
    assert.equal(4, select(2, out:gsub("oom\tnot enough memory\n", "")))
    assert.truthy(out:match "\n +%d +4\n", out)
  end)
end)
