--- The shared weights and statistics of an earlier epoch, for the speed of accuracy; and, beside a checkpoint, where a resumed search finds them.
-- The file of three snapshots ago is overwritten: a checkpoint and its .prev may refer to the two before the one that is written.
local core = require "vega.core"

local Snapshot = {}
Snapshot.__index = Snapshot

local PARTS = { "params", "buffers" }

local function path_of(checkpoint, number) return ("%s.weights%d.safetensors"):format(checkpoint, number % 3) end

local function copy(graph)
  local weights = {}
  for _, part in ipairs(PARTS) do for name, t in pairs(graph[part](graph)) do weights[part .. "." .. name] = t:copy() end end
  return weights
end

local function put(graph, weights)
  for _, part in ipairs(PARTS) do for name, t in pairs(graph[part](graph)) do t:assign(weights[part .. "." .. name]) end end
  graph:refresh()
end

--- Of the graph as it is after `epoch`. With the path of a checkpoint it is written too.
-- @param before the snapshot before this one, or nil @return snapshot | nil, message, code
function Snapshot.take(graph, epoch, before, checkpoint)
  local self = setmetatable({ epoch = epoch, number = (before and before.number or 0) + 1, weights = copy(graph) }, Snapshot)
  if not checkpoint then return self end
  local path, message, code = core.io.save(path_of(checkpoint, self.number), self.weights, { metadata = { epoch = tostring(epoch) } })
  if not path then return nil, message, code end
  return self
end

--- What Snapshot.load finds it by: plain data.
function Snapshot:reference() return { epoch = self.epoch, number = self.number } end

--- @return snapshot | nil, message, code
function Snapshot.load(reference, checkpoint)
  local path = path_of(checkpoint, reference.number)
  local weights, more, code = core.io.load(path)
  if not weights then return nil, more, code end
  if more.epoch ~= tostring(reference.epoch) then return nil, ("cars.search: '%s' is not of epoch %d"):format(path, reference.epoch), "EFORMAT" end
  return setmetatable({ epoch = reference.epoch, number = reference.number, weights = weights }, Snapshot)
end

--- What fn() returns while the graph has these weights.
function Snapshot:with(graph, fn)
  local now = copy(graph)
  put(graph, self.weights)
  local result = table.pack(fn())
  put(graph, now)
  return table.unpack(result, 1, result.n)
end

return Snapshot
