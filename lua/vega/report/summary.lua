--- The summary in words: what was asked for, what was spent, what was found, and how that compares with drawing at random.
local facts_of = require "vega.report.facts"
local random = require "vega.report.random"
local text = require "vega.report.text"

local WORDS = { COMPLETE = "complete", FAILED = "failed", PRUNED = "stopped early", PAUSED = "paused", RUNNING = "running", WAITING = "waiting",
  ABANDONED = "given up" }
local ORDER = { "COMPLETE", "PRUNED", "PAUSED", "RUNNING", "WAITING", "FAILED", "ABANDONED" }

local function objective_text(objectives)
  local words = {}
  for i, o in ipairs(objectives) do words[i] = (o.goal == "max" and "highest " or "lowest ") .. text.show(o.name, 60) end
  return table.concat(words, ", ")
end

local function bound_text(c)
  return ("%s %s"):format(text.show(c.name, 60), c.le and ("at most %s"):format(text.number(c.le)) or ("at least %s"):format(text.number(c.ge)))
end

local function budget_text(budget)
  local words = {}
  for _, key in ipairs { "trials", "seconds", "cost" } do
    if budget and budget[key] then words[#words + 1] = ("%s %s"):format(text.number(budget[key]), key) end
  end
  return #words > 0 and table.concat(words, ", ") or "not recorded"
end

local function count_text(counts)
  local words = {}
  for _, state in ipairs(ORDER) do if counts[state] then words[#words + 1] = ("%d %s"):format(counts[state], WORDS[state]) end end
  return table.concat(words, ", ")
end

local function evaluation_seconds(trials)
  local sum = 0.0
  for _, t in ipairs(trials) do sum = sum + (t.seconds or 0) end
  return sum
end

local function origin_text(origin)
  return origin.study and ("the study '%s' of this store"):format(text.show(origin.study, 60)) or ("the %d trials that this one began with"):format(origin.phase)
end

-- What the chance of one draw means for the best of n; nothing when it may be anything.
local function best_of_text(c)
  local low, high = 1 - (1 - c.low) ^ c.n, 1 - (1 - c.high) ^ c.n
  if high - low > 0.95 then return ("so few draws say nothing of the best of %d"):format(c.n) end
  return ("the best of %d draws with a chance of %.3g %% to %.3g %%"):format(c.n, 100 * low, 100 * high)
end

-- One sentence about objective k against random search.
local function against_random(self, k)
  local c = random.compare(self, k)
  local name = text.html(self.objectives[k].name, 60)
  if not c then return ("<p>%s against random search: %s.</p>"):format(name, self.source.strategy == "random" and
    "this is one" or "not recorded, no random trials over this space are in the store") end
  if c.median then
    return ("<p>%s against random search of %d trials: found <b>%s</b>, random search <b>%s</b> (95 %% interval %s to %s; from %d draws, %s).</p>")
      :format(name, c.n, text.number(c.found), text.number(c.median), text.number(math.min(c.low, c.high)), text.number(math.max(c.low, c.high)), c.draws,
        text.html(origin_text(c.origin), 200))
  end
  return ("<p>%s against random search: of %d random draws (%s) %d were as good as the best found, so one draw is with a chance of %.2g %% to %.2g %% "
    .. "(95 %% interval); %s.</p>"):format(name, c.draws, text.html(origin_text(c.origin), 200), c.as_good, 100 * c.low, 100 * c.high, best_of_text(c))
end

local function best_values(out, self)
  for k, o in ipairs(self.objectives) do
    local best = self.best[k]
    if best then
      out('<p>Best %s: <b>%s</b>, <a href="#trial-%d">trial %d</a>.</p>', text.html(o.name, 60), text.number(facts_of.value(self, k, best.costs[k])), best.id,
        best.id)
    end
  end
end

--- @param size what report.size_text says of the space, or nil
return function(out, self, size)
  local source = self.source
  out("<h2>Summary</h2><p>Asked for: %s%s, over the space <b>%s</b>%s, with the strategy <b>%s</b>%s, seed %s, budget %s.</p>",
    text.html(objective_text(self.objectives), 500), #(source.constraints or {}) > 0 and " with " .. text.html(bound_text(source.constraints[1]), 200) ..
    (#source.constraints > 1 and " and other bounds" or "") or "", text.html(source.space and source.space.name or "not recorded"),
    size and " (" .. text.html(size) .. ")" or "", text.html(source.strategy), source.scheduler and
    " under the scheduler <b>" .. text.html(source.scheduler.name) .. "</b>" or "", text.html(source.seed), text.html(budget_text(source.budget)) .. (source.is_running and "" or " when it began"))
  out('<p><span id="counts">%s: %s</span>; %s of evaluation. The front has <span id="front-size">%d</span>.</p>', text.count(#self.trials, "trial"),
    #self.trials > 0 and count_text(self.counts) or "none yet", text.duration(evaluation_seconds(self.trials)), #self.front)
  best_values(out, self)
  if #self.complete > 0 then for k = 1, #self.objectives do out("%s", against_random(self, k)) end end
end
