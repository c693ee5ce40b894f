--- Small panels side by side, in each the parts of a whole over time, one above the other.
--    areas({ { title = "edge 0 to 1", names = { "none", "skip" }, rows = { { 0.5, 0.5 }, { 0.2, 0.8 } } } },
--      { columns = 4, colours = { none = "#ddd", skip = "#c8553d" } })
-- A row is one moment, its numbers, each 0 to 1, add up to at most 1.
local svg = require "vega.svg"

local WIDTH, HEIGHT, HEAD, GAP = 176, 84, 18, 14

local function draw(out, panel, left, top, colours)
  local rows, n = panel.rows, #panel.rows
  local function x(i) return left + (n > 1 and (i - 1) / (n - 1) or i - 1) * WIDTH end
  local function y(v) return top + HEAD + (1 - v) * HEIGHT end
  out[#out + 1] = ('<text x="%d" y="%d">%s</text>'):format(left, top + 12, svg.escape(panel.title))
  local below, last = {}, n > 1 and n or 2                              -- one moment is drawn as if it lasted
  for i = 1, last do below[i] = 0.0 end
  for k, name in ipairs(panel.names) do
    local path, above = {}, {}
    for i = 1, last do
      above[i] = below[i] + (rows[i] or rows[n])[k]
      path[i] = ("%.1f,%.1f"):format(x(i), y(above[i]))
    end
    for i = last, 1, -1 do path[#path + 1] = ("%.1f,%.1f"):format(x(i), y(below[i])) end
    out[#out + 1] = ('<polygon points="%s" fill="%s"><title>%s: %.3f, at the end %.3f</title></polygon>'):format(table.concat(path, " "),
      colours[name], svg.escape(name), rows[1][k], rows[n][k])
    below = above
  end
  out[#out + 1] = ('<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#bbb"/>'):format(left, top + HEAD, WIDTH, HEIGHT)
end

--- @param panels a list of { title, names, rows }  @param options colours = { name = colour }, columns = 5
-- @return the text of an <svg> element
return function(panels, options)
  local columns, out = options.columns or 5, {}
  columns = math.min(columns, #panels)
  for i, panel in ipairs(panels) do
    draw(out, panel, (i - 1) % columns * (WIDTH + GAP) + 1, (i - 1) // columns * (HEAD + HEIGHT + GAP), options.colours)
  end
  local width, height = columns * (WIDTH + GAP), (#panels + columns - 1) // columns * (HEAD + HEIGHT + GAP)
  return ('<svg viewBox="0 0 %d %d" class="areas" width="%d" role="img" aria-label="%s">%s</svg>'):format(width, height, width,
    svg.escape(options.title or "parts over time"), table.concat(out, "\n"))
end
