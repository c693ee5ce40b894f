--- Dense spaces of DenseNAS as spaces of decisions, for strategies that train one network at a time: which block follows each, and the operators of
-- those on the way. Fang et al. 2020, arXiv:1906.09607. This one is the small space for Fashion-MNIST (lua/vega/densenas/space/fashion.lua).
--    local space = vega.space "dense"                     -- or vega.space "dense".new "mobilenet_v2", or of lists as vega.densenas.space takes them
--    space.rows(arch)                                     -- the architecture as vega.densenas has it;  space.from_rows(rows) the other way
-- Decisions: after0, after1, ... the number of the block that follows; head3.1 the operator from block 1 to 3; block3.2 the second layer of block 3.
local dense = require "vega.densenas.space"
local network = require "vega.densenas.network"
local space = require "vega.space"

local function any(conditions)
  local result
  for _, c in ipairs(conditions) do result = result and result | c or c end
  return result
end

-- Calls take(name, declaration, condition or nil) for each decision. A block is on the way when one before it is, and leads to it.
local function decisions(s, take)
  local visited, enters = {}, {}
  for k = 0, s.last - 1 do
    local ways = {}
    for b, i in ipairs(s.predecessors[k]) do
      enters[k] = enters[k] or {}
      enters[k][b] = #s.successors[i] > 1 and space.eq("after" .. i, k) or visited[i]
      ways[b] = enters[k][b]
      take(("head%d.%d"):format(k, i), space.choice(s.head), enters[k][b])
    end
    visited[k] = any(ways)
    for l = 1, s.layers[k] do take(("block%d.%d"):format(k, l), space.choice(s.stack), visited[k]) end
    if #s.successors[k] > 1 then take("after" .. k, space.choice(s.successors[k]), visited[k]) end
  end
end

local function rows_of(s, arch)
  local path = { 0 }
  while path[#path] ~= s.last do
    local i = path[#path]
    path[#path + 1] = arch["after" .. i] or s.successors[i][1]
  end
  return s:architecture(path, function(k, b) return arch[("head%d.%d"):format(k, s.predecessors[k][b])] end,
    function(k, l) return arch[("block%d.%d"):format(k, l)] end)
end

local function from_rows(s, rows)
  local path, message = s:locate(rows)
  if not path then return nil, "dense: " .. message, "EARG" end
  local arch = {}
  for n = 2, #path do
    local i, k, row = path[n - 1], path[n], rows[n - (s.first and 0 or 1)]
    if #s.successors[i] > 1 then arch["after" .. i] = k end
    if k < s.last then arch[("head%d.%d"):format(k, i)] = row.head end
    for l = 1, s.layers[k] do arch[("block%d.%d"):format(k, l)] = row.stack[l] or "skip_connect" end
  end
  return arch
end

local function new(given)
  local s, choices = dense(given or "fashion", nil, 3), {}
  decisions(s, function(name, declaration, condition) choices[name] = condition and space.when(condition, declaration) or declaration end)
  local self = space.define { name = "dense", input = { s.input, s.input, s.input == 28 and 1 or 3 }, choices = choices,
    build = function(net, arch)
      if not arch then error("space 'dense' has no path supernet: vega.densenas.search has one of its own", 0) end
      return network.build(rows_of(s, arch))(net)
    end }
  self.new, self.dense = new, s
  function self.rows(arch) return rows_of(s, assert(self:check(arch))) end
  function self.from_rows(rows) return from_rows(s, rows) end
  return self
end

return new()
