--- The options of a CARS search, checked and completed: errors are raised at the line that called cars.search.
local protection = require "vega.evolution.protection"
local supernet = require "vega.supernet"
local util = require "vega.util"

local PARAMETERS = {
  -- what is searched, on what
  space = {}, supernet = {}, input = {}, classes = {}, data = {}, validation = {}, initial = {}, costs = {},
  -- the search
  population = { 16, min = 1, about = "members" },
  paths = { 1, min = 1, about = "members that a batch trains" },
  epochs = { 50, min = 1 },
  warmup = { 0, min = 0, about = "epochs of random paths; by default a tenth" },
  interval = { 1, min = 1, about = "epochs between evolutions; by default a fiftieth" },
  generations = { 1, min = 1, about = "generations in a row each time" },
  expand = { 1.0, min = 0, about = "children of a generation over members" },
  protect = { "size", one_of = protection.modes }, fill = { "crowding", one_of = protection.fills },
  gradients = { "mean", one_of = { "mean", "sum" }, about = "of a batch's paths; the authors' program sums" },
  select = { "uniform", one_of = { "uniform", "first" } }, models = { 4, min = 1, about = "exported" },
  recalibrate = { 0, min = 0, about = "batches that find the batch-norm statistics of each path anew before it is evaluated; 0: the shared ones" },
  -- the training
  batch = { 64, min = 1 }, clip = { 5.0, min = 0 }, seed = { 1 }, optimiser = {}, schedule = {}, smoothing = {}, augment = {}, normalise = {},
  precision = {}, checkpoint = {}, checkpoint_steps = {}, resume = {}, on_step = {}, on_epoch = {}, quiet = {},
}

local COSTS = { "macs", "params" }

-- "params", "macs" or { name, function(graph, arch) -> number }, to a list of { name =, of = }.
local function check_costs(given)
  local list = {}
  if type(given) ~= "table" or #given == 0 then error("cars.search: costs: a list such as { \"params\" } expected", 4) end
  for i, cost in ipairs(given) do
    if type(cost) == "table" and type(cost[1]) == "string" and type(cost[2]) == "function" then list[i] = { name = cost[1], of = cost[2] }
    elseif util.contains(COSTS, cost) then list[i] = { name = cost }
    else error(util.unknown("cars.search", "cost", cost, COSTS), 4) end
  end
  return list
end

-- The data to train on and to evaluate on: given, or halves.
local function check_data(o)
  local data = type(o.data) == "table" and o.data.train or o.data
  if data == nil then error("cars.search: option 'data' is missing (assert(vega.data ...) says why there is none)", 4) end
  if type(data) ~= "userdata" then error("cars.search: data: a data set expected, got " .. type(data), 4) end
  if o.validation == nil then
    local first, second = data:split { fraction = 0.5, seed = o.seed }
    return first, second
  end
  if type(o.validation) ~= "userdata" then error("cars.search: validation: a data set expected, got " .. type(o.validation), 4) end
  return data, o.validation
end

local function check_supernet(o, data)
  local space, net = o.space, o.supernet
  if type(space) == "string" then space = require "vega.space" (space) end
  if net == nil then
    if space == nil then error("cars.search: option 'space' is missing", 4) end
    return supernet.new { space = space, input = o.input or data.shape, classes = o.classes or data.n_classes, seed = o.seed }
  end
  if getmetatable(net) ~= supernet.Supernet then error("cars.search: supernet: what vega.supernet.new returns expected, got " .. type(net), 4) end
  if space and net.space ~= space then
    error(("cars.search: the supernet is of the space '%s', which is not the space '%s' given"):format(net.space.name, space.name), 4)
  end
  return net
end

--- @return a table with every option; costs as { { name =, of = }, ... }, data, validation, supernet and space as objects
return function(options)
  util.check_options("cars.search", options, PARAMETERS, 3)
  local given = {}
  for key, value in pairs(options) do given[key] = value end
  local epochs = math.type(given.epochs) == "integer" and given.epochs or PARAMETERS.epochs[1]
  given.warmup = given.warmup or epochs // 10                      -- the article's proportions: 50 and 10 of 500 epochs
  given.interval = given.interval or math.max(1, epochs // 50)
  local o = util.parameters("cars.search", PARAMETERS, given, 3)
  if o.warmup >= o.epochs then error(("cars.search: warmup must be below epochs = %d, got %d"):format(o.epochs, o.warmup), 3) end
  if o.paths > o.population then error(("cars.search: paths must be at most population = %d, got %d"):format(o.population, o.paths), 3) end
  o.costs = check_costs(o.costs or { "params" })
  o.data, o.validation = check_data(o)
  o.supernet = check_supernet(o, o.data)
  o.space = o.supernet.space
  return o
end
