--- Small SVG pictures for reports: a plot of points and lines, and a drawing of a network. Text in, text out; nothing is read from outside.
local svg = {}

local ESCAPE = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }
--- Makes any text safe inside HTML and SVG.
function svg.escape(text) return (tostring(text):gsub("[&<>\"']", ESCAPE)) end

local COLOURS = { "#3566a8", "#c8553d", "#4f9d69", "#8d6cab", "#b8860b", "#2f8f9d", "#a83279", "#6b6b6b" }

-- Round numbers for an axis: at most `want` steps of 1, 2 or 5 times a power of ten.
local function ticks(lo, hi, want)
  if hi <= lo then hi = lo + (lo ~= 0 and math.abs(lo) * 0.1 or 1) end
  local raw = (hi - lo) / want
  local power = 10 ^ math.floor(math.log(raw, 10))
  local step = raw / power
  step = (step <= 1 and 1 or step <= 2 and 2 or step <= 5 and 5 or 10) * power
  local list, at = {}, math.ceil(lo / step - 1e-9) * step
  while at <= hi + step * 1e-9 do
    list[#list + 1] = math.abs(at) < step * 1e-9 and 0.0 or at         -- sums do not come back to 0
    at = at + step
  end
  return list
end

local function range(series, key)
  local lo, hi = math.huge, -math.huge
  for _, s in ipairs(series) do
    for _, p in ipairs(s.points) do
      lo, hi = math.min(lo, p[key]), math.max(hi, p[key])
    end
  end
  if lo > hi then return 0, 1 end
  local margin = hi > lo and (hi - lo) * 0.05 or math.max(math.abs(lo) * 0.05, 0.5)
  return lo - margin, hi + margin
end

local WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 64, 44, 16, 16

local function axes(out, box, x_label, y_label)
  for _, v in ipairs(ticks(box.x0, box.x1, 7)) do
    local x = box.x(v)
    out[#out + 1] = ('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" class="grid"/><text x="%.1f" y="%d" text-anchor="middle">%.6g</text>')
      :format(x, TOP, x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 15, v)
  end
  for _, v in ipairs(ticks(box.y0, box.y1, 6)) do
    local y = box.y(v)
    out[#out + 1] = ('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" class="grid"/><text x="%d" y="%.1f" text-anchor="end">%.6g</text>')
      :format(LEFT, y, WIDTH - RIGHT, y, LEFT - 6, y + 4, v)
  end
  out[#out + 1] = ('<text x="%d" y="%d" text-anchor="middle">%s</text>'):format((LEFT + WIDTH - RIGHT) // 2, HEIGHT - 8, svg.escape(x_label))
  out[#out + 1] = ('<text x="14" y="%d" text-anchor="middle" transform="rotate(-90 14 %d)">%s</text>')
    :format((TOP + HEIGHT - BOTTOM) // 2, (TOP + HEIGHT - BOTTOM) // 2, svg.escape(y_label))
end

--- A plot. series: list of { points = { { x, y, title? } ... }, line = bool, dots = bool, step = bool, name = }. options: x and y, what the axes
-- are called, title, legend = "bottom" where the names would hide something at the top.
-- @return the text of an <svg> element
function svg.plot(series, options)
  local box = {}
  box.x0, box.x1 = range(series, 1)
  box.y0, box.y1 = range(series, 2)
  function box.x(v) return LEFT + (v - box.x0) / (box.x1 - box.x0) * (WIDTH - LEFT - RIGHT) end
  function box.y(v) return HEIGHT - BOTTOM - (v - box.y0) / (box.y1 - box.y0) * (HEIGHT - TOP - BOTTOM) end
  local out = { ('<svg viewBox="0 0 %d %d" class="plot" role="img" aria-label="%s">'):format(WIDTH, HEIGHT, svg.escape(options.title or "plot")) }
  axes(out, box, options.x or "", options.y or "")
  for i, s in ipairs(series) do
    local colour, path = s.colour or COLOURS[(i - 1) % #COLOURS + 1], {}
    for k, p in ipairs(s.points) do
      local x, y = box.x(p[1]), box.y(p[2])
      if s.step and k > 1 then path[#path + 1] = ("%.1f,%.1f"):format(x, box.y(s.points[k - 1][2])) end
      path[#path + 1] = ("%.1f,%.1f"):format(x, y)
    end
    if s.line then out[#out + 1] = ('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>'):format(table.concat(path, " "), colour) end
    for _, p in ipairs(s.dots and s.points or {}) do
      out[#out + 1] = ('<circle cx="%.1f" cy="%.1f" r="%s" fill="%s"><title>%s</title></circle>')
        :format(box.x(p[1]), box.y(p[2]), s.radius or "4", colour, svg.escape(p[3] or ("%.6g, %.6g"):format(p[1], p[2])))
    end
    if s.name then
      out[#out + 1] = ('<text x="%d" y="%d" fill="%s" stroke="#fff" stroke-width="3" paint-order="stroke" text-anchor="end">%s</text>')
        :format(WIDTH - RIGHT - 6, options.legend == "bottom" and HEIGHT - BOTTOM - 8 - 14 * (#series - i) or TOP + 14 * i, colour, svg.escape(s.name))
    end
  end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end

-- What a box of the drawing says.
local function caption(node)
  local shape, a = node.shape, node.args
  local size = #shape == 4 and ("%dx%dx%d"):format(shape[2], shape[3], shape[4]) or tostring(shape[#shape])
  local what = node.op
  if what == "conv2d" then
    what = a.groups > 1 and "depthwise" or "conv"
    what = ("%s %dx%d%s"):format(what, node.kernel, node.kernel, a.stride > 1 and " /" .. math.tointeger(a.stride) or "")
  end
  return what, size
end

--- A drawing of a network from graph:nodes(), top to bottom: operators as boxes, norms and activations merged into what they follow.
function svg.network(nodes)
  local level, box, width, lines = { [1] = 0 }, { [1] = 1 }, {}, {}
  local boxes = { { op = "input", level = 0, size = table.concat(nodes[1].shape, "x", 2) } }
  local MERGED = { batch_norm = true, relu = true, relu6 = true, hswish = true, swish = true }
  for i, node in ipairs(nodes) do
    if node.op then
      local from = node.inputs[1]
      if MERGED[node.op] and box[from] then
        box[i], level[i] = box[from], level[from]
      else
        if node.op == "conv2d" then node.kernel = nodes[node.inputs[2]].shape[2] end
        local depth = 0
        local at = #boxes + 1
        for _, source in ipairs(node.inputs) do
          if source and box[source] then
            depth = math.max(depth, level[source] + 1)
            lines[#lines + 1] = { box[source], at }
          end
        end
        local what, size = caption(node)
        boxes[at] = { op = what, level = depth, size = size }
        box[i], level[i] = at, depth
      end
    end
  end
  local deepest, widest = 0, 1
  for _, b in ipairs(boxes) do
    width[b.level] = (width[b.level] or 0) + 1
    b.column = width[b.level]
    deepest, widest = math.max(deepest, b.level), math.max(widest, width[b.level])
  end
  local W, H = 150, 34
  local function place(b) return (b.column - 0.5 + (widest - width[b.level]) / 2) * (W + 10) + 40, b.level * H + 4 end
  local out = { ('<svg viewBox="0 0 %d %d" class="network" width="%d" role="img" aria-label="network">')
    :format(widest * (W + 10) + 80, (deepest + 1) * H + 8, widest * (W + 10) + 80) }
  for _, l in ipairs(lines) do
    local x1, y1 = place(boxes[l[1]])
    local x2, y2 = place(boxes[l[2]])
    local bend = boxes[l[2]].level - boxes[l[1]].level > 1 and W / 2 + 30 or 0      -- a shortcut goes around what it skips
    out[#out + 1] = ('<path d="M%.0f %.0f C%.0f %.0f %.0f %.0f %.0f %.0f" fill="none" stroke="#999"/>')
      :format(x1, y1 + 22, x1 + bend, y1 + 34, x2 + bend, y2 - 12, x2, y2)
  end
  for _, b in ipairs(boxes) do
    local x, y = place(b)
    out[#out + 1] = ('<rect x="%.0f" y="%.0f" width="%d" height="22" rx="4" class="box"/>'):format(x - W / 2, y, W)
    out[#out + 1] = ('<text x="%.0f" y="%.0f" text-anchor="middle">%s <tspan class="dim">%s</tspan></text>'):format(x, y + 15, svg.escape(b.op),
      svg.escape(b.size))
  end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end

local STANDS_ALONE = [[<style>text{font:11px sans-serif}.grid{stroke:#e4e4e4}.box{fill:#f4f6fa;stroke:#b9c3d3}.dim{fill:#888}</style>
<rect width="100%" height="100%" fill="#fff"/>]]

--- A picture of these functions as a file of its own, with the style that a page has for it.
function svg.file(picture)
  local head, rest = picture:match "^<svg ([^>]*>)(.*)$"
  return ('<svg xmlns="http://www.w3.org/2000/svg" %s%s%s\n'):format(head, STANDS_ALONE, rest)
end

return svg
