local core = require "vega.core"
local helper = dofile(debug.getinfo(1, "S").source:match("^@(.*)study_tables_spec%.lua$") .. "helper.lua")

local function study(out, arguments)
  return helper.run(("%%s scripts/study_tables.lua --out %s %s"):format(out, arguments))
end

local function rows(out)
  local by = {}
  for _, row in ipairs(core.json.decode(helper.read(out .. "/table.json"))) do by[row.problem .. " " .. row.strategy] = row end
  return by
end

describe("study_tables", function()
  it("compares strategies, is not begun anew, and heals a line that was cut off", function()
    local out = helper.scratch "study"
    local arguments = "--problems branin,micro2 --strategies random,nsga2:population=6,aging --seeds 3 --budget 12 --jobs 2"
    local code, printed, progress = study(out, arguments)
    assert.equal(0, code, progress)
    assert.equal(out .. "/study.html\n", printed)
    assert.matches("9/9", progress)
    assert.matches("micro2, aging: cannot: strategy 'aging' takes one objective", progress)
    local first = rows(out)
    assert.equal(3, first["branin random"].n)
    assert.is_nil(first["branin random"].beats_random)
    assert.is_true(first["branin aging"].beats_random >= 0)
    assert.is_true(first["branin-batch4 nsga2:population=6"].median >= 0)
    assert.is_true(first["micro2 random"].median < 1)
    assert.is_nil(first["micro2 aging"])
    assert.matches("| branin: regret after 120 evaluations, less is better |", helper.read(out .. "/table.md"), 1, true)
    assert.matches("^<svg xmlns", helper.read(out .. "/plot.svg"))
    assert.is_nil(helper.read(out .. "/study.html"):find "src=")             -- nothing is fetched

    local file = out .. "/runs/branin.random.jsonl"
    local stored = helper.read(file)
    assert.equal(0, (study(out, arguments)))
    assert.equal(stored, helper.read(file))
    helper.write(file, stored:sub(1, -20))
    assert.equal(0, (study(out, arguments)))
    local healed = rows(out)["branin random"]
    assert.same({ first["branin random"].median, 3 }, { healed.median, healed.n })
  end)

  it("ends a run at its time limit and says so", function()
    local out = helper.scratch "limited"
    assert.equal(0, (study(out, "--problems zdt1 --strategies random --seeds 2 --limit 0")))
    local row = rows(out)["zdt1 random"]
    assert.same({ 1, 1, 1 }, { row.n, row.stopped, row.mean_trials })
    assert.matches("1 ended by the time limit, after 1 trials", helper.read(out .. "/table.md"))
  end)

  it("judges the population where a strategy keeps one, as the references do", function()
    local vega = require "vega"
    local entry
    for _, each in ipairs(dofile "scripts/study/protocol.lua") do if each.name == "zdt1" then entry = each end end
    local problem = entry.make()
    local run = vega.simulate { problem = problem, strategy = vega.strategy.nsga2 { population = 12 }, budget = { trials = 1500 }, seed = 1 }
    local all = {}
    for i, trial in ipairs(run.driver:front()) do all[i] = trial.costs end
    assert.equal(12, #run.driver.method.population.members)
    assert.is_true(#all > 12)
    local score = entry.score(run, problem)
    assert.is_true(score > 0 and score < problem:hypervolume(all))
  end)

  it("names what it does not know", function()
    local code, _, message = study("x", "--problem branin")
    assert.equal(2, code)
    assert.matches("unknown option %-%-problem; did you mean %-%-problems", message)
    code, _, message = study("x", "--problems banana")
    assert.equal(2, code)
    assert.matches("no problem is named or begins with 'banana'", message)
  end)
end)

describe("bench ask", function()
  it("gives one line a strategy", function()
    local code, out, err = helper.run "%s scripts/bench.lua ask --strategies random,aging --counts 20,80 --limit 30"
    assert.equal(0, code, err)
    local lines = {}
    for text in out:gmatch "[^\n]+" do
      local line = core.json.decode(text)
      if not line.peer then lines[#lines + 1] = line end
    end
    assert.equal("random", lines[1].strategy)
    assert.equal("aging", lines[2].strategy)
    assert.is_true(lines[1].us["20"] > 0 and lines[1].us["80"] > 0)
    assert.is_nil(lines[1].stopped_at)
  end)
end)

describe("examples/own_table.lua", function()
  it("runs", function()
    local code, out, err = helper.run "%s examples/own_table.lua"
    assert.equal(0, code, err)
    assert.matches("best known: 0.8838 with sgd, lr 0.1, depth 4", out)
    assert.matches("aging +mean regret after 24 of 48 trials: 0%.%d+", out)
  end)
end)
