--- The gradient of the validation loss by the architecture, when the weights follow the architecture: dL_val(w*(a), a)/da.
--    local h = hypergradient.new({ name = "unrolled", r = 0.01 }, { graph = net.graph, arch = arch, weights = weights })    -- trainers of the groups
--    local loss, message, code = h:gradient(x_val, y_val, x_train, y_train)
--    arch:update()                                  -- after what else is to be added to the gradients in graph:arena "arch"
--
-- Estimates are files of lua/vega/hypergradient/, in forward and backward passes a step, the weights' own not counted:
--    first      1        the weights as they are: d = dL_val/da
--    unrolled   4        the weights after one step on the training batch (DARTS, second order)
--    amended    5        H itself in place of the inverse Hessian (Stabilized-DARTS)
--    neumann    3 + 2k   k terms of the series of the inverse (iDARTS)
-- Each is d - factor * M v, M = d2 L_train / da dw a product of differences: [g(w + R v) - g(w - R v)] / 2R with R = r / |v|.
-- None comes with a bound of its error: a correction may point away from the true one where H is ill conditioned (h:cosine tells). Differences agree
-- with exact products where the loss is smooth; with ReLUs, whose kinks w +- R v crosses, they depend on r. Measured on a cell of NAS-Bench-201 with
-- 100 000 weights: the unrolled correction changes by 0.3 of its length from r = 0.03 to 0.01 and again to 0.003, by 0.7 below 0.001 (f32 rounding).
--
-- A step leaves weights (to the bit), momentum and running statistics as they were, and draws no random numbers: dropout has the masks of the
-- trainers' next steps. Differences want f32: where the graph computes in bf16, estimates with a correction switch to f32 for their passes.
--
-- A method of one's own: a file vega/hypergradient/NAME.lua on package.path, a table with params (as a strategy's), needs_training_batch and
-- estimate(h, p) -> loss, factor, tensor, which calls h:validate and h:product below.
local plugin = require "vega.plugin"
local util = require "vega.util"

local hypergradient = {}

local Hypergradient = {}
Hypergradient.__index = Hypergradient

-- What a pass could not do, on its way from there to h:gradient.
local Failure = {}

-- What estimates are made of ----------------------------------------------------------------------------------------------------------------

-- One pass: the gradients of a trainer's loss in the arena. Running statistics are left alone.
function Hypergradient:pass(trainer, x, y, group)
  local loss, message, code = trainer:gradients(x, y, { group = group, frozen = true, settings = self.settings })
  if not loss then error(setmetatable({ message = message, code = code }, Failure)) end
  return loss
end

-- A copy of a gradient, in memory that is kept for the next step.
local function keep(self, name, gradient)
  local kept = self.kept[name]
  if kept then return kept:assign(gradient) end
  self.kept[name] = gradient:copy()
  return self.kept[name]
end

--- The validation loss where the weights now stand; its gradient by the architecture is kept as the direct part of the estimate.
-- @param with_weights true: by the weights, too
-- @return loss, gradient by the weights or nil
function Hypergradient:validate(with_weights)
  local loss = self:pass(self.arch, self.x_val, self.y_val, with_weights and "both" or "arch")
  self.direct = keep(self, "direct", self.gradients.arch)
  return loss, with_weights and keep(self, "validation", self.gradients.weights) or nil
end

--- The gradient of the training loss by the weights where they now stand, in the arena.
function Hypergradient:train() return self:pass(self.weights, self.x_train, self.y_train, "weights") end

--- d2 L_train / dgroup dw, at the weights of before the step, times a vector of the weights' size: a difference of two gradients.
-- @return a tensor of the group's size, good until the next product of the group | nil when the vector is zero or not finite
function Hypergradient:product(group, vector, r)
  local norm = math.sqrt(vector:dot(vector))
  if norm == 0 or norm ~= norm or norm == math.huge then return nil end
  local radius, gradient = r / norm, self.gradients[group]
  local function at(side)
    self.values:assign(self.saved):blend(1, side * radius, vector)
    self:pass(self.weights, self.x_train, self.y_train, group)
  end
  at(1)
  local plus = keep(self, "product of " .. group, gradient)
  at(-1)
  return plus:blend(1, -1, gradient):blend(1 / (2 * radius), 0, plus)      -- in two, so that equal gradients give zero
end

-- The step -----------------------------------------------------------------------------------------------------------------------------------

local function is_finite(t)
  local square = t:dot(t)
  return square == square and square < math.huge
end

