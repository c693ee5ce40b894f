--- NASWOT: how well the rectifiers of an untrained network tell images apart. log |K|, where K_ij counts those on or off alike for images i and j.
-- Mellor et al. 2021, arXiv:2006.04647. Every rectified activation has a code, norms' fused ones too: relu, leaky_relu, relu6 (its upper kink is
-- ignored), hswish and swish, on where the output is positive. Gates (sigmoid, hsigmoid, tanh) have none. Batch statistics.
local core = require "vega.core"
local walk = require "vega.walk"
local op = core.op

local Naswot = { name = "naswot", params = {}, needs = { "batch" } }

local RECTIFIES = { relu = true, leaky = true, leaky_relu = true, relu6 = true, hswish = true, swish = true }

-- 1 where y > 0, else 0, as rows [N, all].
local function codes_of(y)
  local on = op.scale(op.relu6(op.scale(y, { factor = 1e38 })), { factor = 1 / 6 })
  return on:reshape { y:shape()[1], -1 }
end

-- Adds codes c [N, D] to the list of kernels: K_ij = D - a_i - a_j + 2 G_ij, G = c c^T, a_i = G_ii. Counts below 2^24 are exact in f32.
local function add_kernel(kernel, c)
  local n, d = table.unpack(c:shape())
  local g = op.linear(c, c):totable()             -- c c^T
  for i = 1, n do
    for j = 1, n do
      local at = (i - 1) * n + j
      kernel[at] = (kernel[at] or 0) + d - g[i][i] - g[j][j] + 2 * g[i][j]
    end
  end
end

--- The kernel of outputs of rectifiers, a list of tensors [N, ...], as a flat list.
function Naswot.kernel(outputs)
  local kernel = {}
  for _, y in ipairs(outputs) do add_kernel(kernel, codes_of(y)) end
  return kernel
end

--- log |K|; -math.huge where K is singular (two images with one code) or there is no rectifier.
function Naswot.of(kernel) return #kernel > 0 and core.linalg.log_det(kernel) or -math.huge end

function Naswot.score(graph, o)
  local kernel = {}
  walk.open(graph):run(o.batch, function(node, inputs)
    local y = walk.apply(node, inputs, true)
    if RECTIFIES[node.op] or RECTIFIES[node.options.act] then add_kernel(kernel, codes_of(y)) end
    return y
  end)
  return Naswot.of(kernel)
end

return Naswot
