--- A supernet of mixtures, as vega.supernet.mixed makes it: its parameters and their strengths, candidates taken out and edges settled, its accuracy.
-- graph, space, options (those of presets), decisions = places { name, labels, rows, live, keeps }, settings = the slots' numbers or nil.
local core = require "vega.core"
local train = require "vega.train"

local Mixed = {}
Mixed.__index = Mixed

--- The architecture parameters: a list of { name, labels, live = places of a row's candidates, alpha = tensor [rows, candidates],
-- beta = tensor [rows] | nil, acts = tensor [rows, activations] | nil }. The tensors share memory with the graph.
function Mixed:parameters()
  local params, list = self.graph:params(), {}
  for i, d in ipairs(self.decisions) do
    list[i] = { name = d.name, labels = d.labels, live = d.live, alpha = params["arch." .. d.name], beta = params[("arch.%s.edges"):format(d.name)],
      acts = params[("arch.%s.acts"):format(d.name)] }
  end
  return list
end

local function rows_of(tensor)
  local shape, rows = tensor:shape(), {}
  for r = 1, shape[1] do
    rows[r] = {}
    for k = 1, shape[2] do rows[r][k] = tensor:get(r, k) end
  end
  return rows
end

--- The strengths of the parameters, softmax where nothing else was said: a list of { name, labels, rows = { { weight, ... }, ... }, live, keeps =
-- edges that a cell node keeps, edges = { weight, ... } | nil, acts = rows | nil }, one row an edge. A candidate that is switched off has 0.
function Mixed:weights()
  local list = {}
  for i, p in ipairs(self:parameters()) do
    local rows = {}
    for r, compact in ipairs(rows_of(self.options.strength(p.alpha))) do
      rows[r] = {}
      for k = 1, #p.labels do rows[r][k] = 0.0 end
      for at, k in ipairs(p.live[r]) do rows[r][k] = compact[at] end
    end
    list[i] = { name = p.name, labels = p.labels, rows = rows, live = p.live, keeps = self.decisions[i].keeps,
      edges = p.beta and core.op.softmax(p.beta):totable() or nil, acts = p.acts and rows_of(core.op.softmax(p.acts)) or nil }
  end
  return list
end

--- A buffer of a decision by what it is: "mask", "shift", "edges.mask", "extra", or what a preset made with net:noise. Shares memory with the graph.
function Mixed:buffer(name, what) return self.buffers[("mix.%s.%s"):format(name, what)] end

-- Column of the candidate `label` in a row's parameters, nil when it is switched off.
local function column_of(place, row, label)
  for at, k in ipairs(place.live[row]) do if place.labels[k] == label then return at end end
end

--- The edge `row` of decision `name` is the candidate `label` alone, with weight 1, from now on.
function Mixed:keep(name, row, label)
  local mask, shift = self:buffer(name, "mask"), self:buffer(name, "shift")
  local column = column_of(self.places[name], row, label)
  for k = 1, mask:shape()[2] do
    mask:set(row, k, 0)
    shift:set(row, k, k == column and 1 or 0)
  end
end

--- Takes a candidate out, the weights of the others staying as they are; without a label the whole edge. @return a function that brings it back
function Mixed:drop(name, row, label)
  local edges, whole = self:buffer(name, "edges.mask"), label == nil
  if whole and edges then
    local before = edges:get(row)
    edges:set(row, 0)
    return function() edges:set(row, before) end
  end
  local mask, shift, place, before = self:buffer(name, "mask"), self:buffer(name, "shift"), self.places[name], {}
  for k = 1, #place.live[row] do
    if whole or k == column_of(place, row, label) then
      before[k] = { mask:get(row, k), shift:get(row, k) }
      mask:set(row, k, 0)
      shift:set(row, k, 0)
    end
  end
  return function()
    for k, was in pairs(before) do
      mask:set(row, k, was[1])
      shift:set(row, k, was[2])
    end
  end
end

