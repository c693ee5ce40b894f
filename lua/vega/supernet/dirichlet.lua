--- Samples of a Dirichlet distribution with their derivatives by the concentration, for DrNAS. theta = g / sum(g), g_i ~ Gamma(c_i, 1); moving along
-- the quantile, dg/dc = -(dF(g; c)/dc) / f(g; c), F the distribution function (the regularised lower incomplete gamma function) and f its density.
local dirichlet = {}

local LANCZOS = { 76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5 }

--- log Gamma(x), x > 0. Lanczos, as in Numerical Recipes; relative error 2e-10.
local function log_gamma(x)
  local t, sum = x + 5.5, 1.000000000190015
  for i, c in ipairs(LANCZOS) do sum = sum + c / (x + i) end
  return (x + 0.5) * math.log(t) - t + math.log(2.5066282746310005 * sum / x)
end

--- F(x; a): by its series below a + 1, by the continued fraction of its complement above.
function dirichlet.gamma_cdf(x, a)
  if x <= 0 then return 0.0 end
  local scale = math.exp(a * math.log(x) - x - log_gamma(a))
  if x < a + 1 then
    local term, sum, n = 1 / a, 1 / a, a
    repeat
      n = n + 1
      term = term * x / n
      sum = sum + term
    until term < sum * 1e-16
    return sum * scale
  end
  local tiny, b = 1e-300, x + 1 - a
  local c, d = 1 / tiny, 1 / b
  local h, i = d, 0
  repeat
    i = i + 1
    local an = -i * (i - a)
    b = b + 2
    d = an * d + b
    if math.abs(d) < tiny then d = tiny end
    c = b + an / c
    if math.abs(c) < tiny then c = tiny end
    d = 1 / d
    h = h * d * c
  until math.abs(d * c - 1) < 1e-15 or i > 1000
  return 1 - scale * h
end

--- dg/dc of a draw g from Gamma(c, 1), F's derivative by central differences.
function dirichlet.derivative(g, c)
  local h = 1e-3 * math.min(1, c)                   -- of fourth order, so that h may be large against F's rounding
  local function F(k) return dirichlet.gamma_cdf(g, c + k * h) end
  local slope = (8 * (F(1) - F(-1)) - (F(2) - F(-2))) / (12 * h)
  return -slope / math.exp((c - 1) * math.log(g) - g - log_gamma(c))
end

--- A draw from Gamma(c, 1), at least 1e-30. Marsaglia & Tsang 2000.
function dirichlet.gamma(c, rng)
  if c < 1 then return math.max(1e-30, dirichlet.gamma(c + 1, rng) * (1 - rng:uniform()) ^ (1 / c)) end
  local d = c - 1 / 3
  local k = 1 / math.sqrt(9 * d)
  while true do
    local x = rng:normal()
    local v = (1 + k * x) ^ 3
    if v > 0 and math.log(1 - rng:uniform()) < 0.5 * x * x + d - d * v + d * math.log(v) then return d * v end
  end
end

return dirichlet
