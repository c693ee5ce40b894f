--- Reference networks: the files of examples/zoo, one a family, each a table name -> { input =, classes =, build = function(net) }.
--
--     local vega = require "vega"
--     print(vega.cost.count(vega.zoo "resnet50").macs)                                   --> 4089184256
--     local model = vega.zoo("resnet18", { classes = 10, input = { 64, 64, 3 } }):materialise(1)
--
-- A network comes without weights, so that counting a large one allocates nothing; graph:materialise(seed) draws them.
local lfs = require "lfs"
local nn = require "vega.nn"
local util = require "vega.util"

local zoo = {}

local FOLDER = (debug.getinfo(1, "S").source:match("^@(.*)lua/vega/zoo%.lua$") or "./") .. "examples/zoo"
local known

local function load_all()
  known = {}
  for file in lfs.dir(FOLDER) do
    if file:find "%.lua$" then
      local family = dofile(FOLDER .. "/" .. file)
      for _, name in ipairs(util.sorted_keys(family)) do
        if known[name] then error(("zoo: %s/%s: the network '%s' is stated twice"):format(FOLDER, file, name), 0) end
        known[name] = family[name]
      end
    end
  end
  return known
end

--- The names of all networks, sorted.
function zoo.names() return util.sorted_keys(known or load_all()) end

local OPTIONS = { input = true, classes = true }

--- The network of that name, described. @param options input = { height, width, channels }, classes. @return graph
local function describe(_, name, options)
  local o = options or {}
  local network = (known or load_all())[name]
  if not network then error(util.unknown("zoo", "network", name, zoo.names()), 2) end
  util.check_options("zoo", o, OPTIONS, 2)
  return nn.describe(o.input or network.input, network.build, { classes = o.classes or network.classes })
end

return setmetatable(zoo, { __call = describe })
