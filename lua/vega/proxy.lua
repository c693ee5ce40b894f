--- Zero-cost proxies: one number that ranks untrained networks. lua/vega/proxy/ has a file each; `vega-lua list proxies` names them.
--    local graph = space:network(arch, { 32, 32, 3 }, 10, seed)
--    vega.proxy.synflow(graph)                                         -> a number, larger is better
--    vega.proxy.naswot(graph, { batch = images })                      -- images [N, H, W, C] f32
--    vega.proxy.snip(graph, { batch = images, labels = labels })       -- labels [N] i32
--    vega.proxy.zen(graph, { seed = 3, repeats = 8 })
-- Every proxy takes batch, labels and seed whether it reads them or not, so one table serves a list of proxies; a proxy's own options are beside
-- them. The graph is a stand-alone network with its initial values, or net:extract(arch) of a supernet. It is left as it was, to the bit.
-- A network that the proxy cannot tell from a dead one (no flow, a constant Jacobian, equal codes) scores -math.huge or 0, never NaN.
--
-- As an objective, a filter or a cheap first fidelity:
--    evaluate = function(arch)
--      local graph = space:network(arch, shape, classes)
--      return { naswot = vega.proxy.naswot(graph, { batch = images }), macs = vega.proxy.macs(graph) }
--    end
--    if vega.proxy.synflow(graph) < threshold then return nil, "filtered by synflow" end       -- in an evaluate function: a failed trial
-- None of them promises to beat the number of parameters: report `params` and `macs` beside them (White et al. 2022, arXiv:2202.04833 is no
-- kinder). vega.stats.kendall gives the rank correlation with what training says.
--
-- A proxy of one's own: a table with score(graph, options) -> number, params (as a strategy's) and needs = { "batch", "labels" }:
--    vega.proxy.use(Mine)(graph, { batch = images })
local plugin = require "vega.plugin"
local util = require "vega.util"

local COMMON = { batch = true, labels = true, seed = true }

local function is_tensor(x)
  local ok, dtype = pcall(function() return type(x) == "userdata" and x.dtype end)
  return ok and type(dtype) == "string"
end

-- The batch must be a tensor of the network's input shape, the labels one i32 for each of its rows. `level`: the user's line.
local function check_data(who, graph, o, level)
  if o.batch ~= nil then
    if not is_tensor(o.batch) then error(("%s: batch: a tensor expected, got %s"):format(who, type(o.batch)), level + 1) end
    local got, want = o.batch:shape(), graph:shape(1)
    local fits = #got == #want
    for axis = 2, #want do fits = fits and got[axis] == want[axis] end
    if not fits then
      error(("%s: batch: [N, %s] expected, got [%s]"):format(who, table.concat(want, ", ", 2), table.concat(got, ", ")), level + 1)
    end
  end
  if o.labels ~= nil then
    if not is_tensor(o.labels) then error(("%s: labels: a tensor expected, got %s"):format(who, type(o.labels)), level + 1) end
    local got = o.labels:shape()
    if o.labels.dtype ~= "i32" or #got ~= 1 or (o.batch and got[1] ~= o.batch:shape()[1]) then
      error(("%s: labels: i32, one for each image of the batch, expected"):format(who), level + 1)
    end
  end
end

local function score(descriptor, graph, options)
  local class, who = descriptor.class, ("proxy '%s'"):format(descriptor.name)
  if type(graph) ~= "userdata" or not pcall(function() return graph:n_params() end) then
    error(("%s: a network expected, got %s"):format(who, type(graph)), 3)
  end
  local own, o, known = {}, {}, {}
  for _, names in ipairs { COMMON, class.params or {} } do for name in pairs(names) do known[name] = true end end
  util.check_options(who, options or {}, known, 3)
  for key, value in pairs(options or {}) do
    if COMMON[key] then o[key] = value else own[key] = value end
  end
  check_data(who, graph, o, 3)
  for _, need in ipairs(class.needs or {}) do
    if o[need] == nil then error(("%s: option '%s' is missing"):format(who, need), 3) end
  end
  for key, value in pairs(util.parameters(who, class.params or {}, own, 3)) do o[key] = value end
  o.seed = o.seed or 1
  local ok, value = pcall(class.score, graph, o)
  if not ok and type(value) ~= "string" then error(value, 0) end               -- an error object of someone else's
  if not ok then error(("%s: %s"):format(who, value), 3) end
  return value
end

return plugin.family("proxy", { "score" }, score)
