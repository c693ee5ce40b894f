--- Architectures of dense spaces.
local text = require "vega.densenas.text"

return function(source)
  local arch, message, code = text.read(source)
  if not arch then
    assert(code == "EFORMAT" and message:find "^densenas: row %d+, column %d+: ", message)
    return
  end
  local line = text.write(arch)
  assert(text.write(assert(text.read(line))) == line, "written and read again it is another architecture")
end