--- Puts an architecture of the space in the place of the mixtures: its operations alone, with weight 1; the edges that stay keep their own weights.
function Mixed:settle(arch)
  self:clear()
  for _, place in ipairs(self.decisions) do
    local label_of = {}
    if place.keeps then
      for i, row in ipairs(arch[place.name .. ".inputs"]) do label_of[row] = arch[("%s.op%d"):format(place.name, i)] end
    else label_of[1] = arch[place.name] end
    for row = 1, place.rows do
      local label = label_of[row]
      if self.options.paths > 0 then self:take(place.name, row, label and column_of(place, row, label))
      elseif label then self:keep(place.name, row, label)
      else self:drop(place.name, row) end
    end
    if self.options.extra then self:buffer(place.name, "extra"):fill(0) end
  end
end

--- An edge of a supernet of sampled paths computes its candidate number k alone, or nothing.
function Mixed:take(name, row, k)
  for path = 1, self.options.paths do self:set_path(name, row, path, path == 1 and k or nil) end
end

--- Undoes every keep, drop and settle; slots are set anew by who samples.
function Mixed:clear()
  for name, tensor in pairs(self.buffers) do
    if name:find "^mix%..*%.mask$" then tensor:fill(1) elseif name:find "^mix%..*%.shift$" then tensor:fill(0) end
  end
end

--- Path `path` of an edge computes its candidate number k (a column of its parameters), or nothing for k nil.
function Mixed:set_path(name, row, path, k)
  local place = self.places[name]
  self.settings[place.slots[row][path]] = k and k - 1 or #place.live[row] + (self.options.extra and 1 or 0)
end

--- The rate of the dropout behind identities.
function Mixed:set_dropout(p) if self.dropout_slot then self.settings[self.dropout_slot] = p end end

--- The order of the channels of a mixture with random ones; nil: as they stand.
function Mixed:set_order(order, list)
  local there, back = self.buffers[order.name], self.buffers[order.name .. ".back"]
  there:fill(0)
  back:fill(0)
  for i = 1, order.channels do
    local from = list and list[i] or i
    there:set(from, i, 1)
    back:set(i, from, 1)
  end
end

-- The list of slots' lists that a step takes, nil for a net without slots.
function Mixed:paths() return self.settings and { self.settings } end

-- Accuracy and loss of the batches, with their own statistics.
local function score_batches(self, loader)
  local n, correct, sum = 0, 0, 0.0
  while true do
    local images, labels, code = loader:next()
    if code then return nil, labels, code end
    if not images then break end
    local x <close>, y = images, labels
    local logits, message, why = self.graph:run(x, { train = true, slots = self.settings })
    if not logits then return nil, message, why end
    logits = logits:to "f32"
    local count, best = y:shape()[1], core.op.argmax(logits, { axis = 2 })
    for i = 1, count do if best:get(i) == y:get(i) then correct = correct + 1 end end
    n, sum = n + count, sum + count * core.op.cross_entropy(logits, y):item()
  end
  if n == 0 then return nil, "supernet.mixed: the data set is empty", "EARG" end
  return { accuracy = correct / n, loss = sum / n, n = n }
end

--- Accuracy and loss of the supernet as it stands, batch norms taking each batch's statistics, as a supernet whose mixtures were just changed must.
-- The running statistics stay as they are. @param options batch = 256, normalise as in vega.train.evaluate
-- @return { accuracy, loss, n } | nil, message, code
function Mixed:score(data, options)
  local before, dropout = {}, self.dropout_slot and self.settings[self.dropout_slot]
  for name, tensor in pairs(self.buffers) do if name:find "running_" then before[name] = tensor:copy() end end
  self:set_dropout(0)
  local loader = train.loader(data, { batch = options and options.batch or 256, normalise = options and options.normalise })
  local result, message, code = score_batches(self, loader)
  if loader ~= data then loader:close() end
  self:set_dropout(dropout)
  for name, tensor in pairs(before) do self.buffers[name]:assign(tensor) end
  return result, message, code
end

function Mixed:__tostring()
  local space = self.space and (" of space '%s'"):format(self.space.name) or ""
  return ("mixture supernet%s: %d parameters, %d decisions"):format(space, self.graph:n_params(), #self.decisions)
end

return Mixed
