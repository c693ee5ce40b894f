--- A drawing of a cell: its states in a row, an arc for each operation from the state it reads to the one it enters, all from left to right.
--    cell(space.cells.normal:graph(arch), { colours = { skip_connect = "#c8553d" }, title = "normal" })
-- Arcs between different pairs of states never have their tops at one place, so their names can be read.
local svg = require "vega.svg"

local STEP, BOX, TALL, RISE, FIRST = 124, 62, 24, 32, 26        -- pixels: between states, their boxes, and how high an arc goes a state it spans

local function caption(g, node, is_input)
  local number = tostring(node - 1)                            -- states count from 0, as genotypes do
  if is_input then return number .. " input" end
  if node == g.output then return "output" end
  return g.nodes[node] ~= "" and g.nodes[node] or number
end

-- The arcs with the height that each has: parallel ones above each other. Those that only join a state to the output go below, without a name.
local function arcs_of(g)
  local list, seen, highest, lowest = {}, {}, 0, 0
  for _, e in ipairs(g.edges) do
    local from, to, op = table.unpack(e)
    local key = from .. ":" .. to
    seen[key] = (seen[key] or 0) + 1
    local arc = { from = from, to = to, op = op, joins = op == "join", height = FIRST + RISE * (to - from - 1) + 14 * (seen[key] - 1) }
    if arc.joins then
      arc.height = 12 + 9 * (to - from)
      lowest = math.max(lowest, arc.height)
    else highest = math.max(highest, arc.height) end
    list[#list + 1] = arc
  end
  return list, highest, lowest
end

--- @param g as a cell's graph(arch) gives it: nodes, edges = { { from, to, op }, ... }, inputs, output; nodes are in an order of execution
-- @return the text of an <svg> element
return function(g, options)
  local o, inputs, out = options or {}, {}, {}
  for _, node in ipairs(g.inputs) do inputs[node] = true end
  local arcs, highest, lowest = arcs_of(g)
  local top = highest + 28
  local width, height = (#g.nodes - 1) * STEP + BOX + 40, top + TALL + lowest + 12
  local function x_of(node) return 20 + BOX / 2 + (node - 1) * STEP end
  out[1] = ('<svg viewBox="0 0 %d %d" class="cell" width="%d" role="img" aria-label="%s">'):format(width, height, width,
    svg.escape(o.title or "cell"))
  local names = {}
  for _, a in ipairs(arcs) do
    local x1, x2, y, rise = x_of(a.from) + 8, x_of(a.to) - 8, top, a.height
    if a.joins then y, rise = top + TALL, -a.height end
    local colour, bend = a.joins and "#ccc" or o.colours and o.colours[a.op] or "#3566a8", (x2 - x1) * 0.15
    out[#out + 1] = ('<path d="M%.0f %.0f C%.0f %.0f %.0f %.0f %.0f %.0f" fill="none" stroke="%s" stroke-width="%s"/>'):format(x1, y, x1 + bend,
      y - rise / 0.75, x2 - bend, y - rise / 0.75, x2, y, colour, a.joins and "1" or "2")
    if a.op ~= "" and not a.joins then
      names[#names + 1] = ('<text x="%.0f" y="%.0f" text-anchor="middle" fill="%s" stroke="#fff" stroke-width="4" paint-order="stroke">%s</text>')
        :format((x1 + x2) / 2, y - rise - 5, colour, svg.escape(a.op))
    end
  end
  out[#out + 1] = table.concat(names, "\n")
  for node = 1, #g.nodes do
    out[#out + 1] = ('<rect x="%.0f" y="%d" width="%d" height="%d" rx="4" class="box"/><text x="%.0f" y="%d" text-anchor="middle">%s</text>')
      :format(x_of(node) - BOX / 2, top, BOX, TALL, x_of(node), top + 16, svg.escape(caption(g, node, inputs[node])))
  end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end
