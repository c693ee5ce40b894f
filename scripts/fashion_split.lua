--- The pictures that the table of fashion_macro was made with: `n` of Fashion-MNIST's training set to train on, 5,000 others of it to validate on,
-- and its test set. @return { train, validation, test }
local vega = require "vega"

local VALIDATION = 5000

return function(n)
  local data = assert(vega.data "fashion-mnist")
  local held_out, rest = data.train:split { n = VALIDATION, seed = 0, stratified = true }
  return { train = rest:subset { n = n, seed = 0, stratified = true }, validation = held_out, test = data.test }
end
