--- The cell space of DARTS: two cells, normal and reduction, of four nodes, each the sum of two of the earlier states, each through one of seven
-- operations: 1.08e18 pairs of cells. Liu et al. 2019, arXiv:1806.09055.
--
--     local darts = vega.space "darts"                                         -- the search network: 8 cells, 16 channels
--     local small = darts.new { cells = 3, reductions = { 2 }, channels = 8, nodes = 2, ops = { "skip_connect", "sep_conv_3x3" } }
--     local final = darts.new { network = "evaluation", cells = 20, channels = 36 }
--     print(darts.text(darts:random(rng)))                                     -- Genotype(normal=[('sep_conv_3x3', 0), ...
local space = require "vega.space"
local util = require "vega.util"

-- Operations --------------------------------------------------------------------------------------------------------------------------

-- The layers of one network: `search` leaves batch norms in cells without weight and bias, and puts one behind each pooling.
local function layers(search)
  local norm, layer = { affine = not search }, {}

  function layer.relu_conv_bn(net, x, channels) return net:batch_norm(net:conv(net:relu(x), channels), norm) end

  -- Half the resolution: two 1x1 convolutions of stride 2, one a pixel further down and right. Odd sizes get a line of zeros at their ends.
  function layer.factorized_reduce(net, x, channels)
    local y = net:relu(x)
    local shape = net:shape(y)
    local height, width = shape[2] + shape[2] % 2, shape[3] + shape[3] % 2
    if height > shape[2] or width > shape[3] then y = net:op("pad", y, { bottom = height - shape[2], right = width - shape[3] }) end
    local shifted = net:op("slice", net:op("slice", y, { axis = 2, begin = 2, ["end"] = height }), { axis = 3, begin = 2, ["end"] = width })
    local half = channels // 2
    return net:batch_norm(net:concat { net:conv(y, half, { stride = 2 }), net:conv(shifted, channels - half, { stride = 2 }) }, norm)
  end

  -- Depthwise and 1x1, without anything between them.
  local function separated(net, x, kernel, stride, dil)
    local y = net:depthwise(net:relu(x), { kernel = kernel, stride = stride, dil = dil })
    return net:batch_norm(net:conv(y, net:channels(x)), norm)
  end
  local function pooled(net, y) return search and net:batch_norm(y, norm) or y end

  function layer.none() return false end
  function layer.max_pool_3x3(net, x, stride) return pooled(net, net:max_pool(x, { kernel = 3, stride = stride, pad = 1 })) end
  function layer.avg_pool_3x3(net, x, stride) return pooled(net, net:avg_pool(x, { kernel = 3, stride = stride, pad = 1 })) end
  function layer.skip_connect(net, x, stride) return stride == 1 and x or layer.factorized_reduce(net, x, net:channels(x)) end
  for _, k in ipairs { 3, 5 } do
    layer[("sep_conv_%dx%d"):format(k, k)] = function(net, x, stride) return separated(net, separated(net, x, k, stride), k, 1) end
    layer[("dil_conv_%dx%d"):format(k, k)] = function(net, x, stride) return separated(net, x, k, stride, 2) end
  end
  return layer
end

local ALL = { "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5" }

-- The network -------------------------------------------------------------------------------------------------------------------------

local function cell(net, layer, candidates, o)
  local preprocess = o.after_reduction and layer.factorized_reduce or layer.relu_conv_bn
  local s0, s1 = preprocess(net, o.s0, o.channels), layer.relu_conv_bn(net, o.s1, o.channels)
  local stride = o.kind == "reduce" and 2 or 1
  local states, nodes = { { s0, stride }, { s1, stride } }, {}
  for i = 1, o.nodes do
    nodes[i] = net:cell_node(("%s.node%d"):format(o.kind, i), states, candidates)
    states[#states + 1] = nodes[i]
  end
  return net:concat(nodes)
end

local function builder(p, reduces, candidates, layer)
  return function(net)
    local s0 = net:conv_bn(net:input(), p.stem * p.channels, { kernel = 3 })
    local s1, channels, after_reduction = s0, p.channels, false
    for i = 1, p.cells do
      if reduces[i] then channels = 2 * channels end
      s0, s1 = s1, cell(net, layer, candidates, { kind = reduces[i] and "reduce" or "normal", s0 = s0, s1 = s1, channels = channels,
        nodes = p.nodes, after_reduction = after_reduction })
      after_reduction = reduces[i]
    end
    return net:linear(net:global_avg_pool(s1), net.classes)
  end
end

-- Options -----------------------------------------------------------------------------------------------------------------------------

local PARAMETERS = {
  cells = { 8, min = 1 }, channels = { 16, min = 1 }, nodes = { 4, min = 1, max = 13 }, stem = { 3, min = 1 },
  ops = { table.move(ALL, 2, #ALL, 1, {}) }, reductions = {}, network = { "search", one_of = { "search", "evaluation" } },
}

local function check_ops(ops)
  for _, op in ipairs(ops) do
    if not util.contains(ALL, op) then error(util.unknown("darts.new", "operation", op, ALL), 3) end
  end
  if #ops == 0 then error("darts.new: ops: at least one operation expected", 3) end
end

-- The set of the cells that reduce: those at a third and two thirds, or the ones given; and the kinds of cells that there are then.
local function find_reductions(given, cells)
  local reduces, n = {}, 0
  given = given or { cells // 3 + 1, 2 * cells // 3 + 1 }
  if type(given) ~= "table" then error("darts.new: reductions: a list of numbers of cells expected, got " .. type(given), 3) end
  for _, i in ipairs(given) do
    if math.type(i) ~= "integer" or i < 1 or i > cells then
      error(("darts.new: reductions: a cell 1 to %d expected, got %s"):format(cells, tostring(i)), 3)
    end
    if not reduces[i] then reduces[i], n = true, n + 1 end
  end
  return reduces, n == 0 and { "normal" } or n == cells and { "reduce" } or { "normal", "reduce" }
end

-- Text --------------------------------------------------------------------------------------------------------------------------------

--- The genotype as the public projects print it. Inputs count from 0 there; inside a node the pairs stand in the order of their inputs.
local function text(self, arch)
  local parts = {}
  for _, kind in ipairs(self.kinds) do
    local pairs_of = {}
    for i = 1, self.nodes do
      local node = ("%s.node%d"):format(kind, i)
      for k, input in ipairs(arch[node .. ".inputs"]) do
        table.insert(pairs_of, ("('%s', %d)"):format(arch[("%s.op%d"):format(node, k)], input - 1))
      end
    end
    table.insert(parts, ("%s=[%s], %s_concat=range(2, %d)"):format(kind, table.concat(pairs_of, ", "), kind, self.nodes + 2))
  end
  return ("Genotype(%s)"):format(table.concat(parts, ", "))
end

local function parse_node(arch, node, first, second)
  if first.input == second.input then return nil, ("darts: %s reads state %d twice, which this space cannot say"):format(node, first.input) end
  if first.input > second.input then first, second = second, first end
  arch[node .. ".inputs"] = { first.input + 1, second.input + 1 }
  arch[node .. ".op1"], arch[node .. ".op2"] = first.op, second.op
  return true
end

--- Reads a genotype. The cells' outputs are all their nodes in this space, so what is said of them is not read.
-- @return arch, or nil, message, "EFORMAT"
local function parse(self, genotype)
  local arch = {}
  for _, kind in ipairs(self.kinds) do
    local body, list = genotype:match(kind .. "%s*=%s*(%b[])"), {}
    if not body then return nil, ("darts: '%s=[...]' expected in '%s'"):format(kind, genotype), "EFORMAT" end
    for op, input in body:gmatch "%(%s*['\"]([%w_]+)['\"]%s*,%s*(%d+)%s*%)" do list[#list + 1] = { op = op, input = math.tointeger(input) } end
    if #list ~= 2 * self.nodes then
      return nil, ("darts: %d pairs ('op', input) expected in '%s', found %d"):format(2 * self.nodes, kind, #list), "EFORMAT"
    end
    for i = 1, self.nodes do
      local ok, message = parse_node(arch, ("%s.node%d"):format(kind, i), list[2 * i - 1], list[2 * i])
      if not ok then return nil, message, "EFORMAT" end
    end
  end
  local good, message = self.space:check(arch)
  if not good then return nil, message, "EFORMAT" end
  return good
end

-- The space ---------------------------------------------------------------------------------------------------------------------------

--- A space of DARTS cells. Options: `cells` (8) in the network; `channels` (16) of the first, doubled by each reduction cell; `nodes` (4) of a
-- cell; `stem` (3) times the channels stand before the cells; `ops`, of which "none" is left out unless named; `reductions`, the numbers of the
-- cells that halve the resolution (by default those at one and two thirds); `network`: "search", where batch norms in cells have no weight and bias
-- and follow each pooling too, or "evaluation". The evaluation network is without auxiliary head and drop path.
-- @return a space; its text(arch) and parse(text) are the genotype's, its new(options) is this function
local function new(options)
  local p = util.parameters("darts.new", PARAMETERS, options or {}, 2)
  check_ops(p.ops)
  local reduces, kinds = find_reductions(p.reductions, p.cells)
  local layer, candidates, cells = layers(p.network == "search"), {}, {}
  for i, op in ipairs(p.ops) do candidates[i] = { op, layer[op] } end
  for _, kind in ipairs(kinds) do cells[kind] = { kind = "cell", nodes = p.nodes, ops = p.ops } end
  local self = space.define { name = "darts", input = { 32, 32, 3 }, cells = cells, build = builder(p, reduces, candidates, layer) }
  local form = { kinds = kinds, nodes = p.nodes, space = self }
  self.new, self.operations = new, ALL
  function self.text(arch) return text(form, arch) end
  function self.parse(genotype) return parse(form, genotype) end
  return self
end

return new()
