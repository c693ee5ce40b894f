--- Rows that describe cells: how often each operation stands on an edge that counts.
--    local row = vega.cost.cells.counts(edges, ops, { prune = "dead_ends" })
-- Which edges count depends on the runtime, and decides more about accuracy than the model does. Of all 15,284 connected cells of NAS-Bench-201 on a
-- Raspberry Pi 4, +-10 % accuracy of the same five-coefficient ridge: 18 % of "nothing", 54 % of "unreached", 65 % of "dead_ends". A compiled
-- runtime drops what the output does not need; what is fed by zeros it computes all the same.
local cells = {}

-- The edges that count: those whose end reaches the output and, for "unreached", whose beginning the input reaches.
local function counted(edges, none, prune)
  if prune == "nothing" then return function() return true end end
  local first, last = math.huge, -math.huge
  for _, e in ipairs(edges) do first, last = math.min(first, e.from), math.max(last, e.to) end
  local forward, back = { [first] = true }, { [last] = true }
  local order = table.move(edges, 1, #edges, 1, {})
  table.sort(order, function(a, b) return a.from < b.from or a.from == b.from and a.to < b.to end)
  for _, e in ipairs(order) do if e.op ~= none and forward[e.from] then forward[e.to] = true end end
  for i = #order, 1, -1 do
    local e = order[i]
    if e.op ~= none and back[e.to] then back[e.from] = true end
  end
  return function(e) return e.op ~= none and back[e.to] and (prune == "dead_ends" or forward[e.from]) end
end

--- { 1, times of each operation }: over edges { { from =, to =, op = }, ... } whose nodes are numbered in an order of execution.
-- @param ops names of the operations that are counted. @param options prune = "dead_ends", "unreached" or "nothing"; none = "none"; one_hot =
-- true: then
--   an entry for each edge and operation follows
function cells.counts(edges, ops, options)
  local o = require("vega.util").parameters("cells.counts", { prune = { "dead_ends", one_of = { "nothing", "dead_ends", "unreached" } },
    none = { "none" },
    one_hot = { false } }, options or {}, 2)
  local is_counted, n, row = counted(edges, o.none, o.prune), {}, { 1 }
  for _, e in ipairs(edges) do if is_counted(e) then n[e.op] = (n[e.op] or 0) + 1 end end
  for _, op in ipairs(ops) do row[#row + 1] = n[op] or 0 end
  if o.one_hot then
    for _, e in ipairs(edges) do
      for _, op in ipairs(ops) do row[#row + 1] = e.op == op and is_counted(e) and 1 or 0 end
    end
  end
  return row
end

--- Whether the output depends on the input at all.
function cells.is_connected(edges, none)
  local is_counted = counted(edges, none or "none", "unreached")
  for _, e in ipairs(edges) do if is_counted(e) then return true end end
  return false
end

return cells
