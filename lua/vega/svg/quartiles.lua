--- A picture of many comparisons: a panel a problem, in it a line a method from the lower to the upper quartile with a dot at the median.
--    quartiles({ { title = "branin", x = "regret", log = true, mark = 0.2, rows = { { name = "tpe", q1 = .., median = .., q3 = .. } } } },
--      { columns = 3 })
-- `mark` is a dashed line: what all are compared with.
local svg = require "vega.svg"

local WIDTH, ROW, HEAD, FOOT, NAMES, GAP = 400, 16, 26, 36, 160, 14
local STYLE = [[<style>text{font:11px sans-serif;fill:#222}.t{font-weight:bold}.d{fill:#777}.f{fill:none;stroke:#ddd}.q{stroke:#3566a8;stroke-width:3}
.m{fill:#3566a8}.r{stroke:#c8553d;stroke-dasharray:3 3}</style>]]

-- The ends of the axis, in its units; on a log scale what is not above 0 stands at the left end.
local function range(panel)
  local lo, hi = math.huge, -math.huge
  local function take(v)
    if panel.log then v = v > 0 and math.log(v, 10) or math.huge end
    lo, hi = math.min(lo, v), math.max(hi, v == math.huge and hi or v)
  end
  if panel.mark then take(panel.mark) end
  for _, row in ipairs(panel.rows) do
    take(row.q1)
    take(row.median)
    take(row.q3)
  end
  if lo > hi then return 0, 1 end
  if hi - lo < 1e-9 * math.max(1, math.abs(hi)) then return lo - 0.5, hi + 0.5 end
  return lo, hi
end

local function row_of(write, row, x, x0, y)
  write('<text x="%d" y="%d" text-anchor="end">%s</text>', x0 - 6, y + 4, svg.escape(row.name))
  write('<line class="q" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>', x(row.q1), y, x(row.q3), y)
  write('<circle class="m" cx="%.1f" cy="%d" r="4"><title>%s: %.6g [%.6g, %.6g]</title></circle>', x(row.median), y, svg.escape(row.name),
    row.median, row.q1, row.q3)
end

local function draw(out, panel, left, top)
  local lo, hi = range(panel)
  local x0, x1, head = left + NAMES, left + WIDTH - 12, top + HEAD
  local bottom = head + ROW * #panel.rows
  local function x(v)
    if panel.log then v = v > 0 and math.log(v, 10) or lo end
    return x0 + 6 + (v - lo) / (hi - lo) * (x1 - x0 - 12)
  end
  local function write(format, ...) out[#out + 1] = format:format(...) end
  local function show(v) return ("%.4g"):format(panel.log and 10 ^ v or v) end
  write('<text class="t" x="%d" y="%d">%s</text>', left, top + 16, svg.escape(panel.title))
  write('<rect class="f" x="%d" y="%d" width="%d" height="%d"/>', x0, head - 4, x1 - x0, ROW * #panel.rows + 6)
  if panel.mark then write('<line class="r" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>', x(panel.mark), head - 4, x(panel.mark), bottom + 2) end
  for i, row in ipairs(panel.rows) do row_of(write, row, x, x0, head + ROW * (i - 1) + 8) end
  write('<text class="d" x="%d" y="%d">%s</text>', x0, bottom + 16, show(lo))
  write('<text class="d" x="%d" y="%d" text-anchor="end">%s</text>', x1, bottom + 16, show(hi))
  write('<text class="d" x="%d" y="%d" text-anchor="middle">%s</text>', left + WIDTH // 2, bottom + 28,
    svg.escape(panel.x .. (panel.log and ", log scale" or "")))
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
  local head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="quartiles">')
    :format(width, height, width, height)
  return table.concat { head, STYLE, '<rect width="100%" height="100%" fill="#fff"/>\n', table.concat(out, "\n"), "\n</svg>\n" }
end
