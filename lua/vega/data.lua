--- Data sets.
--
--    local data = assert(vega.data "fashion-mnist")
--    print(#data.train, data.train.n_classes, table.concat(data.train.shape, "x"))     --> 60000  10  28x28x1
--    local small = data.train:subset { n = 8000, seed = 1 }
--    local fit, held_out = data.train:split { fraction = 0.9 }
--    local batches = fit:loader { batch = 64, shuffle = true, seed = 1, flip = true }
--
-- A named data set is looked for in `path`, then in $VEGA_DATA/NAME, then where Debian's package puts it.
-- Labels are as stored (from 0); indexes count from 1; class_names[label + 1] is a label's name.
local core = require "vega.core"

local read = core.data

local MNIST_FILES = {
  train = { "train-images-idx3-ubyte", "train-labels-idx1-ubyte" },
  test = { "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte" },
}
local CIFAR_FILES = {
  train = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin" },
  test = { "test_batch.bin" },
}
local KNOWN = {
  ["fashion-mnist"] = {
    kind = "idx", package = "dataset-fashion-mnist", places = { "/usr/share/datasets/fashion-mnist" },
    class_names = { "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot" },
  },
  mnist = { kind = "idx", places = {}, class_names = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" } },
  cifar10 = {
    kind = "cifar10", places = {},
    class_names = { "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck" },
  },
}
local NAMES = { "cifar10", "fashion-mnist", "mnist" }
local OPTIONS = { "kind", "name", "path", "size" }

local function exists(path)
  local f = io.open(path, "rb")
  if f then f:close() end
  return f ~= nil
end

--- The file itself or its gzipped form.
local function plain_or_gz(path) return not exists(path) and exists(path .. ".gz") and path .. ".gz" or path end

-- Readers of one part ("train" or "test") of a data set in a folder: data set | nil, message, code.
local PART = {}

function PART.idx(name, folder, part)
  local files = MNIST_FILES[part]
  return read.idx(name, plain_or_gz(folder .. "/" .. files[1]), plain_or_gz(folder .. "/" .. files[2]))
end

function PART.cifar10(name, folder, part)
  local files = {}
  for i, file in ipairs(CIFAR_FILES[part]) do files[i] = folder .. "/" .. file end
  return read.cifar10(name, files)
end

function PART.npy(name, folder, part)
  return read.npy(name, ("%s/%s-images.npy"):format(folder, part), ("%s/%s-labels.npy"):format(folder, part))
end

function PART.folder(name, folder, part, size)
  return read.folder(name, folder .. "/" .. part, size and size[1], size and size[2])
end

local KINDS = { "cifar10", "folder", "idx", "npy" }

local function did_you_mean(word, list)
  local near = require("vega.util").nearest(tostring(word), list)
  return near and ("did you mean '%s'? "):format(near) or ""
end

local function check_options(o)
  local known = {}
  for _, key in ipairs(OPTIONS) do known[key] = true end
  for key in pairs(o) do
    if not known[key] then
      error(("data: unknown option '%s'; %sknown: %s"):format(tostring(key), did_you_mean(key, OPTIONS), table.concat(OPTIONS, ", ")), 4)
    end
  end
  if o.kind ~= nil and not PART[o.kind] then
    error(("data: unknown kind '%s'; %sknown: %s"):format(tostring(o.kind), did_you_mean(o.kind, KINDS), table.concat(KINDS, ", ")), 4)
  end
  if o.size ~= nil and (type(o.size) ~= "table" or math.type(o.size[1]) ~= "integer" or math.type(o.size[2]) ~= "integer") then
    error("data: size must be { height, width }", 4)
  end
end

--- What to read: name, kind, places to look in, known entry or nil.
local function resolve(what, opts)
  local o = {}
  for k, v in pairs(type(what) == "table" and what or opts or {}) do o[k] = v end
  if type(what) == "string" then o.name = what end
  check_options(o)
  local known = not o.kind and KNOWN[o.name]
  if not known and not o.kind then
    error(("data: unknown data set '%s'; %sknown: %s, or { kind = ..., path = ... }"):format(
      tostring(o.name), did_you_mean(o.name, NAMES), table.concat(NAMES, ", ")), 3)
  end
  if o.kind and not o.path then error(("data: kind '%s' needs a path"):format(o.kind), 3) end
  local places = {}
  if o.path then
    places[1] = o.path
  else
    local root = os.getenv "VEGA_DATA"
    if root then places[1] = root .. "/" .. o.name end
    for _, place in ipairs(known.places) do places[#places + 1] = place end
  end
  return o, known, places
end

--- The first file that a part of this kind needs, to see whether the data set is in a place.
local function is_there(kind, place)
  if kind == "idx" then return exists(plain_or_gz(place .. "/" .. MNIST_FILES.train[1])) end
  if kind == "cifar10" then return exists(place .. "/" .. CIFAR_FILES.train[1]) end
  if kind == "npy" then return exists(place .. "/train-images.npy") end
  return exists(place .. "/train")
end

local function missing(o, known, places)
  local looked = #places > 0 and "not in " .. table.concat(places, ", ") or "no place to look in"
  local install = known and known.package and ("install Debian's package %s, or "):format(known.package) or ""
  local name = o.name or o.path
  return nil, ("data set '%s' is missing (%s): %sset VEGA_DATA to the folder that holds %s, or give its path"):format(name, looked, install,
    known and o.name .. "/" or "it"), "EIO"
end

local data = {}

--- Loads a data set into memory.
-- @param what a known name ("fashion-mnist", "mnist", "cifar10"), or { kind = "idx"|"cifar10"|"npy"|"folder", path =, name =, size = { h, w } }.
--   In `path`: IDX files under MNIST's names; CIFAR-10's .bin files; train-images.npy, train-labels.npy and the same for test;
--   folders train/CLASS and test/CLASS of PNG or JPEG (`size` resizes them).
-- @param opts with a name: { path = }.
-- @return { name, train, test }, or nil, message, "EIO" or "EFORMAT". Raises for an unknown name or option.
function data.load(what, opts)
  if type(what) ~= "string" and type(what) ~= "table" then error("data: expected a name or a table, got " .. type(what), 3) end
  local o, known, places = resolve(what, opts)
  local kind = o.kind or known.kind
  for _, place in ipairs(places) do
    if is_there(kind, place) then
      local result = { name = o.name or place:match "([^/]+)/*$" or kind }
      for _, part in ipairs { "train", "test" } do
        local set, message, code = PART[kind](result.name, place, part, o.size)
        if not set then return nil, message, code end
        if known and set.n_classes == #known.class_names then set:set_class_names(known.class_names) end
        result[part] = set
      end
      return result
    end
  end
  return missing(o, known, places)
end

--- The names that load knows.
function data.names() return table.move(NAMES, 1, #NAMES, 1, {}) end

--- The folder that holds a known data set | nil, message, "EIO".
function data.find(name)
  local o, known, places = resolve(name)
  for _, place in ipairs(places) do if is_there(known.kind, place) then return place end end
  return missing(o, known, places)
end

--- A data set of tensors u8 or f32 [N, H, W, C] and i32 [N], shared, not copied.
function data.from_tensors(name, images, labels, n_classes) return read.new(name, images, labels, n_classes) end

--- The picture (PNG or JPEG) that a string of bytes holds, as a u8 tensor [H, W, 3], or nil, message, "EFORMAT". `name` is for messages.
function data.decode(bytes, name) return read.decode(bytes, name) end

return setmetatable(data, { __call = function(_, what, opts) return data.load(what, opts) end })   -- a tail call: levels count the same
