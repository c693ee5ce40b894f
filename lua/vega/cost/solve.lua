--- Small least squares: rows of numbers, tens of columns. What does not exist is nil, message, "ENAN".
local solve = {}

-- The normal equations: A'A [n][n] and A'b [n].
local function normal(rows, b)
  local n = #rows[1]
  local ata, atb = {}, {}
  for j = 1, n do
    ata[j], atb[j] = {}, 0.0
    for k = 1, n do ata[j][k] = 0.0 end
  end
  for i, row in ipairs(rows) do
    for j = 1, n do
      local v = row[j]
      if v ~= 0 then
        local line = ata[j]
        for k = 1, j do line[k] = line[k] + v * row[k] end
        atb[j] = atb[j] + v * b[i]
      end
    end
  end
  for j = 1, n do for k = j + 1, n do ata[j][k] = ata[k][j] end end
  return ata, atb
end

--- The lower factor of a symmetric positive definite matrix, as rows.
function solve.cholesky(a)
  local n, l = #a, {}
  for i = 1, n do
    l[i] = {}
    for j = 1, i do
      local sum = a[i][j]
      for k = 1, j - 1 do sum = sum - l[i][k] * l[j][k] end
      if i == j then
        if sum <= 1e-14 * math.abs(a[i][i]) or sum ~= sum then return nil, "least squares: the columns depend on each other", "ENAN" end
        l[i][i] = math.sqrt(sum)
      else
        l[i][j] = sum / l[j][j]
      end
    end
  end
  return l
end

--- x with l l' x = b.
function solve.by_factor(l, b)
  local n, y, x = #l, {}, {}
  for i = 1, n do
    local sum = b[i]
    for k = 1, i - 1 do sum = sum - l[i][k] * y[k] end
    y[i] = sum / l[i][i]
  end
  for i = n, 1, -1 do
    local sum = y[i]
    for k = i + 1, n do sum = sum - l[k][i] * x[k] end
    x[i] = sum / l[i][i]
  end
  return x
end

-- Adds penalty[j] * (x[j] - prior[j])^2.
local function penalise(ata, atb, penalty, prior)
  for j = 1, #atb do
    local p = type(penalty) == "table" and penalty[j] or penalty or 0
    ata[j][j] = ata[j][j] + p
    if prior then atb[j] = atb[j] + p * prior[j] end
  end
end

--- argmin |A x - b|^2 + sum_j penalty_j (x_j - prior_j)^2. @param penalty a number or a list. @return x, the factor of A'A + penalty
function solve.ridge(rows, b, penalty, prior)
  local ata, atb = normal(rows, b)
  penalise(ata, atb, penalty, prior)
  local l, why, code = solve.cholesky(ata)
  if not l then return nil, why, code end
  return solve.by_factor(l, atb), l
end

-- Solves for the columns of a set; nil where they depend on each other.
local function on_subset(ata, atb, set)
  local a, b = {}, {}
  for i, j in ipairs(set) do
    a[i], b[i] = {}, atb[j]
    for k, m in ipairs(set) do a[i][k] = ata[j][m] end
  end
  local l = solve.cholesky(a)
  return l and solve.by_factor(l, b)
end

local function columns_where(flags)
  local set = {}
  for j = 1, #flags do if flags[j] then set[#set + 1] = j end end
  return set
end

--- The same with x >= 0: Lawson & Hanson 1974, chapter 23, on the normal equations.
function solve.nonnegative(rows, b, penalty, prior)
  local ata, atb = normal(rows, b)
  penalise(ata, atb, penalty, prior)
  local n, x, passive, scale = #atb, {}, {}, 0.0
  for j = 1, n do x[j], passive[j], scale = 0.0, false, math.max(scale, math.abs(atb[j])) end
  local banned = {}                                   -- columns that depend on those in the set already
  for _ = 1, 10 * n do
    local best, at = 1e-12 * scale, nil
    for j = 1, n do
      local slope = atb[j]
      for k = 1, n do slope = slope - ata[j][k] * x[k] end
      if not passive[j] and not banned[j] and slope > best then best, at = slope, j end
    end
    if not at then break end
    passive[at] = true
    while true do
      local set = columns_where(passive)
      local z = on_subset(ata, atb, set)
      if not z then
        passive[at], banned[at] = false, true
        break
      end
      local step, worst = 1, nil
      for i, j in ipairs(set) do
        if z[i] <= 0 then
          local s = x[j] / (x[j] - z[i])
          if not worst or s < step then step, worst = s, j end
        end
      end
      for i, j in ipairs(set) do x[j] = x[j] + step * (z[i] - x[j]) end
      if not worst then break end
      passive[worst], x[worst] = false, 0.0
      if worst == at then banned[at] = true end
    end
  end
  return x
end

return solve
