--- The language of search spaces: what may be chosen, under which conditions, what is forbidden, and what one can do with it.
local vega = require "vega"
local space = vega.space
local rng = vega.rng.new(1, "spaces")

-- A table of decisions by name. Parts nest, repeat, depend on each other; the full name of a decision is its path.
local net = space {
  stem = space.choice { 16, 24, 32 },
  kernel = space.choice { 3, 5 },                                                 -- one for all stages, see `k` below
  stages = space.repeated({                                                       -- a part: a table, or a space with clauses of its own
    width = space.int(16, 64, { step = 8 }),
    block = space.choice {
      conv = { k = space.ref "kernel" },                                          -- tied: always the same value
      mb = { k = space.choice { 3, 5, 7 }, expand = space.ordinal { 1, 3, 6 }, se = space.bool() },
      skip = {},
    },
  }, space.int(1, 3)),                                                            -- `stages` is the depth; copies beyond it are inactive
  order = space.permutation { "crop", "flip", "noise" },
  mixup = space.when(space.gt("stages", 1) & ~space.eq("stem", 16), space.bool()),
  area = space.derived(function(width, kernel) return width * kernel * kernel end, { "stages[1].width", "kernel" }),
}
  :forbid { stem = 32, kernel = 5 }
  :forbid_relation("stages[1].width", "<", "stem")
  :require(function(arch) return arch.area <= 1200 end, { name = "area of the first stage" })
print(net)

-- Every producer ends in the same gate, so whatever it gives is allowed.
local arch = net:random(rng)
local child, changed = net:mutate(arch, rng)
local deeper = net:mutate(arch, rng, { operator = "add" })                        -- one more stage, somewhere
local cross = net:crossover(arch, deeper, rng, { operator = "stage" })            -- stages stay whole
print("\nan architecture:\n" .. net:literal(arch))
print("a mutation changes " .. table.concat(changed, ", ") .. ("; %d neighbours; hashes %s, %s"):format(#net:neighbours(arch, rng), net:hash(child),
  net:hash(cross)))
local ok, message = net:check { stem = 16, kernal = 3 }
print("a mistake: ", ok, message)

-- Exact sizes; the i-th member; all members in a shuffled order without keeping them in memory.
local small = space { op = space.choice { conv = { k = space.choice { 1, 3, 5 } }, skip = {} }, act = space.subset({ "relu", "swish", "tanh" }, 2) }
print(("\n%d members, the fifth: %s"):format(small.size, small:canonical(small:unrank(5)):gsub("\n", " ")))
for i, member in small:members { shuffle = 7 } do
  if i > 3 then break end
  print("shuffled " .. i, small:rank(member), (small:canonical(member):gsub("\n", " ")))
end

-- Two measures: each decision uniform (default), or each architecture. `skip` is one of two options, and 3 of 12 members.
for _, measure in ipairs { "per_decision", "uniform" } do
  local skips = 0
  for _, each in ipairs(small:sample(4000, rng, { measure = measure })) do skips = skips + (each.op == "skip" and 1 or 0) end
  print(("skip in %.1f %% of the draws, %s"):format(skips / 40, measure))
end

-- Vectors for models, and back.
local x = small:encode(small:unrank(5), "onehot")
print("onehot: " .. table.concat(x, " "), small:canonical(small:decode(x, "onehot")) == small:canonical(small:unrank(5)))

-- Cells: 256 ways to write down a block of two inputs and two operations, 136 different blocks.
local block = space { b = space.cell { nodes = 1, distinct = false, ops = { "c3", "c5", "c7", "s3", "s5", "max", "avg", "id" },
  canonical = "graph" } }
local seen, n = {}, 0
for _, member in block:members() do
  local hash = block:hash(member)
  if not seen[hash] then seen[hash], n = true, n + 1 end
end
print(("%d cells, %d up to isomorphism, path encoding of %d bits"):format(block.size, n, #block:encode(block:unrank(1), "path")))

-- A space is plain data as well, and two of them can be compared.
local wider = space { op = space.choice { conv = { k = space.choice { 1, 3, 5, 7 } }, skip = {}, pool = {} },
  act = space.subset({ "relu", "swish", "tanh" }, 2) }
print("widened: " .. table.concat(small:diff(wider).widened, ", "), "loaded is the same: " .. tostring(space.load(small:save()):diff(small).same))
