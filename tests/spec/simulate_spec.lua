local problem = require "vega.problem"
local simulate = require "vega.simulate"
local space = require "vega.space"
local strategy = require "vega.strategy"

-- A problem whose trials last as many seconds as their number says.
local function timed(seconds)
  return problem.define { name = "timed", space = space.define { name = "timed", choices = { n = space.int(1, 1000) } }, objectives = { v = "min" },
    values = function(arch) return { v = arch.n, seconds = seconds(arch.n) } end }
end

-- Asks for 1, 2, 3, ... and notes how many answers it knew at each.
local function counter()
  local Counter = { name = "counter" }
  Counter.__index = Counter
  function Counter.new() return setmetatable({ next = 0, told = {}, knew = {} }, Counter) end
  function Counter:ask()
    self.next = self.next + 1
    self.knew[self.next] = #self.told
    return { n = self.next }
  end
  function Counter:tell(trial) self.told[#self.told + 1] = trial.arch.n end
  return Counter
end

describe("simulate", function()
  it("with one worker tells each before it asks for the next", function()
    local run = simulate { problem = timed(function(n) return n end), strategy = counter(), budget = { trials = 5 } }
    assert.same({ 0, 1, 2, 3, 4 }, run.driver.method.knew)
    assert.equal(15, run.now)
    assert.equal(5, run.told)
  end)

  it("with four workers and trials of equal length is a search in batches", function()
    local run = simulate { problem = timed(function() return 2 end), strategy = counter(), budget = { trials = 9 }, workers = 4 }
    assert.same({ 0, 0, 0, 0, 4, 4, 4, 4, 8 }, run.driver.method.knew)
    assert.equal(6, run.now)
  end)

  it("tells in the order of arrival", function()
    local length = { 5, 1, 1, 1, 10 }
    local run = simulate { problem = timed(function(n) return length[n] end), strategy = counter(), budget = { trials = 5 }, workers = 2 }
    assert.same({ 2, 3, 4, 1, 5 }, run.driver.method.told)             -- at 1, 2, 3, 5 and 3 + 10
    assert.equal(13, run.now)
  end)

  it("tells nothing that ends after the last second", function()
    local run = simulate { problem = timed(function() return 3 end), strategy = counter(), budget = { seconds = 10 }, workers = 2 }
    assert.equal(6, run.told)
    assert.equal(9, run.now)
  end)

  it("ends when it is told to and when nothing is left", function()
    local run = simulate { problem = problem.branin(), strategy = strategy.random {}, budget = { trials = 50 }, seed = 2,
      on_tell = function(r) return r.told == 7 end }
    assert.equal(7, run.told)
    local small = problem.define { name = "two", space = space.define { name = "two", choices = { n = space.int(1, 2) } }, objectives = { v = "min" },
      values = function(arch) return { v = arch.n } end }
    assert.equal(2, simulate { problem = small, strategy = strategy.random {}, budget = { trials = 50 } }.told)
  end)

  it("records what fails and goes on", function()
    local failing = timed(function(n) return n end)
    local inner = failing.values
    failing.values = function(arch)
      if arch.n == 2 then return nil, "no such" end
      return inner(arch)
    end
    local run = simulate { problem = failing, strategy = counter(), budget = { trials = 3 } }
    assert.equal(3, run.told)
    assert.equal(1, run.driver:stats().failed)
    assert.equal("no such", run.driver.told[2].reason)
  end)

  it("gives the same run for the same seed, and another otherwise", function()
    local function trace(seed)
      local list = {}
      simulate { problem = problem.hartmann6(), strategy = strategy.aging { population = 5, tournament = 2 }, budget = { trials = 30 }, workers = 3,
        seed = seed, on_tell = function(_, _, values) list[#list + 1] = values.value end }
      return list
    end
    assert.same(trace(1), trace(1))
    assert.not_same(trace(1), trace(2))
  end)

  -- A scheduler that pauses each trial at 3 steps and resumes it to 9 at once, or stops it on the way.
  local function two_pieces(stop_at)
    local Pieces = { name = "pieces" }
    Pieces.__index = Pieces
    function Pieces.new() return setmetatable({ min = 3, max = 9, resource = "step", waiting = {} }, Pieces) end
    function Pieces:next(can_start)
      if self.waiting[1] then return { kind = "resume", id = self.waiting[1], to = 9 } end
      if can_start then return { kind = "new", to = 3 } end
      return nil, "dry"
    end
    function Pieces:started(job) if job.kind == "resume" then table.remove(self.waiting, 1) end end
    function Pieces:tell(trial) if trial.fidelity == 3 and not trial.failed then table.insert(self.waiting, trial.id) end end
    if stop_at then function Pieces.report(_, _, step) return step == stop_at and "stop" or "continue" end end
    return Pieces
  end

  it("under a scheduler spends the seconds of each piece", function()
    local at = {}
    local run = simulate { problem = problem.curves(5), strategy = strategy.random {}, scheduler = two_pieces(), budget = { trials = 4 }, seed = 1,
      on_tell = function(r, suggestion) at[#at + 1] = ("%d to %d at %g"):format(suggestion.fidelity.from, suggestion.fidelity.to, r.now) end }
    assert.same({ "0 to 3 at 3", "3 to 9 at 9", "0 to 3 at 12", "3 to 9 at 18" }, at)
    assert.equal(18, run.now)
  end)

  it("a trial that is stopped on the way ends there, and then", function()
    local run = simulate { problem = problem.curves(5), strategy = strategy.random {}, scheduler = two_pieces(5), budget = { trials = 2 }, seed = 1 }
    assert.equal(5, run.now)
    assert.equal("stopped", run.driver.told[2].status)
    assert.equal(5, run.driver.told[2].fidelity)
  end)

  it("names what is missing or unknown", function()
    local branin, random = problem.branin(), strategy.random {}
    assert.error_matches(function() simulate { problem = branin, strategy = random } end, "simulate: option 'budget' is missing")
    assert.error_matches(function() simulate { problem = branin, strategy = random, budget = { trails = 3 } } end, "'trails'; did you mean 'trials'")
    assert.error_matches(function() simulate { problem = branin, strategy = random, budget = {} } end, "budget needs trials or seconds")
  end)
end)
