--- What each of several workers did when: a row a worker, time from left to right.
--    timeline({ { name = "w1", bins = { "COMPLETE", nil, "LOST" } } }, { bins = 3, seconds = 60 })
-- A bin without a word is a time in which nothing was done.
local svg = require "vega.svg"

local NAMES, WIDE, ROW, FOOT = 180, 620, 20, 36
local COLOURS = { COMPLETE = "#4f9d69", PRUNED = "#8fb3dd", PAUSED = "#8fb3dd", RELEASED = "#d9d9d9", FAILED = "#c8553d", LOST = "#b8860b",
  KILLED = "#a83279", running = "#3566a8" }

local function row_of(out, line, y, n)
  local step, i = WIDE / n, 1
  while i <= n do
    local word, j = line.bins[i], i
    while j < n and line.bins[j + 1] == word do j = j + 1 end
    if word then
      out[#out + 1] = ('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s</title></rect>'):format(NAMES + (i - 1) * step, y + 3,
        (j - i + 1) * step, ROW - 6, COLOURS[word] or "#6b6b6b", svg.escape(word))
    end
    i = j + 1
  end
end

--- @param lines list of { name, bins } @param options bins = how many there are, seconds = what they span, show = function(seconds) -> text
-- @return the text of an <svg> element
return function(lines, options)
  local out, seen = {}, {}
  for i, line in ipairs(lines) do
    local y = (i - 1) * ROW
    out[#out + 1] = ('<text x="%d" y="%d" text-anchor="end">%s</text>'):format(NAMES - 8, y + 14, svg.escape(line.name))
    row_of(out, line, y, options.bins)
    for k = 1, options.bins do if line.bins[k] then seen[line.bins[k]] = true end end
  end
  local y, x = #lines * ROW, NAMES
  local show = options.show or function(s) return ("%.0f s"):format(s) end
  out[#out + 1] = ('<line x1="%d" y1="%d" x2="%d" y2="%d" class="grid"/>'):format(NAMES, y + 2, NAMES + WIDE, y + 2)
  for k = 0, 4 do
    local at = NAMES + WIDE * k // 4
    out[#out + 1] = ('<text x="%d" y="%d" text-anchor="%s">%s</text>'):format(at, y + 15, k == 0 and "start" or k == 4 and "end" or "middle",
      show(options.seconds * k / 4))
  end
  local words = {}
  for word in pairs(seen) do words[#words + 1] = word end
  table.sort(words)
  for _, word in ipairs(words) do
    out[#out + 1] = ('<rect x="%d" y="%d" width="9" height="9" fill="%s"/><text x="%d" y="%d">%s</text>'):format(x, y + 23, COLOURS[word] or "#6b6b6b",
      x + 13, y + 32, svg.escape(word))
    x = x + 90
  end
  return ('<svg viewBox="0 0 %d %d" width="%d" class="timeline" role="img" aria-label="time line">%s</svg>'):format(NAMES + WIDE, y + FOOT,
    NAMES + WIDE, table.concat(out, "\n"))
end
