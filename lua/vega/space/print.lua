--- What spaces and architectures look like as text: listing, literal, canonical text, hashes.
local core_hash = require("vega.core").hash
local condition = require "vega.space.condition"
local text = require "vega.space.text"
local util = require "vega.util"

local printing = { methods = {} }
local methods = printing.methods

local SALT = "second half\n"                                  -- of the 128-bit hash: FNV-1a begun elsewhere

-- Canonical text ----------------------------------------------------------------------------------------------------------------------

-- The cells whose graph stands for them, and the names they hide: all cells when asked for, otherwise those that were declared so.
local function find_graph_cells(space, form)
  local list, hidden = {}, {}
  for _, name in ipairs(util.sorted_keys(space.cells)) do
    local cell = space.cells[name]
    if form == "graph" or cell.canonical == "graph" then
      local members = cell:members()
      list[#list + 1] = { name = name, cell = cell, first = members[1] }
      for _, member in ipairs(members) do hidden[member] = name end
    end
  end
  return { list = list, hidden = hidden }
end

local function graph_cells(space, form)
  form = form or "declared"
  space.graph_cells = space.graph_cells or {}
  space.graph_cells[form] = space.graph_cells[form] or find_graph_cells(space, form)
  return space.graph_cells[form]
end

local function canonical_with_graphs(space, arch, graphs)
  local lines = {}
  for _, name in ipairs(space.names) do
    if arch[name] ~= nil and not graphs.hidden[name] then lines[#lines + 1] = name .. "=" .. text.canonical(arch[name]) end
  end
  for _, each in ipairs(graphs.list) do
    if arch[each.first] ~= nil then lines[#lines + 1] = each.name .. "=g:" .. each.cell:graph_text(arch) end
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

--- One line a decision, in byte order of the names; equal texts are equal architectures. Tied values are left out: they follow from the others.
-- With form "graph", or for a cell declared with canonical = "graph", a cell is one line that is the same for isomorphic cells.
function methods:canonical(arch, form)
  if next(self.cells) ~= nil then
    local graphs = graph_cells(self, form)
    if #graphs.list > 0 then return canonical_with_graphs(self, arch, graphs) end
  end
  return core_hash.canonical(self.names, arch)
end

--- FNV-1a (64 bit) of the canonical text, 16 hexadecimal digits.
function methods:hash(arch, form)
  if next(self.cells) == nil then return core_hash.architecture(self.names, arch) end
  return ("%016x"):format(util.fnv(self:canonical(arch, form)))
end

--- 32 hexadecimal digits: the hash, and a second one that begins elsewhere. For keys that are stored.
function methods:hash128(arch, form)
  local canonical = self:canonical(arch, form)
  return ("%016x%016x"):format(util.fnv(canonical), util.fnv(SALT .. canonical))
end

--- An architecture as a Lua table literal, one line a decision; load("return " .. literal)() is the architecture.
function methods:literal(arch)
  local lines = {}
  for _, name in ipairs(util.sorted_keys(arch)) do
    lines[#lines + 1] = ("  [%q] = %s,"):format(name, text.show(arch[name]))
    if name:find "^[%a_][%w_]*$" then lines[#lines] = ("  %s,"):format(text.show { [name] = arch[name] }:sub(3, -3)) end
  end
  return "{\n" .. table.concat(lines, "\n") .. "\n}"
end

-- Listing -----------------------------------------------------------------------------------------------------------------------------

--- The condition of a decision or tied value as text, or nil.
function methods:describe_guard(entry) return entry.guard and condition.describe(entry.guard) or nil end

local function describe_tied(entry)
  local names = {}
  for i, source in ipairs(entry.sources) do names[i] = source.name end
  return ("%s (%s)"):format(entry.what, table.concat(names, ", "))
end

local function allowed_text(space)
  local count = space:count()
  local interval = count.low and (" (95 %%: 2^%.2f to 2^%.2f)"):format(count.low, count.high) or ""
  return (", %s allowed by %s%s"):format(text.size(count.size, count.bits), count.method, interval)
end

local LARGE = 1 << 53         -- from here on the logarithm says more than the digits

local function size_line(space)
  local line = ("space '%s': %s architectures"):format(space.name, text.size(space.size, space.bits))
  if space.is_estimate then line = line .. " (estimate)" end
  if space.finite and (not space.size or space.size >= LARGE) then line = line .. (", log2 %.4f"):format(space.bits) end
  if space.finite and #space.clauses > 0 then line = line .. allowed_text(space) end
  return line
end

--- One decision a line with its domain, size and condition; tied values; clauses; the size of the whole last.
function methods:describe()
  local lines = {}
  for _, d in ipairs(self.decisions) do
    local guard, domain = self:describe_guard(d), d.domain
    local size = text.size(domain.size, domain.bits)
    lines[#lines + 1] = ("%s: %s, %s values%s"):format(d.name, domain:describe(), size, guard and " when " .. guard or "")
  end
  for _, entry in ipairs(self.tied) do
    local guard = self:describe_guard(entry)
    lines[#lines + 1] = ("%s: %s%s"):format(entry.name, describe_tied(entry), guard and " when " .. guard or "")
  end
  for _, clause in ipairs(self.clauses) do lines[#lines + 1] = "clause: " .. clause.name end
  lines[#lines + 1] = size_line(self)
  return table.concat(lines, "\n")
end

return printing
