--- Reads a file of JPEGs that share one header: "CJPK1", count, height, width, bytes of the header, the header; then label, bytes, data of each
-- image.
-- @param limit at most so many images; 0: all  @return data set of 10 classes; raises on a file that is none
local vega = require "vega"

return function(path, limit)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "a"
  file:close()
  if bytes:sub(1, 5) ~= "CJPK1" then error(path .. ": not a file of JPEGs with one header", 0) end
  local count, h, w, n, at = string.unpack("<I4I4I4I4", bytes, 9)
  local header = bytes:sub(at, at + n - 1)
  at, count = at + n, limit > 0 and math.min(limit, count) or count
  local images, labels = vega.tensor.zeros({ count, h, w, 3 }, { dtype = "u8" }), vega.tensor.zeros({ count }, { dtype = "i32" })
  for i = 1, count do
    local label, data
    label, data, at = string.unpack("<Bs2", bytes, at)
    images:rows(i, i):assign(assert(vega.data.decode(header .. data, ("%s: image %d"):format(path, i))))
    labels:set(i, label)
  end
  return vega.data.from_tensors("images", images, labels, 10)
end
