--- Learning-curve extrapolation: a trial stops when its curve, continued, is unlikely to end better than the best completed one. Domhan, Springenberg
-- & Hutter 2015, IJCAI. Twelve families of curves are fitted and averaged (src/model/curve.h) instead of sampled by MCMC.
local curves = require "vega.fidelity.curves"
local predict = require("vega.core").curve.predict

local LearningCurve = { name = "learning_curve", params = curves.params { warmup = false, interval = false,
  grace = { 1, min = 1, about = "completed trials before the first decision" },
  start = { 6, min = 4, about = "points of a curve before the first decision" },
  gap = { 1, min = 1, about = "decide at every so many points" },
  rule = { "probability", one_of = { "probability", "ratio" },
    about = "stop when P(better than the best) < confidence, or when the mean < ratio * best" },
  confidence = { 0.05, min = 0, max = 1, about = "for the rule probability" },
  ratio = { 0.95, min = 0, about = "for the rule ratio, of values scaled to rise towards 1" },
} }
LearningCurve.__index = LearningCurve

function LearningCurve.new(p)
  local self = curves.scheduler(p)
  self.best = math.huge
  return setmetatable(self, LearningCurve)
end

LearningCurve.next, LearningCurve.started = curves.next, curves.started

function LearningCurve:tell(trial)
  if not trial.failed and trial.status ~= "stopped" and trial.violation == 0 then self.best = math.min(self.best, trial.cost) end
  curves.tell(self, trial)
end

-- The families rise towards about 1. An accuracy (cost -1 to 0) and an error (0 to 1) are turned as they are; other costs are scaled by the curve's
-- own range. Returns a (cost -> value) function.
local function scale(curve)
  local lo, hi = curve.best, curve.best
  for _, v in ipairs(curve.values) do if v < math.huge then hi = math.max(hi, v) end end
  if lo >= -1 and hi <= 0 then return function(v) return -v end end
  if lo >= 0 and hi <= 1 then return function(v) return 1 - v end end
  local range = hi > lo and hi - lo or 1
  return function(v) return 0.9 - 0.8 * (v - lo) / range end
end

-- P(a normal variable > x).
local function upper_tail(x)
  -- Abramowitz & Stegun 26.2.17, error below 7.5e-8
  local t = 1 / (1 + 0.2316419 * math.abs(x))
  local sum = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  local tail = math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * sum
  return x >= 0 and tail or 1 - tail
end

local function is_hopeless(self, curve)
  local turned, finite = scale(curve), { steps = {}, values = {} }
  for i, v in ipairs(curve.values) do
    if v ~= math.huge then
      finite.steps[#finite.steps + 1], finite.values[#finite.values + 1] = curve.steps[i], turned(v)
    end
  end
  if #finite.steps < self.p.start then return false end
  local mean, sd = predict(finite.steps, finite.values, self.max)
  if not mean then return false end                                          -- no family fits: no reason to stop
  if self.p.rule == "ratio" then return mean < self.p.ratio * turned(self.best) end
  local distance = turned(self.best) - mean
  if sd == 0 then return distance > 0 end
  return upper_tail(distance / sd) < self.p.confidence
end

function LearningCurve:report(id, step, cost)
  local curve = curves.add(self, id, step, cost)
  local n = #curve.steps
  if self.completed < self.p.grace or self.best == math.huge or n < self.p.start or (n - self.p.start) % self.p.gap ~= 0 then return "continue" end
  return is_hopeless(self, curve) and "stop" or curves.unless_nan(curve)
end

return LearningCurve
