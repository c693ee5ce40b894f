--- A picture of many comparisons: a panel a problem, in it a line a method from the lower to the upper quartile with a dot at the median.
--    quartiles({ { title = "branin", x = "regret", log = true, mark = 0.2, rows = { { name = "tpe", q1 = .., median = .., q3 = .. } } } }, { columns = 3 })
local svg = require "vega.svg"

local WIDTH, ROW, HEAD, FOOT, NAMES, GAP = 360, 16, 26, 36, 110, 14
local STYLE = [[<style>text{font:11px sans-serif;fill:#222}.t{font-weight:bold}.d{fill:#777}.f{fill:none;stroke:#ddd}.q{stroke:#3566a8;stroke-width:3}
.m{fill:#3566a8}.r{stroke:#c8553d;stroke-dasharray:3 3}</style>]]

local function range(panel)
  local lo, hi = panel.mark or math.huge, panel.mark or -math.huge
  for _, row in ipairs(panel.rows) do lo, hi = math.min(lo, row.q1), math.max(hi, row.q3) end
  if panel.log and lo > 0 then
    lo, hi = math.log(lo, 10), math.log(hi, 10)
    if hi - lo < 1e-3 then lo, hi = lo - 0.5, hi + 0.5 end
    return lo, hi, true
  end
  if hi - lo < 1e-12 then lo, hi = lo - 0.5, hi + 0.5 end
  return lo, hi, false
end

local function draw(out, panel, left, top)
  local lo, hi, log = range(panel)
  local x0, x1 = left + NAMES, left + WIDTH - 12
  local function x(v) return x0 + 6 + ((log and math.log(v, 10) or v) - lo) / (hi - lo) * (x1 - x0 - 12) end
  local bottom = top + HEAD + ROW * #panel.rows
  local function write(format, ...) out[#out + 1] = format:format(...) end
  write('<text class="t" x="%d" y="%d">%s</text>', left, top + 16, svg.escape(panel.title))
  write('<rect class="f" x="%d" y="%d" width="%d" height="%d"/>', x0, top + HEAD - 4, x1 - x0, ROW * #panel.rows + 6)
  if panel.mark then write('<line class="r" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>', x(panel.mark), top + HEAD - 4, x(panel.mark), bottom + 2) end
  for i, row in ipairs(panel.rows) do
    local y = top + HEAD + ROW * (i - 1) + 8
    write('<text x="%d" y="%d" text-anchor="end">%s</text>', x0 - 6, y + 4, svg.escape(row.name))
    write('<line class="q" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>', x(row.q1), y, x(row.q3), y)
    write('<circle class="m" cx="%.1f" cy="%d" r="4"><title>%s: %.6g [%.6g, %.6g]</title></circle>', x(row.median), y, svg.escape(row.name), row.median, row.q1, row.q3)
  end
  local function show(v) return ("%.4g"):format(log and 10 ^ v or v) end
  write('<text class="d" x="%d" y="%d">%s</text><text class="d" x="%d" y="%d" text-anchor="end">%s</text>', x0, bottom + 16, show(lo), x1, bottom + 16, show(hi))
  write('<text class="d" x="%d" y="%d" text-anchor="middle">%s</text>', (x0 + x1) // 2, bottom + 28, svg.escape(panel.x .. (log and ", log scale" or "")))
end

--- @return the text of one <svg> element that stands alone
return function(panels, options)
  local columns, out, top, tallest = options and options.columns or 3, {}, GAP, 0
  for i, panel in ipairs(panels) do
    local column = (i - 1) % columns
    if column == 0 then top, tallest = top + tallest, 0 end
    draw(out, panel, GAP + column * (WIDTH + GAP), top)
    tallest = math.max(tallest, HEAD + ROW * #panel.rows + FOOT + GAP)
  end
  local width, height = GAP + math.min(columns, math.max(1, #panels)) * (WIDTH + GAP), top + tallest
  return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="quartiles">%s<rect width="100%%" height="100%%" fill="#fff"/>\n%s\n</svg>\n')
    :format(width, height, width, height, STYLE, table.concat(out, "\n"))
end
