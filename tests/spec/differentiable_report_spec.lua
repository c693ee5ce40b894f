--- The report of a differentiable search, and its drawings.
local areas = require "vega.svg.areas"
local batch = require("spec.supernet_helper").batch
local draw_cell = require "vega.svg.cell"
local helper = require "spec.helper"
local page_of = require("vega.report.differentiable").html
local vega = require "vega"

local darts = vega.space "darts"

local function pictures(n, shape, seed)
  local x, y = batch(shape, n, seed, 3)
  return vega.data.from_tensors("pictures", x, y, 3)
end

local function search(space, more)
  local o = { space = space, data = pictures(24, { 8, 8, 3 }, 1), validation = pictures(24, { 8, 8, 3 }, 2), epochs = 3, batch = 8, seed = 1 }
  for key, value in pairs(more or {}) do o[key] = value end
  return assert(vega.differentiable.search(o))
end

local function count(text, pattern) return select(2, text:gsub(pattern, "")) end

describe("the report of a differentiable search", function()
  it("draws the cells, the curves and the weights of NAS-Bench-201", function()
    local found = search(vega.space("nb201").with { cells = 1, channels = 4 })
    local path = helper.scratch "nb201.html"
    assert.equal(path, found:report(path))
    local page = helper.read(path)
    assert.matches("^<!DOCTYPE html>.*</html>\n$", page)
    assert.is_nil(page:find "https?://" or page:find "<script" or page:find "src=")
    assert.equal(1, count(page, 'class="cell"'))
    assert.is_truthy(page:find(found.space.text(found.arch), 1, true))
    assert.equal(6, count(page, '<rect [^>]*fill="none" stroke="#bbb"'))            -- a panel an edge
    assert.equal(6 * 5, count(page, "<polygon"))                                    -- in each, five operations
    for _, name in ipairs { "loss", "validation_loss", "arch_loss", "accuracy", "entropy", "skip_mass", "none_top", "free_share", "stable_for" } do
      assert.is_truthy(page:find(">" .. name .. "</text>", 1, true), name)
    end
    assert.is_nil((found:report(helper.scratch "file" .. "/")))                     -- a folder is no file
  end)

  it("draws both cells of DARTS and the edges' own weights", function()
    local found = search(darts.new { cells = 2, reductions = { 2 }, channels = 4, nodes = 2, ops = { "none", "skip_connect", "max_pool_3x3" } },
      { preset = { partial = 2, edge_norm = true } })
    local page = page_of(found)
    assert.equal(2, count(page, 'class="cell"'))
    assert.equal(2 * (2 + 1 + 3 + 1), count(page, '<rect [^>]*fill="none" stroke="#bbb"'))
    assert.equal(3, #found.history[2].weights[1].rows[1])
    assert.same(found.weights, found.history[3].weights)
    assert.equal(count(page, "its edges"), 4)
  end)

  it("shows each stage of a progressive search, and the rule that ended one", function()
    local function space(stage) return darts.new { cells = 1 + stage, channels = 4, nodes = 2, ops = { "none", "skip_connect", "max_pool_3x3",
      "sep_conv_3x3", "dil_conv_3x3", "avg_pool_3x3", "sep_conv_5x5", "dil_conv_5x5" } } end
    local found = search(space, { preset = "p_darts", epochs = 2, stop = { rule = "stable", epochs = 99 } })
    local page = page_of(found)
    for stage = 1, 3 do assert.is_truthy(page:find(("<h1>Stage %d</h1>"):format(stage), 1, true)) end
    found.stopped = { rule = "stable", epoch = 1 }
    assert.is_truthy(page_of(found):find("The rule <b>stable</b> ended it; taken is what was read out in epoch 1", 1, true))
  end)

  it("shows weights that do not compete as shares", function()
    local found = search(vega.space("nb201").with { cells = 1, channels = 4 }, { preset = "fair_darts", readout = "argmax", epochs = 2 })
    for y in page_of(found):gmatch '<polygon points="[%d.]+,([%d.-]+)' do assert.is_true(tonumber(y) >= 18) end
  end)

  it("shows warnings first, or says that there are none", function()
    local found = search(vega.space("nb201").with { cells = 1, channels = 4 }, { epochs = 1 })
    found.warnings = {}
    assert.matches("No sign of collapse", page_of(found))
    found.warnings = { "6 skips <in> the cell" }
    local page = page_of(found)
    assert.is_true(page:find("6 skips &lt;in&gt; the cell", 1, true) < page:find("<h2>", 1, true))
    assert.is_nil(page:find("No sign of collapse", 1, true))
  end)

  it("takes whatever an epoch has: other figures, none of ours, numbers that are not finite", function()
    local found = search(vega.space("nb201").with { cells = 1, channels = 4 }, { epochs = 2 })
    for i, entry in ipairs(found.history) do
      entry.lambda_max, entry.latency_ms, entry.accuracy, entry.arch_loss = 0.1 * i, 3.5, 0 / 0, math.huge
      entry.notes = { "a table" }
    end
    local page = page_of(found)
    assert.matches("Largest eigenvalue", page)
    assert.matches(">latency_ms</text>", page)
    assert.is_nil(page:find(">arch_loss</text>", 1, true))
    for _, entry in ipairs(found.history) do entry.weights, entry.skips, entry.hash, entry.arch = nil, nil, nil, nil end
    assert.equal(0, count(page_of(found), "<polygon"))
  end)

  it("follows operations by name when a later stage has fewer", function()
    local found = search(vega.space("nb201").with { cells = 1, channels = 4 }, { epochs = 2 })
    local d = found.history[2].weights[1]
    d.labels, d.rows = { "skip_connect", "nor_conv_3x3" }, { { 0.25, 0.75 } }
    found.weights[1] = d
    assert.matches("nor_conv_3x3: 0.%d+, at the end 0.750", page_of(found))
  end)
end)

describe("the drawing of a cell", function()
  it("has every operation's name, no two in one place", function()
    local rng = vega.rng.new(1, "cells")
    for _ = 1, 50 do
      local arch = darts:random(rng)
      for _, kind in ipairs { "normal", "reduce" } do
        local drawing, seen, n = draw_cell(darts.cells[kind]:graph(arch)), {}, 0
        for x, y in drawing:gmatch '<text x="([%d.]+)" y="([%d.]+)" text%-anchor="middle" fill' do
          assert.is_nil(seen[x .. " " .. y])
          seen[x .. " " .. y], n = true, n + 1
        end
        assert.equal(8, n)
      end
    end
  end)

  it("parts arcs between the same two states, and takes any text", function()
    local edges = { { 1, 2, "<op>" }, { 1, 2, "pool" }, { 2, 3, "join" } }
    local drawing = draw_cell { nodes = { "", "a&b", "" }, inputs = { 1 }, output = 3, edges = edges }
    local heights = {}
    for y in drawing:gmatch 'y="(%d+)" text%-anchor="middle" fill' do heights[#heights + 1] = y end
    assert.equal(2, #heights)
    assert.not_equal(heights[1], heights[2])
    assert.matches("&lt;op&gt;", drawing)
    assert.matches("a&amp;b", drawing)
  end)
end)

describe("panels of parts", function()
  it("fill from the bottom to the sum, one moment included", function()
    local drawing = areas({ { title = "t", names = { "a", "b" }, rows = { { 0.25, 0.75 } } } }, { colours = { a = "#111", b = "#222" } })
    assert.equal(2, count(drawing, "<polygon"))
    local top = drawing:match '<polygon points="[^"]*" fill="#222"'
    for y in top:gmatch ",([%d.]+)" do assert.is_true(tonumber(y) >= 18 and tonumber(y) <= 18 + 84 * 0.75) end
  end)
end)
