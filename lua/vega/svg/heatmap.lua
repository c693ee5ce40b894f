--- A heatmap: a row a name, in it cells with a label of their own, the darker the nearer its share is to 1.
--    heatmap({ { name = "op", values = { { label = "conv", share = 0.7 }, { label = "skip", share = 0.3 } } } }, { title = "operations" })
local svg = require "vega.svg"

local NAMES, CELL, ROW, MOST = 180, 132, 24, 14       -- pixels; characters of a label

-- From white to blue.
local function shade(share)
  local function mix(a, b) return math.floor(a + (b - a) * share + 0.5) end
  return ("#%02x%02x%02x"):format(mix(255, 53), mix(255, 102), mix(255, 168))
end

local function cut(label) return utf8.len(label) and utf8.len(label) > MOST and label:sub(1, utf8.offset(label, MOST) - 1) .. "…" or label end

--- @return the text of an <svg> element
return function(rows, options)
  local widest, out = 1, {}
  for i, row in ipairs(rows) do
    local y = (i - 1) * ROW
    widest = math.max(widest, #row.values)
    out[#out + 1] = ('<text x="%d" y="%d" text-anchor="end">%s</text>'):format(NAMES - 8, y + 16, svg.escape(row.name))
    for k, v in ipairs(row.values) do
      local x = NAMES + (k - 1) * CELL
      out[#out + 1] = ('<rect x="%d" y="%d" width="%d" height="%d" fill="%s" stroke="#fff"/>'):format(x, y, CELL, ROW, shade(v.share))
      out[#out + 1] = ('<text x="%d" y="%d" text-anchor="middle" fill="%s">%s %.0f %%<title>%s: %s %.1f %%, of all trials %.1f %%</title></text>')
        :format(x + CELL // 2, y + 16, v.share > 0.55 and "#fff" or "#222", svg.escape(cut(v.label)), 100 * v.share, svg.escape(row.name),
          svg.escape(v.label), 100 * v.share, 100 * (v.overall or v.share))
    end
  end
  local width = NAMES + widest * CELL
  return ('<svg viewBox="0 0 %d %d" width="%d" class="heatmap" role="img" aria-label="%s">%s</svg>'):format(width, #rows * ROW, width,
    svg.escape(options and options.title or "heatmap"), table.concat(out, "\n"))
end
