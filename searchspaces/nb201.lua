--- NAS-Bench-201: a cell of 4 nodes and 6 edges, 5 operations an edge: 15,625 cells in one fixed network. Dong & Yang 2020, arXiv:2001.00326.
--
-- A cell's text form, as the benchmark writes it: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|  (the operations into node 1, 2, 3, each with its source).
--     local nb201 = vega.space "nb201"
--     local arch = nb201.parse "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
--     print(nb201.text(arch))
-- The same cells in a smaller network, for supernets: nb201.with { cells = 1, channels = 8 }.
local space = require "vega.space"
local util = require "vega.util"

local OPS = { "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3" }
local NETWORK = { cells = { 5, min = 1, about = "cells a stage" }, channels = { 16, min = 1, about = "of the first stage" } }

local EDGE = {}                                                      -- EDGE[to][from]: the name of that decision
for to = 1, 3 do
  EDGE[to] = {}
  for from = 0, to - 1 do EDGE[to][from] = ("edge_%d_%d"):format(from, to) end
end

local function relu_conv_bn(net, x, channels, kernel, stride)
  return net:batch_norm(net:conv(net:relu(x), channels, { kernel = kernel, stride = stride }))
end

local APPLY = {
  none = function() return false end,
  skip_connect = function(_, x) return x end,
  nor_conv_1x1 = function(net, x) return relu_conv_bn(net, x, net:channels(x), 1, 1) end,
  nor_conv_3x3 = function(net, x) return relu_conv_bn(net, x, net:channels(x), 3, 1) end,
  avg_pool_3x3 = function(net, x) return net:avg_pool(x, { kernel = 3, stride = 1, pad = 1 }) end,
}
local CANDIDATES = {}
for i, op in ipairs(OPS) do CANDIDATES[i] = { op, APPLY[op] } end

local function cell(net, x, op_of)
  local node = { [0] = x }
  for to = 1, 3 do
    local terms = {}
    for from = 0, to - 1 do terms[from + 1] = op_of[EDGE[to][from]](net, node[from]) end
    node[to] = net:sum(terms, x)
  end
  return node[3]
end

local function reduce(net, x, channels)
  local y = relu_conv_bn(net, relu_conv_bn(net, x, channels, 3, 2), channels, 3, 1)
  return net:add(y, net:conv(net:avg_pool(x, { kernel = 2, stride = 2 }), channels))
end

local nb201, full = {}, nil

--- The space over networks of another size: cells = 5 a stage, channels = 16 in the first.
function nb201.with(options)
  local p = util.parameters("nb201", NETWORK, options or {}, 2)
  local self = space.define {
    name = "nb201",
    cells = { cell = { nodes = 4, ops = OPS, identity = "skip_connect", edge = function(from, to) return EDGE[to - 1][from - 1] end } },
    build = function(net)
      local op_of = {}
      for to = 1, 3 do
        for from = 0, to - 1 do op_of[EDGE[to][from]] = net:choice(EDGE[to][from], CANDIDATES) end
      end
      local y = net:conv_bn(net:input(), p.channels, { kernel = 3 })
      for stage = 0, 2 do
        if stage > 0 then y = reduce(net, y, p.channels << stage) end
        for _ = 1, p.cells do y = cell(net, y, op_of) end
      end
      return net:linear(net:global_avg_pool(net:batch_norm(y, { act = "relu" })), net.classes)
    end,
  }
  for name, method in pairs(nb201) do self[name] = method end
  return self
end

--- The benchmark's text of an architecture.
function nb201.text(arch)
  local nodes = {}
  for to = 1, 3 do
    local edges = {}
    for from = 0, to - 1 do edges[#edges + 1] = ("%s~%d"):format(arch[EDGE[to][from]], from) end
    nodes[to] = "|" .. table.concat(edges, "|") .. "|"
  end
  return table.concat(nodes, "+")
end

--- Reads the text form. @return arch, or nil, message, "EFORMAT"
function nb201.parse(text)
  local arch, node = {}, 0
  for part in (text .. "+"):gmatch "(.-)%+" do
    node = node + 1
    local from = 0
    for op, source in part:gmatch "|([%w_]+)~(%d)" do
      if tonumber(source) ~= from then return nil, ("nb201: node %d: source %d expected, got %s"):format(node, from, source), "EFORMAT" end
      arch[EDGE[node][from]] = op
      from = from + 1
    end
    if node > 3 or from ~= node then return nil, ("nb201: '%s' is not three nodes with 1, 2 and 3 edges"):format(text), "EFORMAT" end
  end
  local good, message = full:check(arch)
  if not good then return nil, message, "EFORMAT" end
  return good
end

full = nb201.with {}
return full
