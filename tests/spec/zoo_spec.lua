local vega = require "vega"
local util = require "vega.util"

local COLUMNS = { "params", "norm_params", "macs", "macs_depthwise", "norm_elements", "acts", "fvcore", "thop" }
-- For images of 224 x 224 and 1000 classes; false: no figure is published.
local IMAGENET = {
  alexnet = { 61100840, 0, 714188480, 0, 0, 494184, 714197696, 714206912 },
  vgg16 = { 138357544, 0, 15470264320, 0, 0, 13556712, 15470289408, 15470314496 },
  resnet18 = { 11689512, 9600, 1814073344, 0, 2483712, 2484712, 1819065856, 1824033792 },
  resnet34 = { 21797672, 17024, 3663761408, 0, 3738112, 3739112, 3671262720, 3678739456 },
  resnet50 = { 25557032, 53120, 4089184256, 0, 11113984, 11114984, 4111512576, 4133742592 },
  squeezenet1_0 = { 1248424, 0, 818924576, 0, 0, 4346248, 819093576, 819094576 },
  squeezenet1_1 = { 1235496, 0, 349151936, 0, 0, 2589352, 349320936, 349321936 },
  mobilenet_v1 = { 4231976, 21888, 568740352, 17385984, 5042688, 5043688, 578875904, 588962304 },
  mobilenet_v2 = { 3504872, 34112, 300774272, 20716416, 6678112, 6679112, 314193216, 327550720 },
  mobilenet_v3_large = { 5483032, 24400, 216589760, 18392640, 4399808, 4407168, 226033824, 234838456 },
  mobilenet_v3_small = { 2542856, 12112, 56510400, 7460544, 1412768, 1417680, 59649536, 62477944 },
  efficientnet_b0 = { 5288548, 42016, 385814752, 34532064, 6737696, 6748036, 401659392, 415145024 },
  mnasnet1_0 = { 4383312, 37920, 314415872, 28336896, 5456640, 5457640, 325391872, 336306432 },
  shufflenet_v2_x1_0 = { 2278604, 16180, 144907992, 4159512, 1950200, 1951200, 148858568, 152759992 },
  shufflenet_v2_x0_5 = { 1366792, 7952, 40476448, 1820448, 1023904, 1024904, 42574432, 44623264 },
  densenet121 = { 7978856, 83648, 2834161664, 0, 15667456, 6900200, 2865546752, 2897058304 },
  fairnas_a = { 4651352, false, 388122848 },
  fairnas_b = { 4506272, false, 345297632 },
  fairnas_c = { 4397864, false, 321024992 },
  proxyless_mobile = { 4080512, false, 320427584 },
}
local CIFAR = {
  resnet20_cifar = { 269722, false, 40551040, 0, 188416, 188426 },
  resnet32_cifar = { 464154, false, 68862592, 0, 303104, 303114 },
  resnet44_cifar = { 658586, false, 97174144, 0, 417792, 417802 },
  resnet56_cifar = { 853018, false, 125485696, 0, 532480, 532490 },
  resnet110_cifar = { 1727962, false, 252887680, 0, 1048576, 1048586 },
}

local function count(name, options) return vega.cost.count(vega.zoo(name), options) end

local function compare(table_of_figures)
  for _, name in ipairs(util.sorted_keys(table_of_figures)) do
    it("of " .. name, function()
      local got, graph = count(name), vega.zoo(name)
      for _, convention in ipairs { "fvcore", "thop" } do got[convention] = vega.cost.count(graph, { convention = convention }) end
      for i, want in ipairs(table_of_figures[name]) do
        if want then assert.equal(want, got[COLUMNS[i]], COLUMNS[i]) end
      end
      assert.equal(got.macs, got.macs_pointwise + got.macs_depthwise + got.macs_spatial + got.macs_linear)
      assert.equal(2 * got.macs, got.flops)
    end)
  end
end

describe("counts", function()
  compare(IMAGENET)
  compare(CIFAR)

  it("cover every network of the zoo", function()
    for _, name in ipairs(vega.zoo.names()) do assert.is_truthy(IMAGENET[name] or CIFAR[name], name) end
  end)

  it("follow pycls in biases and pooled activations", function()
    local resnet = count "resnet50"
    assert.equal(4089185256, count("resnet50", { convention = "pycls" }))
    assert.equal(11315688, resnet.acts + resnet.max_pool_outputs)
    assert.equal(385825092, count("efficientnet_b0", { convention = "pycls" }))
  end)

  it("follow ptflops in activations and pools", function()
    local c = count "mobilenet_v1"                       -- every norm is followed by one activation; one pool, one biased layer
    assert.equal(c.norm_elements, c.act_elements)
    assert.equal(c.macs + 1000 + 3 * c.norm_elements + 7 * 7 * 1024, count("mobilenet_v1", { convention = "ptflops" }))
  end)

  it("tell the most memory alive at once, and where", function()
    for name, want in pairs { vgg16 = { 25690112, "conv2" }, resnet18 = { 4014080, "max_pool1" }, resnet50 = { 7225344 }, mobilenet_v2 = { 6021120, "conv5" } } do
      local c = count(name)
      assert.equal(want[1], c.peak_bytes, name)
      if want[2] then assert.equal(want[2], c.peak_at) end
    end
  end)

  it("of another image size are those of the network built for it", function()
    for _, name in ipairs { "resnet50", "efficientnet_b0", "shufflenet_v2_x1_0" } do
      local built = vega.cost.count(vega.zoo(name, { input = { 160, 128, 3 } }))
      assert.same(built, count(name, { input = { 160, 128, 3 } }))
      assert.not_equal(built.macs, count(name).macs)
    end
    assert.error_matches(function() count("resnet18", { input = { 8 } }) end, "a sample of this network has 3 axes, got 1")
    assert.error_matches(function() count("vgg16", { input = { 16, 16, 3 } }) end, "max_pool: kernel 2 with pad 0 does not fit")
  end)

  it("name the conventions", function()
    assert.equal("M + 2B + G", vega.cost.conventions().fvcore)
    assert.error_matches(function() count("alexnet", { convention = "fvcor" }) end, "one of macs, flops, nb201, nas_bench_201, pycls, .*; got 'fvcor'")
  end)
end)

describe("vega.zoo", function()
  it("gives networks that run", function()
    local x = vega.tensor.randn({ 2, 64, 64, 3 }, vega.rng(1))
    for _, name in ipairs { "densenet121", "efficientnet_b0", "mobilenet_v1", "mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1" } do
      local model <close> = vega.zoo(name, { input = { 64, 64, 3 }, classes = 7 }):materialise(1)
      local y = model:run(x)
      assert.same({ 2, 7 }, y:shape())
      for _, v in ipairs(y:reshape({ 14 }):totable()) do assert.is_true(v == v and math.abs(v) < math.huge, name) end
    end
  end)

  it("names what it does not know", function()
    assert.error_matches(function() vega.zoo "resnet19" end, "unknown network 'resnet19'; did you mean 'resnet18'")
    assert.error_matches(function() vega.zoo("resnet18", { clases = 3 }) end, "unknown option 'clases'; did you mean 'classes'")
  end)
end)
