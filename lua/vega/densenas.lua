--- DenseNAS: densely connected search spaces, in which the width of each block and where the image shrinks are searched with the operators.
-- Fang et al. 2020, arXiv:1906.09607.
--
--    local space = vega.densenas.space { ... }                                   -- or "mobilenet_v2", "resnet": see densenas/space.lua
--    local found = assert(vega.densenas.search { space = space, data = train, validation = held_out, epochs = 30, batch = 64, lambda = 0.3 })
--    print(vega.densenas.write(found.arch), found.history[#found.history].derived)        -- rows; its multiply-adds, in thousands
--    local network = vega.densenas.network(found.arch, { input = train.shape, classes = 10, seed = 1 })
--    vega.train.fit(vega.densenas.recipe { model = network, data = train, epochs = 40 })
--
-- Parts: densenas/space.lua the blocks, ops.lua the operators, supernet.lua, search.lua, costs.lua tables, weights.lua what vega.cost.chain makes the
-- chained cost of, derive.lua Viterbi, network.lua stand-alone networks, text.lua their notation, published.lua those of the paper, space/ one file a
-- space.
local core = require "vega.core"
local derive = require "vega.densenas.derive"
local network = require "vega.densenas.network"
local published = require "vega.densenas.published"
local Search = require "vega.densenas.search"
local text = require "vega.densenas.text"
local util = require "vega.util"

local densenas = {
  --- The space of that name, or one of lists: see densenas/space.lua.
  space = require "vega.densenas.space",
  --- Tables of costs: macs, measure, published, save, load.
  costs = require "vega.densenas.costs",
  --- Weights as vega.cost.chain.expected(space.net, costs, weights) takes them: uniform(space), one_hot(space, arch, space:locate(arch)).
  weights = require "vega.densenas.weights",
  --- read(text) -> architecture | nil, message, "EFORMAT";  write(architecture) -> text.
  read = text.read, write = text.write,
  --- The most probable path: Viterbi.
  path = derive.path,
  network = network.describe,
}

--- A published network: { arch, text, macs, latency_ms, top1 } of "DenseNAS-A", "-B" or "-C".
function densenas.published(name)
  local entry = published[name]
  if not entry then error(util.unknown("densenas", "published network", name, util.sorted_keys(published)), 2) end
  local copy = util.copy(entry)
  copy.arch = assert(text.read(entry.text))
  return copy
end

--- How the paper retrains what it found, as options of vega.train.fit: SGD 0.5 by cosine to 1e-5, momentum 0.9, decay 4e-5, labels smoothed by 0.1,
-- 240 epochs of batch 1024. What is given goes before.
function densenas.recipe(given)
  local o = { epochs = 240, batch = 1024, smoothing = 0.1, optimiser = { name = "sgd", lr = 0.5, momentum = 0.9, weight_decay = 4e-5 },
    schedule = { name = "cosine", floor = 1e-5 } }
  for key, value in pairs(given or {}) do o[key] = value end
  return o
end

--- Searches. Options, with the paper's values:
--   space, data, validation: weights are trained on the one set, the architecture on the other; classes = those of data
--   epochs = 150, warmup = a third: epochs of the weights alone; judge = 4/5 of epochs: from then on the mixture is evaluated on `validation`, and
--   the two derived architectures of the highest accuracy are kept; batch = 352, lr = 0.2 (by cosine to lr_floor = 1e-4), momentum = 0.9,
--   weight_decay = 4e-5
--   arch = { lr = 3e-4, weight_decay = 1e-3 }; lambda = 0.15, tau: the architecture's loss is CE + lambda * log(cost) / log(tau); tau is in the
--   table's unit and by default what all architectures alike would cost; costs = a table of densenas.costs (thousands of multiply-adds)
--   seed = 1, precision = "f32" or "bf16", augment = { flip, crop, cutout }, tail_double_softmax = false: see densenas/supernet.lua
--   checkpoint = path, resume = false: written after each epoch, to path and path.arch; on_epoch(entry, found) -> false to stop; quiet = false:
--   progress is shown on a terminal
-- history[i]: loss, arch_loss, cost_term, cost (expected, of the architecture's probabilities), derived (of the network that is derived), text,
-- path_probability, and from `judge` on accuracy, validation_loss.
-- @return { arch, path, best = list of { arch, text, accuracy, derived, epoch }, history, net, space, costs, normalise } | nil, message, code, found
-- as it was then (ENAN: training diverged; the last checkpoint stands)
function densenas.search(options)
  local search <close> = Search.new(options)
  return search:run()
end

--- `n` different random architectures of a space, for comparison. @return list
function densenas.random(space, n, seed)
  local rng, seen, list, refused = core.rng.new(seed or 1, "random", 0), {}, {}, 0
  while #list < n and refused < 1000 do
    local arch = space:random(rng)
    local key = text.write(arch)
    refused = refused + 1
    if not seen[key] then seen[key], list[#list + 1], refused = true, arch, 0 end
  end
  return list
end

return densenas
