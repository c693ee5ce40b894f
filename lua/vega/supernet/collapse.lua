--- Signs that a differentiable search collapses into skips and pools, what they warn of, and rules that stop a search.
-- Zela et al. 2020 (RobustDARTS), arXiv:1909.09656; Liang et al. 2019 (DARTS+), arXiv:1909.06035; Shu et al. 2020, arXiv:1909.09569 (depth, width).
local util = require "vega.util"

local collapse = {}

local SKIP, FREE = "skip_connect", { skip_connect = true, none = true, max_pool_3x3 = true, avg_pool_3x3 = true }

-- Of the mixtures ---------------------------------------------------------------------------------------------------------------------

-- The weights of the candidates of a row that are there.
local function live_row(d, r)
  if not d.live then return d.rows[r] end
  local row = {}
  for i, k in ipairs(d.live[r]) do row[i] = d.rows[r][k] end
  return row
end

local function mean_over_rows(weights, measure)
  local sum, n = 0.0, 0
  for _, d in ipairs(weights) do
    for r, row in ipairs(d.rows) do
      local value = measure(row, d.labels, live_row(d, r))
      if value then sum, n = sum + value, n + 1 end
    end
  end
  return n > 0 and sum / n or 0.0
end

local function entropy(_, _, row)
  if #row < 2 then return nil end
  local sum, total = 0.0, 0.0
  for _, w in ipairs(row) do total = total + w end             -- 1, but for weights that do not compete (sigmoids)
  for _, w in ipairs(row) do if w > 0 then sum = sum - w / total * math.log(w / total) end end
  return sum / math.log(#row)
end

local function weight_of(label)
  return function(row, labels)
    for k, l in ipairs(labels) do if l == label then return row[k] end end
  end
end

local function none_is_top(row, labels)
  local w = weight_of "none"(row, labels)
  return w and (w >= math.max(table.unpack(row)) and 1 or 0)
end

-- Of the cells ------------------------------------------------------------------------------------------------------------------------

-- What is read out: the share without weights, and of each kind of cell its skips and the number of its operations.
local function derived(arch)
  local n, free, skips, ops = 0, 0, {}, {}
  for name, value in pairs(arch) do
    if type(value) == "string" then
      local kind = name:match "^([%a_]+)%." or "cell"
      n, skips[kind], ops[kind] = n + 1, (skips[kind] or 0) + (value == SKIP and 1 or 0), (ops[kind] or 0) + 1
      if FREE[value] then free = free + 1 end
    end
  end
  return n > 0 and free / n or 0.0, skips, ops
end

-- The edges of each kind of cell: { [kind] = { { from, to, op }, ... } }, states below `first` being its inputs.
local function edges_of(arch)
  local kinds = {}
  local function add(kind, first, from, to, op)
    kinds[kind] = kinds[kind] or { first = first }
    table.insert(kinds[kind], { from, to, op })
  end
  for _, name in ipairs(util.sorted_keys(arch)) do
    local kind, node = name:match "^(.+)%.node(%d+)%.inputs$"
    local from, to = name:match "^edge_(%d+)_(%d+)$"
    if kind then
      for i, state in ipairs(arch[name]) do add(kind, 3, state, tonumber(node) + 2, arch[("%s.node%s.op%d"):format(kind, node, i)]) end
    elseif from then add("cell", 1, tonumber(from), tonumber(to), arch[name]) end
  end
  return kinds
end

--- Depth: the largest number of operations with weights on a way from an input of the cell to any node; width: how many nodes read an input.
-- Tables by the kind of cell; cells of other spaces have no entry.
function collapse.shape(arch)
  local depths, widths = {}, {}
  for kind, edges in pairs(edges_of(arch)) do
    local deep, wide, most = {}, {}, 0
    table.sort(edges, function(a, b) return a[2] < b[2] or a[2] == b[2] and a[1] < b[1] end)
    for _, edge in ipairs(edges) do
      local from, to, op = edge[1], edge[2], edge[3]
      local before = from < edges.first and 0 or deep[from]
      if op ~= "none" and before then                       -- a node that nothing enters is no part of a way
        deep[to] = math.max(deep[to] or 0, before + (FREE[op] and 0 or 1))
        wide[to] = wide[to] or from < edges.first or nil
        most = math.max(most, deep[to])
      end
    end
    local n = 0
    for _ in pairs(wide) do n = n + 1 end
    depths[kind], widths[kind] = most, n
  end
  return depths, widths
end

-- Together ----------------------------------------------------------------------------------------------------------------------------

--- What tells of collapse from mixed:weights() and what is read out of them: the fields that vega.differentiable lists.
function collapse.indicators(weights, arch)
  local free, skips, ops = derived(arch)
  local depth, width = collapse.shape(arch)
  return { entropy = mean_over_rows(weights, entropy), skip_mass = mean_over_rows(weights, weight_of(SKIP)),
    none_top = mean_over_rows(weights, none_is_top), free_share = free, skips = skips, ops = ops, depth = depth, width = width }
end

local function cell_of(kind) return kind == "cell" and "cell" or kind .. " cell" end

--- What an epoch's indicators warn of: a list of texts, and the remedies to try, in this order, when there is any. `part` is the share of the search
-- that is over.
function collapse.warnings(entry, part)
  local list = {}
  local function warn(fires, text, ...) if fires then list[#list + 1] = text:format(...) end end
  for _, kind in ipairs(util.sorted_keys(entry.skips)) do
    local n = entry.skips[kind]
    local all = entry.ops and n == entry.ops[kind]
    warn(all, "collapsed: all %d operations of the %s are skips", n, cell_of(kind))
    warn(n >= 4 and not all, "%d skips in the %s", n, cell_of(kind))
  end
  for _, kind in ipairs(util.sorted_keys(entry.depth or {})) do
    local depth = entry.depth[kind]
    warn(kind ~= "reduce" and depth <= 1, "the %s has no way through more than %d operations with weights", cell_of(kind), depth)
  end
  warn(entry.free_share >= 0.75, "%.0f %% of the operations read out have no weights", 100 * entry.free_share)
  warn(entry.none_top >= 0.5, "none leads %.0f %% of the mixtures: second-best weights decide", 100 * entry.none_top)
  warn(entry.skip_mass > 0.4, "skips hold %.2f of the weight", entry.skip_mass)
  warn(entry.entropy < 0.2 and part < 0.5, "the mixtures are decided (entropy %.2f) before half of the search", entry.entropy)
  warn((entry.disc_gap or 0) > 0.2, "what is read out has %.0f points less accuracy than the mixtures", 100 * (entry.disc_gap or 0))
  return list
end

collapse.REMEDIES = "read-out by perturbation (readout = 'perturbation'), p_darts, pc_darts, a stronger weight_decay (robust_darts), darts_minus, " ..
  "fewer epochs"

-- Rules that stop ---------------------------------------------------------------------------------------------------------------------

-- Mean of the values around the i-th, two on each side where they are there.
local function around(values, i)
  local sum, n = 0.0, 0
  for k = math.max(1, i - 2), i + 2 do sum, n = sum + values[k].value, n + 1 end
  return sum / n
end

local rules = {}

--- RobustDARTS: the dominant eigenvalue, averaged over five measurements, has grown by `factor` within four of them. The architecture of the earlier
-- of the two is taken; it must be of epoch `from` or later.
function rules.eigen(history, p)
  local values = {}
  for _, e in ipairs(history) do if e.lambda_max then values[#values + 1] = { value = e.lambda_max, epoch = e.epoch } end end
  local now = #values - 2                                       -- the last with two measurements behind it
  local before = values[now - 4]
  if not before or before.epoch < p.from then return nil end
  local earlier = around(values, now - 4)
  return earlier > 0 and around(values, now) / earlier > p.factor and before.epoch or nil
end

--- DARTS+: a kind of cell has `count` skips or more.
function rules.skips(history, p)
  for _, n in pairs(history[#history].skips) do if n >= p.count then return #history end end
end

--- What is read out has not changed for `epochs`.
function rules.stable(history, p)
  return history[#history].stable_for >= p.epochs and #history or nil
end

local SETTINGS = {
  eigen = { rule = {}, factor = { 1.3, min = 0 }, from = { 10, min = 1 } },
  skips = { rule = {}, count = { 2, min = 1 } },
  stable = { rule = {}, epochs = { 10, min = 1 } },
}

--- A rule as a function of the history: the epoch whose architecture is to be taken when the search stops now, else nil.
-- @param given a name, or { rule = "eigen", factor = 1.3, from = 10 }, { rule = "skips", count = 2 }, { rule = "stable", epochs = 10 }, or a function
function collapse.rule(given, level)
  if type(given) == "function" then return given, "own" end
  local name = type(given) == "table" and given.rule or given
  if not rules[name] then error(util.unknown("differentiable.search", "stop rule", name, util.sorted_keys(rules)), level + 1) end
  local p = util.parameters("differentiable.search: stop", SETTINGS[name], type(given) == "table" and given or {}, level + 1)
  return function(history) return rules[name](history, p) end, name
end

return collapse
