--- JSON: what is read is written, and that reads and writes the same.
local json = require("vega.core").json
local TAG = { nonfinite = "tag" }

return function(text)
  for _, options in ipairs { TAG, {} } do
    local value, message, code = json.decode(text, options)
    if value == nil then
      assert(code == "EFORMAT" and message ~= "", "refused without a message")
    else
      local ok, first = pcall(json.encode, value, options)
      if ok then
        assert(json.encode(json.decode(first, options), options) == first, "written and read again it is another value")
      else
        assert(first:find "json: a key contains a zero byte", first)
      end
    end
  end
end
