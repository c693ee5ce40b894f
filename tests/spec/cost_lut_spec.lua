--- Look-up tables: check sums of the published ones, our own format, what is refused, and the table of this CPU against whole networks.
local helper = require "spec.helper"
local lut = require "vega.cost.lut"
local published = require "vega.cost.published"
local shared = require "vega.table.shared"
local vega = require "vega"

local function near(want, got) assert.is_true(math.abs(want - got) <= 1e-6, ("%.9f expected, got %.9f"):format(want, got)) end

-- A test that needs a published file.
local function with(name, title, test)
  local path = shared("lut/" .. name)
  if path then it(title, function() test(path) end) else pending(title) end
end

describe("published tables", function()
  with("proxylessnas_pixel1.csv", "of ProxylessNAS sum to the published check sums", function(path)
    local t = assert(published.proxylessnas(path))
    local function ms(stages) return t:sum(published.proxylessnas_keys(stages)).ms end
    near(86.376643, ms { { { 5, 3 }, { 3, 3 } }, { { 7, 3 }, { 3, 3 }, { 5, 3 }, { 5, 3 } }, { { 7, 6 }, { 5, 3 }, { 5, 3 }, { 5, 3 } },
      { { 5, 6 }, { 5, 3 }, { 5, 3 }, { 5, 3 } }, { { 7, 6 }, { 7, 6 }, { 7, 3 }, { 7, 3 } }, { { 7, 6 } } })
    local smallest, largest = {}, {}
    for i = 1, 6 do
      smallest[i], largest[i] = { { 3, 3 } }, {}
      for b = 1, i == 6 and 1 or 4 do largest[i][b] = { 7, 6 } end
    end
    near(32.708467, ms(smallest))
    near(180.975184, ms(largest))
    local sum = t:sum(published.proxylessnas_keys(smallest))
    assert.equal("table", sum.provenance)
    assert.equal("Google Pixel 1", sum.device)
    assert.is_true(sum.sd > 0 and sum.sd < 5)
  end)

  with("ofa_mbv3_note10.csv", "of once-for-all sum to the published check sums", function(path)
    local SUMS = { [160] = { 9.890347, 20.032600, 47.773312 }, [192] = { 13.325492, 27.835620, 67.561659 },
      [224] = { 17.769056, 37.806379, 92.398036 } }
    for resolution, sums in pairs(SUMS) do
      local t = assert(published.ofa(path, resolution))
      for i, s in ipairs { { kernel = 3, expand = 3, depth = 2 }, { kernel = 5, expand = 4, depth = 3 }, { kernel = 7, expand = 6, depth = 4 } } do
        near(sums[i], t:sum(published.ofa_keys(resolution, s)).ms)
      end
    end
    assert.matches("no entries for images of 225 pixels", select(2, published.ofa(path, 225)))
  end)

  with("fbnet_junrq_speed.txt", "of FBNet are positional", function(path)
    local t = assert(published.fbnet(path, { device = "GTX 1080 Ti" }))
    assert.equal(22, #t.rows)
    assert.equal(0.308029603958, t.rows[1][1])
    assert.equal(9, #t.rows[22])
    local other = assert(published.fbnet(shared "lut/fbnet_22layers_araslanova_us.txt", { unit = "us" }))
    assert.equal(22, #other.rows)
    assert.equal("ir_k5_e6", other.candidates[8])
    assert.is_true(math.abs(other.rows[1][1] - 5.129798054695129) < 1e-12)
  end)

  it("are refused with the reason when they are damaged", function()
    local function csv(text) return published.proxylessnas(helper.write(helper.scratch "t.csv", text)) end
    for text, message in pairs {
      ["key,count,mean_ms,var\na,1,-2.5,0.1\n"] = "'a' has the time %-2.5; a number >= 0 expected",
      ["key,count,mean_ms,var\na,1,,0.1\nb,1,2,0.1\n"] = "'a' has no time",
      ["key,count,mean_ms,var\na,1,2,0.1\na,1,3,0.1\n"] = "the key 'a' stands there twice",
      ["name,ms\na,1\n"] = "no column 'key'",
    } do
      local t, why, code = csv(text)
      assert.is_nil(t)
      assert.equal("EFORMAT", code)
      assert.matches(message, why)
    end
    local function rows(text) return published.fbnet(helper.write(helper.scratch "t.txt", text)) end
    assert.matches("line 2 has 1 candidates, the first has 2", select(2, rows "1 2\n3\n"))
    assert.matches("line 2: numbers expected", select(2, rows "1 2\n3 x\n"))
    assert.matches("row 1, column 2 has the time %-2", select(2, rows "1 -2\n"))
    local function dense(text) return published.densenas(helper.write(helper.scratch "t.json", text)) end
    assert.matches("block 1: lists of times", select(2, dense "[1, [[[[1, -2]], []]], [1], 1]"))
    assert.matches("a stem, blocks, a tail", select(2, dense "[1, 2]"))
    assert.equal("EIO", select(3, published.densenas "/nowhere.json"))
  end)
end)

describe("a latency table", function()
  local space = vega.space "mobile_tiny"

  local function small()
    return assert(lut.new { name = "small", device = "a", dtype = "f32", space = lut.fingerprint(space),
      entries = { ["relu-input:4x4x8-output:4x4x8"] = { ms = 1, sd = 3 }, ["relu-input:4x4x16-output:4x4x8"] = { ms = 2, sd = 4 } } })
  end

  it("comes back as it was written, and only for what it was measured for", function()
    local t, path = small(), helper.scratch "t.json"
    assert.is_true(t:save(path))
    local back = assert(lut.read(path, { space = space, device = "a", dtype = "f32" }))
    assert.same(t.entries, back.entries)
    for _, case in ipairs { { { space = vega.space "nb201" }, "measured for space 'mobile_tiny:%x+', not for 'nb201:%x+'" },
      { { device = "b" }, "measured for device 'a', not for 'b'" }, { { dtype = "bf16" }, "measured for dtype 'f32', not for 'bf16'" } } do
      local none, why, code = lut.read(path, case[1])
      assert.is_nil(none)
      assert.equal("EFORMAT", code)
      assert.matches(case[2], why)
    end
    assert.error_matches(function() lut.read(path, { devise = "a" }) end, "unknown option 'devise'; did you mean 'device'")
    for _, text in ipairs { "", "[", "[1]", '{"format":"vega-lut"}', '{"format":"vega-lut","version":1,"unit":"ms","entries":{"a":{"ms":-1}}}',
      '{"format":"vega-lut","version":1,"unit":"ms","entries":{"a":{}}}', '{"format":"vega-lut","version":1,"unit":"ms","entries":{"a":7}}',
      '{"format":"vega-lut","version":1,"unit":"ms","entries":{},"rows":7}', '{"format":"vega-lut","version":1,"unit":"ms","entries":{},"rows":[[1,-2]]}',
      '{"format":"vega-lut","version":1,"unit":"ms","entries":{},"correction":[1]}',
      '{"format":"vega-lut","version":1,"unit":"ms","entries":{},"overhead_ms":-1}' } do
      local none, why, code = lut.read(helper.write(helper.scratch "bad.json", text))
      assert.is_nil(none)
      assert.equal("EFORMAT", code)
      assert.is_string(why)
    end
    assert.equal("EIO", select(3, lut.read "/nowhere.json"))
  end)

  it("that is positional keeps its rows, their candidates and the supernet that they are of", function()
    local path, mark = helper.scratch "rows.json", lut.fingerprint(space)
    assert.is_true(assert(lut.new { rows = { { 1, 2.5 }, { 3 } }, candidates = { "k3", "k5" }, space = mark }):save(path))
    local back = assert(lut.read(path, { space = space }))
    assert.same({ { { 1, 2.5 }, { 3 } }, { "k3", "k5" } }, { back.rows, back.candidates })
    assert.matches("not for 'nb201:", select(2, lut.read(path, { space = vega.space "nb201" })))
  end)

  it("in f32 is not for a network in bf16", function()
    local network <close> = space:network(space:random(vega.rng(5)), { 28, 28, 1 }, 10, 1)
    network:precision "bf16"
    assert.error_matches(function() small():latency(network) end, "lut 'small' was measured in f32, the network is in bf16")
  end)

  it("names a missing key, or interpolates where it may", function()
    local t = small()
    local sum = t:sum { "relu-input:4x4x8-output:4x4x8", "relu-input:4x4x16-output:4x4x8" }
    assert.equal(3, sum.ms)
    assert.equal(5, sum.sd)                                             -- variances add
    assert.error_matches(function() t:ms "relu-input:4x4x9-output:4x4x8" end,
      "lut 'small' has no entry 'relu%-input:4x4x9%-output:4x4x8'; the nearest is 'relu%-input:4x4x8")
    assert.error_matches(function() t:sum { "tanh" } end, "no entry 'tanh'")
    local guess = t:sum({ "relu-input:4x4x32-output:4x4x8" }, { missing = "interpolate" })
    assert.is_true(math.abs(guess.ms - 4) < 1e-12)                       -- a straight line in logarithms, up to twice beyond
    assert.same({ "relu-input:4x4x32-output:4x4x8" }, guess.interpolated)
    assert.error_matches(function() t:sum({ "relu-input:4x4x64-output:4x4x8" }, { missing = "interpolate" }) end, "no entry")
    assert.error_matches(function() t:sum({}, { missing = "zero" }) end, "missing must be one of fail, interpolate")
  end)

  it("names the operators that a folded network runs", function()
    local arch = space:random(vega.rng(5))
    local keys = lut.keys(space:network(arch, { 28, 28, 1 }, 10, 1))
    assert.matches("^conv2d%-input:28x28x1%-output:14x14x%d+%-kernel:3x3%-bias:1%-", keys[1])
    assert.matches("^relu6%-input", keys[2])
    assert.matches("^linear%-input:%d+%-output:10%-bias:1$", keys[#keys])
    for _, key in ipairs(keys) do assert.is_nil(key:find "batch_norm") end
    assert.same(keys, lut.keys(space:network(arch, { 28, 28, 1 }, 10, 2)))
  end)

  it("of this CPU agrees with whole networks", function()
    local tiny = require("vega.space").define { name = "tiny", input = { 16, 16, 3 }, build = function(net)
      local y = net:conv_bn(net:input(), net:width("a", { 16, 32, 48 }), { kernel = 3, act = "relu" })
      y = net:conv_bn(y, net:width("b", { 16, 32, 48 }), { kernel = net:kernel("k", { 1, 3 }), act = "relu" })
      return net:linear(net:global_avg_pool(y), 10)
    end }
    local threads = vega.threads()
    vega.threads(1)                                                       -- two on a busy machine wait for each other
    finally(function() vega.threads(threads) end)
    local t = lut.measure { space = tiny, seconds = 0.005, sessions = 2, networks = 4, patience = 60 }
    local n = 0
    for _ in pairs(t.entries) do n = n + 1 end
    assert.equal(3 + 3 + 9 * 2 + 3 + 3, n)                                -- stems, activations (shared), second layers, pools, classifiers
    assert.equal(lut.device(), t.device)
    local path = helper.scratch "cpu.json"
    assert(t:save(path))
    t = assert(lut.read(path, { space = tiny, device = lut.device() }))
    local ratios = {}
    for i, p in ipairs(t:compare(tiny, { n = 9, seconds = 0.02, seed = 7 })) do ratios[i] = p[1] / p[2] end
    table.sort(ratios)
    assert.is_true(ratios[5] > 1 / 3 and ratios[5] < 3, ratios[5])        -- on a quiet machine within a tenth: scripts/measure_table.lua says
    assert.error_matches(function() lut.measure { space = tiny, dtype = "int8" } end, "no 8%-bit kernels")
  end)
end)