-- The estimate, with the weights where they were afterwards, whatever happened. @return loss, factor, tensor | nil, message, code
local function estimate(self, level, x_val, y_val, x_train, y_train, settings)
  if self.needs_training_batch and not (x_train and y_train) then
    error(("hypergradient '%s': a training batch is needed beside the validation batch"):format(self.name), level + 1)
  end
  self.x_val, self.y_val, self.x_train, self.y_train, self.settings = x_val, y_val, x_train, y_train, settings
  local precision = self.graph:precision()
  if self.needs_training_batch then
    self.saved = keep(self, "weights", self.values)
    self.graph:precision "f32"
  end
  local ok, loss, factor, vector = pcall(self.method.estimate, self, self.params)
  if self.needs_training_batch then
    self.values:assign(self.saved)
    self.graph:precision(precision)                                  -- which brings the bf16 copies up to date
  end
  self.x_val, self.y_val, self.x_train, self.y_train, self.settings = nil, nil, nil, nil, nil
  if ok then return loss, factor, vector end
  if getmetatable(loss) == Failure then return nil, "architecture step: " .. tostring(loss.message), loss.code end
  error(loss, type(loss) == "string" and level + 1 or 0)
end

--- Puts the hypergradient of a validation batch into the architecture's gradients (graph:arena "arch"); nothing else changes. trainer:update of the
-- architecture takes the step.
-- h.skipped counts the steps whose correction was left out, as its vector was zero or not finite: they are of first order.
-- @param x_train, y_train the batch that the weights are trained on next; needed where h.needs_training_batch
-- @param settings of a supernet's slots, as in trainer:step
-- @return the validation loss (of unrolled: at the weights after the step) | nil, message, code (ENAN: loss or gradient is not finite)
function Hypergradient:gradient(x_val, y_val, x_train, y_train, settings)
  local loss, factor, vector = estimate(self, 2, x_val, y_val, x_train, y_train, settings)
  if not loss then return nil, factor, vector end
  local gradient = self.gradients.arch:assign(self.direct)
  if vector then gradient:blend(1, -factor, vector)
  elseif factor then self.skipped = self.skipped + 1 end
  if not is_finite(gradient) then return nil, "architecture step: its gradient is not finite", "ENAN" end
  return loss
end

--- How a correction agrees with another estimate's on the same batches: the cosine of the angle between what each adds to the direct part. One close
-- to the truth is { name = "neumann", terms = 100, gamma = ... } with gamma below 2 / the largest eigenvalue of H.
-- @param reference an estimate, as in new
-- @return cosine | nil, message, code (ENAN: a correction is zero, skipped or not finite)
function Hypergradient:cosine(x_val, y_val, x_train, y_train, reference)
  local other = hypergradient.new(reference, { graph = self.graph, arch = self.arch, weights = self.weights }, 2)
  local corrections = {}
  for i, h in ipairs { self, other } do
    local loss, factor, vector = estimate(h, 2, x_val, y_val, x_train, y_train)
    if not loss then return nil, factor, vector end
    if not vector then return nil, ("hypergradient '%s': no correction to compare"):format(h.name), "ENAN" end
    corrections[i] = vector:copy():blend(0, -factor, vector)
  end
  local a, b = table.unpack(corrections)
  local cosine = a:dot(b) / math.sqrt(a:dot(a) * b:dot(b))
  if cosine ~= cosine then return nil, "hypergradient: a correction is zero or not finite", "ENAN" end
  return cosine
end

-- Making one ---------------------------------------------------------------------------------------------------------------------------------

--- The names of the estimates, sorted.
function hypergradient.names() return plugin.names "vega.hypergradient" end

--- @param spec a name, or { name =, its options }: "first", { name = "unrolled", r = 0.01, rate = nil }, { name = "amended", eta = 0.1, r = 0.01 },
-- { name = "neumann", terms = 5, gamma = nil, r = 0.01 }
-- @param parts { graph =, arch = the trainer of its group arch, weights = that of its group weights (not needed by first) }
function hypergradient.new(spec, parts, level)
  level = (level or 1) + 1
  local own = type(spec) == "table" and util.copy(spec) or { name = spec }
  local name, names = own.name, hypergradient.names()
  own.name = nil
  if not util.contains(names, name) then error(util.unknown("hypergradient", "estimate", name, names), level) end
  local method = require("vega.hypergradient." .. name)
  local params = util.parameters(("hypergradient '%s'"):format(name), method.params, own, level)
  util.check_options("hypergradient.new", parts, { graph = true, arch = true, weights = true }, level)
  for _, part in ipairs { "graph", "arch", method.needs_training_batch and "weights" or nil } do
    if not parts[part] then error(("hypergradient '%s': '%s' is missing"):format(name, part), level) end
  end
  local values, of_weights = parts.graph:arena "weights"
  local _, of_arch = parts.graph:arena "arch"
  return setmetatable({ name = name, method = method, params = params, needs_training_batch = method.needs_training_batch,
    graph = parts.graph, arch = parts.arch, weights = parts.weights, values = values, gradients = { weights = of_weights, arch = of_arch },
    kept = {}, skipped = 0 }, Hypergradient)
end

return hypergradient
