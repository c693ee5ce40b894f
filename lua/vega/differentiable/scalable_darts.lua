--- Scalable-DARTS: operations are the product of a set of activations and a set of regular operations, each with parameters of its own; the blended
-- activation is computed once an edge, so that the cost grows with the sum of the sets. Built from the journal's abstract alone: the cycle below is a
-- design of ours. In turn, an epoch each, the operations' parameters are trained and the activations' rest, and the other way round.
-- Read out as DARTS; found.details.activations[name][row] is an edge's activation, found.details.text the genotype with `op@activation`.
local readout = require "vega.supernet.readout"

-- What rests in this epoch: the activations in every first, the operations in every second.
local function resting(s)
  local list = {}
  for _, d in ipairs(s:parameters()) do
    for _, tensor in ipairs(s.epoch % 2 == 1 and { d.acts } or { d.alpha, d.beta }) do list[#list + 1] = tensor end
  end
  return list
end

local function read(found)
  local arch, names, chosen, marked = readout.argmax(found), found.net.options.activations, {}, {}
  for name, value in pairs(arch) do marked[name] = value end
  for _, d in ipairs(found.weights) do
    local function mark(name, row)
      local activation = d.acts and names[readout.largest(d.acts[row])] or names[1]
      chosen[d.name] = chosen[d.name] or {}
      chosen[d.name][row] = activation
      if arch[name]:find "conv" and activation ~= "relu" then marked[name] = arch[name] .. "@" .. activation end
    end
    if not d.keeps then mark(d.name, 1)
    else for i, row in ipairs(arch[d.name .. ".inputs"]) do mark(("%s.op%d"):format(d.name, i), row) end end
  end
  return arch, { activations = chosen, text = found.space.text and found.space.text(marked) }
end

return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 }, warmup = 0.3, read = read,
  activations = { "relu", "relu6", "prelu", "swish", "hswish", "elu" }, second = "shared",
  fill = function(s, phase)
    if phase ~= "arch" then return end
    s.rest = {}
    for _, tensor in ipairs(resting(s)) do s.rest[#s.rest + 1] = { tensor, tensor:copy() } end
  end,
  after_arch = function(s)
    for _, pair in ipairs(s.rest) do pair[1]:assign(pair[2]) end
  end,
}
