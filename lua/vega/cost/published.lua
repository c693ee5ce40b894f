--- Latency tables as their projects published them, and what their networks are called in them.
--    local t = assert(vega.cost.published.proxylessnas(path))                              -- keys and ms on a Pixel 1
--    t:sum(vega.cost.published.proxylessnas_keys { { { 5, 3 }, { 3, 3 } }, ... }).ms
--    local t = assert(vega.cost.published.ofa(path, 224)); t:sum(vega.cost.published.ofa_keys(224, { kernel = 3, expand = 3, depth = 2 }))
--    local t = assert(vega.cost.published.fbnet(path, { unit = "us" }))                    -- t.rows[layer][candidate], t.candidates
--    local t = assert(vega.cost.published.densenas(path))                                  -- what vega.cost.chain takes
-- Readers return table | nil, message, code ("EIO", "EFORMAT").
local core = require "vega.core"
local lut = require "vega.cost.lut"
local nn = require "vega.nn"

local published = {}

local function read_csv(path, keep)
  local table_of, why, code = core.csv.read(path, keep)
  if not table_of then return nil, why, code end
  for _, name in ipairs { "key", "mean_ms" } do
    if not table_of.columns[name] then return nil, ("lut: %s has no column '%s'"):format(path, name), "EFORMAT" end
  end
  return table_of.columns
end

-- Rows of a CSV as entries. `where`: which rows; `deviation` of a row.
local function entries_of(path, columns, where, deviation)
  local entries = {}
  for i, key in ipairs(columns.key) do
    if where(i) then
      if entries[key] then return nil, ("lut: %s: the key '%s' stands there twice"):format(path, key), "EFORMAT" end
      entries[key] = { ms = columns.mean_ms[i], sd = deviation(i), count = columns.count and columns.count[i] }
    end
  end
  return entries
end

local function named(path, fields)
  fields.name = path:match "[^/]+$"
  return lut.new(fields)
end

--- ProxylessNAS (Cai et al. 2019, arXiv:1812.00332): key, count, mean_ms, var; float, batch 1, one thread of a Pixel 1.
function published.proxylessnas(path)
  local columns, why, code = read_csv(path)
  if not columns then return nil, why, code end
  local entries
  entries, why, code = entries_of(path, columns, function() return true end,
    function(i) return columns.var and type(columns.var[i]) == "number" and math.sqrt(columns.var[i]) or nil end)
  if not entries then return nil, why, code end
  return named(path, { entries = entries, device = "Google Pixel 1", source = "arXiv:1812.00332", batch = 1 })
end

--- Once-for-all (Cai et al. 2020, arXiv:1908.09791): resolution, key, count, mean_ms, std_ms; the entries of one resolution.
function published.ofa(path, resolution)
  local columns, why, code = read_csv(path)
  if not columns then return nil, why, code end
  if not columns.resolution then return nil, ("lut: %s has no column 'resolution'"):format(path), "EFORMAT" end
  local entries
  entries, why, code = entries_of(path, columns, function(i) return columns.resolution[i] == resolution end,
    function(i) return columns.std_ms and columns.std_ms[i] end)
  if not entries then return nil, why, code end
  if not next(entries) then return nil, ("lut: %s has no entries for images of %s pixels"):format(path, tostring(resolution)), "EFORMAT" end
  return named(path, { entries = entries, device = "Samsung Galaxy Note 10", source = "arXiv:1908.09791", batch = 1 })
end

