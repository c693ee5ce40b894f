--- Operators and whole networks against PyTorch: tests/golden/golden.safetensors, made by tests/golden/make_golden.py.
local vega = require "vega"
local core = require "vega.core"
local op = vega.op

local golden, meta = assert(vega.io.load "tests/golden/golden.safetensors")
local cases, networks = vega.json.decode(meta.cases), vega.json.decode(meta.networks)

--- The largest difference of two tensors, relative to the largest value wanted (at least `floor`).
local function distance(got, want, floor)
  assert.same(want:shape(), got:shape())
  if #want == 0 then return 0 end
  local difference = op.max(op.abs(got - want)):item()
  if difference ~= difference then return math.huge end
  return difference / math.max(floor, op.max(op.abs(want)):item())
end

local function close(got, want, tolerance, what)
  local d = distance(got:to "f32", want, 1e-3)
  assert(d <= tolerance, ("%s: differs from PyTorch by %.3g of its largest value"):format(what, d))
end

local NOT_DIFFERENTIABLE = { argmax = true }
local OURS = { chain_cost = true }            -- no framework has it: held against the sum over all paths in test_every_op

local function run(index, case)
  local tape <close> = vega.tape { train = case.train }
  local inputs, n = {}, #case.inputs
  for k = 1, n do
    local x = golden[("%d.in%d"):format(index, k)]
    inputs[k] = x and x:copy()
    if golden[("%d.grad%d"):format(index, k)] then inputs[k]:param() end
  end
  inputs[n + 1] = case.args
  local out = op[case.op](table.unpack(inputs, 1, n + 1))
  tape:backward(out, { seeds = { golden[index .. ".seed"] } })
  return out, inputs
end

describe("PyTorch's value of", function()
  local seen = {}
  for i, case in ipairs(cases) do
    local index = i - 1
    seen[case.op] = true
    it(("%s, case %d, and its gradients"):format(case.op, index), function()
      local out, inputs = run(index, case)
      close(out, golden[index .. ".out"], 2e-6, "the output")
      for k = 1, #case.inputs do
        local want = golden[("%d.grad%d"):format(index, k)]
        if want then close(inputs[k].grad, want, 5e-6, "the gradient of input " .. k) end
      end
    end)
  end

  it("every differentiable operator is in the file", function()
    for _, entry in ipairs(op.list()) do
      assert(seen[entry.name] or NOT_DIFFERENTIABLE[entry.name] or OURS[entry.name], entry.name .. " is missing: add it to tests/golden/make_golden.py and run that")
    end
  end)
end)

--- The network of make_golden.py.
local function build(net)
  local y = net:batch_norm(net:conv(net:input(), 8, { kernel = 3, name = "stem" }), { act = "relu", name = "stem_bn" })
  y = net:max_pool(y, { kernel = 3, stride = 2, pad = 1 })
  local z = net:batch_norm(net:depthwise(y, { kernel = 3, name = "dw" }), { act = "relu6", name = "dw_bn" })
  y = net:add(y, net:batch_norm(net:conv(z, 8, { name = "pw" }), { name = "pw_bn" }))
  y = net:act(net:conv(y, 12, { kernel = 3, stride = 2, pad = 2, dil = 2, groups = 2, bias = true, name = "down" }), "hswish")
  return net:linear(net:global_avg_pool(net:avg_pool(y, { kernel = 2 })), 5, { name = "head" })
end

local function each_state(model, visit)
  local count = 0
  for _, list in ipairs { model:params(), model:buffers() } do
    for name, t in pairs(list) do
      visit(name, t)
      count = count + 1
    end
  end
  assert.equal(19, count)
end

local function loaded(prefix)
  local model = vega.nn.network({ 10, 10, 3 }, build, { seed = 1 })
  each_state(model, function(name, t) t:assign(assert(golden[prefix .. ".start." .. name], name)) end)
  model:refresh()
  return model
end

describe("PyTorch's three steps of", function()
  for i, network in ipairs(networks) do
    local prefix, o = "net" .. i - 1, network.options
    it(("%s: losses, norms, weights, statistics, outputs (network %d)"):format(o.optimiser, i - 1), function()
      local model = loaded(prefix)
      o.total_steps = 3
      local trainer <close> = core.train.new(model, o)
      for step = 1, 3 do
        local loss, _, norm = assert(trainer:step(golden[prefix .. ".x" .. step], golden[prefix .. ".y" .. step]))
        assert.near(network.losses[step], loss, 2e-5 * network.losses[step])
        assert.near(network.norms[step], norm, 2e-4 * network.norms[step])
        if step == 1 then
          for name, p in pairs(model:params()) do close(p.grad, golden[prefix .. ".grad." .. name], 2e-5, "the gradient of " .. name) end
        end
      end
      each_state(model, function(name, t) close(t, golden[prefix .. ".end." .. name], 2e-4, name) end)
      close(model:run(golden[prefix .. ".x_eval"]), golden[prefix .. ".y_eval"], 2e-4, "the output")
      close(model:fold():run(golden[prefix .. ".x_eval"]), golden[prefix .. ".y_eval"], 2e-4, "the folded output")
    end)
  end

  it("the first network in bf16, as far as bf16 goes", function()
    local prefix, network = "net0", networks[1]
    local model = loaded(prefix):precision "bf16"
    local o = network.options
    o.total_steps = 3
    local trainer <close> = core.train.new(model, o)
    for step = 1, 3 do
      local loss = assert(trainer:step(golden[prefix .. ".x" .. step], golden[prefix .. ".y" .. step]))
      assert.near(network.losses[step], loss, 0.03)
    end
  end)
end)
