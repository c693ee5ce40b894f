--- P-DARTS: three searches of growing depth, each on the operations that the one before has left on each edge; identities are followed by dropout
-- whose rate decays, and the normal cell keeps at most two skips. Chen et al. 2019, arXiv:1904.12760.
-- The depths are the caller's: space = function(stage) return darts.new { cells = ({ 5, 11, 17 })[stage], ... } end. `epochs` is of each stage.
local util = require "vega.util"

-- The dropout behind skips in an epoch (from 1) of `epochs`, of which the first `warm` leave the architecture alone. It jumps back after them.
local function rate(p0, epoch, epochs, warm)
  local e = epoch - 1
  if e < warm then return p0 * (epochs - e - 1) / epochs end
  return p0 * math.exp(-0.2 * (e - warm))
end

-- The candidates of an edge in the order in which they go: the weakest first, of equals the earlier.
local function weakest(d, row)
  local order = table.move(d.live[row], 1, #d.live[row], 1, {})
  table.sort(order, function(a, b) return d.rows[row][a] < d.rows[row][b] or d.rows[row][a] == d.rows[row][b] and a < b end)
  return order
end

-- What is switched off after a stage that drops n more on each edge.
local function drop(weights, n)
  local switches = {}
  for _, d in ipairs(weights) do
    switches[d.name] = {}
    for row = 1, #d.rows do
      local off, on = {}, util.copy(d.live[row])
      for i = 1, math.min(n, #on - 1) do off[weakest(d, row)[i]] = true end
      switches[d.name][row] = {}
      for k, label in ipairs(d.labels) do
        if off[k] or not util.contains(on, k) then switches[d.name][row][label] = false end
      end
    end
  end
  return switches
end

local function stages(p)
  local list = {}
  for i, p0 in ipairs(p.dropout) do
    list[i] = { skip_dropout = p0 > 0 and p0 or false }
    if i < #p.dropout then list[i].hand_on = function(s) return { switches = drop(s.found.weights, p.drop[i]) } end end
  end
  return list
end

return {
  lr = 0.025, lr_floor = 0.0, weight_decay = 3e-4,
  arch = { lr = 6e-4, weight_decay = 1e-3, clip = 5 }, warmup = 0.4, read = "progressive", stages = stages,
  -- dropout: of each stage. drop: how many operations each stage but the last takes from every edge; of what is left the read-out chooses.
  params = { dropout = { { 0.1, 0.4, 0.7 } }, drop = { { 3, 2 } } },
  check = function(p)
    if #p.dropout == #p.drop + 1 then return nil end
    return ("p_darts: drop has %d entries, one less than the %d stages of dropout expected"):format(#p.drop, #p.dropout)
  end,
  fill = function(s, phase)
    if not s.p.skip_dropout then return end
    local warm = math.floor(s.p.warmup * s.epochs)
    s.net:set_dropout(phase == "measure" and 0 or rate(s.p.skip_dropout, s.epoch, s.epochs, warm))
  end,
  parts = { rate = rate, drop = drop },
}
