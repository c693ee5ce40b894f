--- Horizontal bars of shares: a row a name.
--    bars({ { name = "width", share = 0.6 } }, { title = "importance" })
local svg = require "vega.svg"

local NAMES, WIDE, ROW = 180, 420, 20

--- @return the text of an <svg> element
return function(rows, options)
  local out, width = {}, NAMES + WIDE + 60
  for i, row in ipairs(rows) do
    local y = (i - 1) * ROW
    out[#out + 1] = ('<text x="%d" y="%d" text-anchor="end">%s</text>'):format(NAMES - 8, y + 14, svg.escape(row.name))
    out[#out + 1] = ('<rect x="%d" y="%d" width="%.1f" height="%d" fill="#3566a8"/>'):format(NAMES, y + 3, WIDE * row.share, ROW - 6)
    out[#out + 1] = ('<text x="%.1f" y="%d">%.1f %%</text>'):format(NAMES + WIDE * row.share + 5, y + 14, 100 * row.share)
  end
  return ('<svg viewBox="0 0 %d %d" width="%d" class="bars" role="img" aria-label="%s">%s</svg>'):format(width, #rows * ROW, width,
    svg.escape(options and options.title or "bars"), table.concat(out, "\n"))
end
