--- What every scheduler must do. One line applies it:
--    require("tests.spec.contract.scheduler")(describe, it, "asha", function() return vega.scheduler.asha { max = 27 } end)
-- Options (a last table): jobs = 60, cuts = 40 (places at which the events are cut).
local assert = require "luassert"
local fidelity = dofile(debug.getinfo(1, "S").source:match("^@(.*)contract/scheduler%.lua$") .. "fidelity_helper.lua")
local strategy = require "vega.strategy"

-- Advances a driver by one step of one worker, so that its events can be cut anywhere; open trials go on where they are.
local function play(driver, value, jobs, log)
  local current = driver:pending()[1]
  for _ = 1, jobs do
    local suggestion = current and driver:suggestion(current)
    if not suggestion then
      suggestion = driver:ask(1)[1]
      if not suggestion then return end
    end
    current = nil
    log[#log + 1] = ("%d:%s:%d:%d:%d"):format(suggestion.id, suggestion.hash, suggestion.seed, suggestion.fidelity.from, suggestion.fidelity.to)
    assert.is_true((driver:tell(suggestion.id, fidelity.train(driver, suggestion, value))))
  end
end

return function(describe, it, name, scheduler, options)
  local jobs = options and options.jobs or 60

  describe("scheduler contract: " .. name, function()
    local function create(more) return fidelity.curves(200, scheduler(), more or {}) end
    local function with_strategy(more)
      local spec = { strategy = strategy.random {} }
      for key, v in pairs(more or {}) do spec[key] = v end
      return create(spec)
    end

    it("gives fidelities that rise for each trial, up to its maximum", function()
      local driver, value = with_strategy()
      local reached, most = {}, driver.scheduler.max
      for _ = 1, jobs do
        local s = driver:ask(1)[1]
        if not s then break end
        assert.is_true(s.fidelity.from < s.fidelity.to and s.fidelity.to <= most)
        if s.kind == "new" then assert.equal(0, s.fidelity.from) end
        if s.kind == "resume" and not driver.scheduler.restart then assert.equal(reached[s.id], s.fidelity.from) end
        if s.kind == "clone" then assert.equal(reached[s.parent], s.fidelity.from) end
        local _, trial = driver:tell(s.id, fidelity.train(driver, s, value))
        reached[s.id] = trial.fidelity
      end
      assert.is_truthy(next(reached))
    end)

    it("goes on after a cut at any event as if undisturbed", function()
      local whole, value = with_strategy()
      local all = {}
      play(whole, value, jobs, all)
      local events = whole:save().events
      local places = {}                                                -- how many suggestions had been asked before each event
      for i, event in ipairs(events) do places[i] = (places[i - 1] or 0) + (event[1] == "ask" and 1 or 0) end
      local step = math.max(1, #events // (os.getenv "VEGA_LONG" and 400 or options and options.cuts or 40)) | 1      -- odd: after asks and tells
      for cut = 0, #events, step do
        local driver = with_strategy():replay(table.move(events, 1, cut, 1, {}))
        local rest, asked = {}, places[cut] or 0
        local first = asked + (#driver:pending() == 0 and 1 or 0)
        play(driver, value, #all - first + 1, rest)
        assert.same(table.move(all, math.max(1, first), #all, 1, {}), rest)
      end
    end)

    it("survives failures, NaN and equal values", function()
      for _, outcome in ipairs {
        function() return { status = "failed", reason = "script" } end,
        function(_, i) return i % 2 == 0 and { status = "failed" } or { status = "ok", values = { loss = i } } end,
        function() return { status = "ok", values = { loss = 0 / 0 } } end,
        function() return { status = "ok", values = { loss = 1 } } end,
      } do
        local driver = with_strategy()
        local told = 0
        for i = 1, jobs do
          local s, status = driver:ask(1)
          if not s[1] then
            assert.equal("finished", status)
            break
          end
          assert.is_true((driver:tell(s[1].id, outcome(s[1], i))))
          told = i
        end
        assert.is_true(told > 0)
      end
    end)

    it("stops or ranks last what reports NaN, and goes on", function()
      local driver, value = with_strategy()
      local function broken(arch, step) return arch.config % 3 == 0 and 0 / 0 or value(arch, step) end
      local log = fidelity.run(driver, jobs, broken)
      assert.is_true(#log > 0)
      local best = driver:best()
      assert.is_true(best == nil or best.arch.config % 3 ~= 0)
    end)

    it("issues a lost job again, with its fidelity", function()
      local driver = with_strategy()
      local s = driver:ask(1)[1]
      driver:tell(s.id, { status = "lost" })
      local again = driver:ask(1)[1]
      assert.same({ s.id, s.seed, s.fidelity }, { again.id, again.seed, again.fidelity })
    end)

    it("ends politely when the space is exhausted", function()
      local driver, value = fidelity.curves(7, scheduler(), { strategy = strategy.random {} })
      local log, status = fidelity.run(driver, 500, value)
      assert.is_true(#log >= 7 or status == "finished")
      assert.is_true(status == "exhausted" or status == "finished", status)
      assert.same({}, driver:pending())
    end)

    it("keeps eight workers busy, answering in any order", function()
      local driver, value = with_strategy()
      local open = {}
      for i = 1, jobs do
        local s = #open < 8 and driver:ask(1)[1]
        if s then
          open[#open + 1] = s
        elseif #open == 0 then
          break
        else
          local done = table.remove(open, i * 5 % #open + 1)
          assert.is_true((driver:tell(done.id, fidelity.train(driver, done, value))))
        end
      end
    end)

    it("is the same for three workers in any timing when ordered, or says that it cannot be", function()
      local function run(pick)
        local driver, value = with_strategy { ordered = true, window = 3 }
        local open, log = {}, {}
        for i = 1, jobs do
          local s = #open < 3 and driver:ask(1)[1]
          if s then
            open[#open + 1] = s
            log[#log + 1] = ("%d:%d:%d"):format(s.id, s.fidelity.from, s.fidelity.to)
          elseif #open == 0 then
            break
          else
            local done = table.remove(open, pick(#open, i))
            driver:tell(done.id, fidelity.train(driver, done, value))
          end
        end
        return log
      end
      local made, first = pcall(run, function() return 1 end)
      if not made then return assert.matches("what it decides depends on timing", first) end
      for _, pick in ipairs { function(n) return n end, function(n, i) return i * 5 % n + 1 end } do
        local other = run(pick)
        local n = math.min(#first, #other)                              -- in another timing fewer may have been asked by now
        assert.is_true(n > 5)
        assert.same(table.move(first, 1, n, 1, {}), table.move(other, 1, n, 1, {}))
      end
    end)

    it("combines with every kind of learning", function()
      for _, learns in ipairs { "once", "all", "rungs" } do
        local told = {}
        local Class = { name = "learner", fidelity = learns ~= "once" and learns or nil, ask = print, tell = print }
        Class.new = function(space, _, rng)
          return { ask = function() return space:random(rng) end, tell = function(_, trial) told[#told + 1] = trial.fidelity end }
        end
        local driver, value = create { strategy = Class }
        fidelity.run(driver, 30, value)
        assert.is_true(#told > 0)
      end
    end)

    it("names an unknown option", function()
      local made = scheduler()
      local family = require "vega.scheduler"
      assert.error_matches(function() family[made.name] { ressource = "steps" } end, "unknown option 'ressource'; did you mean 'resource'")
    end)
  end)
end