--- FBNet (Wu et al. 2019, arXiv:1812.03443): a line a layer, a number a candidate block; a first line of names may stand above.
-- @param options unit = "ms" or "us", device
function published.fbnet(path, options)
  local o = require("vega.util").parameters("published.fbnet", { unit = { "ms", one_of = { "ms", "us" } }, device = {} }, options or {}, 2)
  local text, why, code = lut.read_text(path)
  if not text then return nil, why, code end
  local rows, candidates, number = {}, nil, 0
  for line in text:gmatch "[^\r\n]+" do
    local row, words = {}, {}
    number = number + 1
    for word in line:gmatch "%S+" do
      words[#words + 1] = word
      row[#words] = tonumber(word) and tonumber(word) / (o.unit == "us" and 1000 or 1)
    end
    if number == 1 and not next(row) then candidates = words
    elseif #row ~= #words then return nil, ("lut: %s, line %d: numbers expected"):format(path, number), "EFORMAT"
    else rows[#rows + 1] = row end
    if rows[1] and #row ~= #rows[1] and row[1] then
      return nil, ("lut: %s, line %d has %d candidates, the first has %d"):format(path, number, #row, #rows[1]), "EFORMAT"
    end
  end
  if #rows == 0 then return nil, ("lut: %s has no rows"):format(path), "EFORMAT" end
  return named(path, { rows = rows, candidates = candidates, device = o.device, source = "arXiv:1812.03443" })
end

local function is_list_of_times(list)
  if type(list) ~= "table" or #list == 0 then return false end
  for _, v in ipairs(list) do if type(v) ~= "number" or not (v >= 0 and v < math.huge) then return false end end
  return true
end

-- { head branches, stack layers }, each a list of lists of candidates.
local function is_block(block)
  if type(block) ~= "table" or type(block[1]) ~= "table" or type(block[2]) ~= "table" or #block[1] == 0 then return false end
  for _, part in ipairs(block) do for _, times in ipairs(part) do if not is_list_of_times(times) then return false end end end
  return true
end

--- DenseNAS (Fang et al. 2020, arXiv:1906.09607): JSON [stem, blocks, tail branches, classifier] in ms; a block is [head branches, stack layers].
-- @return { stem =, blocks = { { heads = { { ms } by input, the nearest first }, stack = { { ms } } } }, tail = { ms by input, the same },
-- classifier = }
function published.densenas(path)
  local text, why, code = lut.read_text(path)
  if not text then return nil, why, code end
  local data, wrong = core.json.decode(text)
  local good = type(data) == "table" and #data == 4 and is_list_of_times { data[1], data[4] } and is_list_of_times(data[3])
    and type(data[2]) == "table"
  if not good then
    return nil, ("lut: %s: %s"):format(path, wrong or "a stem, blocks, a tail and a classifier, in times >= 0, expected"), "EFORMAT"
  end
  local blocks = {}
  for i, block in ipairs(data[2]) do
    if not is_block(block) then return nil, ("lut: %s: block %d: lists of times >= 0 expected"):format(path, i), "EFORMAT" end
    blocks[i] = { heads = block[1], stack = block[2] }
  end
  return { stem = data[1], blocks = blocks, tail = data[3], classifier = data[4], device = "NVIDIA Titan Xp", batch = 32,
    source = "arXiv:1906.09607" }
end

-- Networks by the tables' keys -------------------------------------------------------------------------------------------------------------

local PROXYLESS = { { 24, 2 }, { 40, 2 }, { 80, 2 }, { 96, 1 }, { 192, 2 }, { 320, 1 } }        -- width, first stride
--- The keys of a ProxylessNAS network. @param stages six lists of { kernel, expand }, a block each; a skipped block is left out
-- @param first kernel of the first block (default 3)
function published.proxylessnas_keys(stages, first)
  local keys = { "Conv-input:224x224x3-output:112x112x32",
    ("expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:%d-stride:1-idskip:0"):format(first or 3) }
  local side, width = 112, 16
  for i, stage in ipairs(PROXYLESS) do
    for b, block in ipairs(stages[i]) do
      local stride = b == 1 and stage[2] or 1
      local out = side // stride
      keys[#keys + 1] = ("expanded_conv-input:%dx%dx%d-output:%dx%dx%d-expand:%d-kernel:%d-stride:%d-idskip:%d"):format(side, side, width, out, out,
        stage[1], block[2], block[1], stride, stride == 1 and width == stage[1] and 1 or 0)
      side, width = out, stage[1]
    end
  end
  keys[#keys + 1], keys[#keys + 2] = "Conv_1-input:7x7x320-output:7x7x1280", "Logits-input:7x7x1280-output:1000"
  return keys
end

local OFA = { { 32, 2, 0, 0 }, { 48, 2, 1, 0 }, { 96, 2, 0, 1 }, { 136, 1, 1, 1 }, { 192, 2, 1, 1 } }      -- width, stride, squeeze-excite, h-swish
--- The keys of a once-for-all network of width 1.2. @param settings kernel, expand, depth: each a number, or kernel[stage][block] and so on
function published.ofa_keys(resolution, settings)
  local function pick(v, stage, block) return type(v) == "table" and (type(v[stage]) == "table" and v[stage][block] or v[stage]) or v end
  local side, width = (resolution + 1) // 2, 24
  local keys = { ("Conv-input:%dx%dx3-output:%dx%dx24"):format(resolution, resolution, side, side),
    ("expanded_conv-input:%dx%dx24-output:%dx%dx24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0"):format(side, side, side, side) }
  for i, stage in ipairs(OFA) do
    local out_width, first, se, hs = table.unpack(stage)
    for b = 1, pick(settings.depth, i) do
      local stride = b == 1 and first or 1
      local out, expand = (side + stride - 1) // stride, pick(settings.expand, i, b)
      keys[#keys + 1] = ("expanded_conv-input:%dx%dx%d-output:%dx%dx%d-expand:%d-kernel:%d-stride:%d-idskip:%d-se:%d-hs:%d"):format(side, side, width,
        out, out, out_width, nn.round_channels(width * expand), pick(settings.kernel, i, b), stride, stride == 1 and width == out_width and 1 or 0,
          se, hs)
      side, width = out, out_width
    end
  end
  for _, key in ipairs { "Conv_1-input:%dx%dx192-output:%dx%dx1152", "AvgPool2D-input:%dx%dx1152-output:1x1x1152" } do
    keys[#keys + 1] = key:format(side, side, side, side)
  end
  keys[#keys + 1], keys[#keys + 2] = "Conv_2-input:1x1x1152-output:1x1x1536", "Logits-input:1x1x1536-output:1000"
  return keys
end

return published
