--- How often each value of a decision is among the best trials: rows for a heatmap.
local text = require "vega.report.text"

local MOST_ROWS, MOST_VALUES, SHARE, FEWEST = 40, 12, 0.1, 10

-- What a value is called: lists are joined, and no value of another type has the same name as a text.
local function label(v) return text.show(type(v) == "table" and table.concat(v, " ") or v, 24) end

local function count(trials, name)
  local n, total = {}, 0
  for _, t in ipairs(trials) do
    local v = t.arch and t.arch[name]
    if v ~= nil then
      local key = label(v)
      n[key], total = (n[key] or 0) + 1, total + 1
    end
  end
  return n, total
end

local function labels_of(n)
  local labels = {}
  for key in pairs(n) do
    labels[#labels + 1] = key
    if #labels > MOST_VALUES then return nil end
  end
  table.sort(labels, function(a, b)
    local x, y = tonumber(a), tonumber(b)
    if x and y and x ~= y then return x < y end
    return a < b
  end)
  return labels
end

--- @param space the signature. @param ranked complete trials, the best first
-- @return { best = how many of them are the best, rows = { { name, values = { { label, share, overall }, ... } }, ... }, left_out = rows too many };
-- decisions with more than 12 values are not in it
return function(space, ranked)
  local n_best = math.min(#ranked, math.max(FEWEST, math.ceil(SHARE * #ranked)))
  local best, result = table.move(ranked, 1, n_best, 1, {}), { best = n_best, rows = {}, left_out = 0 }
  for _, d in ipairs(space and space.decisions or {}) do
    local all, total = count(ranked, d.name)
    local labels = total > 0 and labels_of(all)
    if labels and #labels > 1 then
      local among, of = count(best, d.name)
      local row = { name = text.show(d.name, 40), values = {} }
      for i, key in ipairs(labels) do row.values[i] = { label = key, share = of > 0 and (among[key] or 0) / of or 0, overall = all[key] / total } end
      if #result.rows < MOST_ROWS then table.insert(result.rows, row) else result.left_out = result.left_out + 1 end
    end
  end
  return result
end
