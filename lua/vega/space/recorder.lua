--- Decisions stated inside `build(net)`: net:choice(name, options), net:subset(name, candidates, k), net:width(name, list),
-- net:depth(name, list, x, function(x, i) ... end), net:kernel(name, list). The recorder runs build once and notes them; `settle` answers them from an architecture.
local util = require "vega.util"

local recorder = {}

-- Options are plain values, or { label, function } pairs, or a table label -> function; returns the labels and what each stands for.
function recorder.labels_of(name, options)
  if type(options) ~= "table" then error(("net:choice '%s': a table of options expected, got %s"):format(name, type(options)), 3) end
  if #options == 0 then
    local labels = util.sorted_keys(options)
    return labels, options
  end
  local labels, meaning = {}, {}
  for i, option in ipairs(options) do
    local label = type(option) == "table" and (option.label or option[1]) or option
    labels[i] = label
    meaning[label] = type(option) == "table" and option[2] or option
  end
  return labels, meaning
end

-- Stands for any node, number or layer while build is only being listened to.
local Ghost = {}
local function ghost() return setmetatable({}, Ghost) end
Ghost.__index = function() return ghost() end
Ghost.__call = function() return ghost() end
for _, event in ipairs { "__add", "__sub", "__mul", "__div", "__idiv", "__mod", "__unm", "__concat" } do Ghost[event] = ghost end
Ghost.__lt = function() return false end
Ghost.__le = function() return true end
Ghost.__len = function() return 0 end
Ghost.__tostring = function() return "node" end

-- The decision methods, given `decide(name, kind, labels, extra)` that returns the chosen label.
local function methods(decide)
  local m = {}
  function m.choice(_, name, options)
    local labels, meaning = recorder.labels_of(name, options)
    return meaning[decide(name, "choice", labels)]
  end
  function m.subset(_, name, candidates, k)
    local labels, meaning = recorder.labels_of(name, candidates)
    local chosen = {}
    for i, label in ipairs(decide(name, "subset", labels, k)) do chosen[i] = meaning[label] end
    return chosen
  end
  for _, kind in ipairs { "width", "kernel" } do
    m[kind] = function(_, name, list) return decide(name, "ordinal", list, nil, kind) end
  end
  function m.depth(_, name, list, x, body)
    local n = decide(name, "ordinal", list, nil, "depth")
    if not body then return n end
    for i = 1, n do x = body(x, i) end
    return x
  end
  return m
end

--- Runs build once and states its decisions on `builder`. A depth answers its largest value, so that everything below it is heard.
function recorder.run(build, builder)
  local m = methods(function(name, kind, list, k, role)
    builder[kind](builder, name, list, k)
    if kind == "subset" then return table.move(list, 1, k, 1, {}) end
    if role ~= "depth" then return list[1] end
    local most = list[1]
    for _, v in ipairs(list) do most = math.max(most, v) end
    return most
  end)
  build(setmetatable({}, { __index = function(_, key) return m[key] or ghost() end }), nil)
end

--- `net` itself, which from now on answers decisions from `arch`.
function recorder.settle(net, arch)
  for name, method in pairs(methods(function(label) return arch[label] end)) do net[name] = method end
  return net
end

return recorder
