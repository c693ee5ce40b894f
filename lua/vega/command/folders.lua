--- The folders of checkpoints beside a store's file, seen from outside of a study.
local sys = require("vega.core").sys

local folders = {}

--- Where the checkpoints of all studies of the store in that file are: a folder with one for each study.
function folders.root(path) return path and path:gsub("%.db$", "") .. "-checkpoints" or nil end

--- The name of a study as that of its folder.
function folders.name(study) return (study:gsub("[^%w_.-]", "_")) end

--- The files of a folder, or an empty list.
function folders.files(folder) return sys.list(folder) or {} end

--- Bytes of a file.
function folders.size(path)
  local file = io.open(path, "rb")
  local n = file and file:seek "end" or 0
  if file then file:close() end
  return n
end

--- Files and bytes of a folder, as text.
function folders.contents(folder)
  local n, bytes = 0, 0
  for _, name in ipairs(folders.files(folder)) do n, bytes = n + 1, bytes + folders.size(folder .. "/" .. name) end
  return ("%d files, %.1f MiB"):format(n, bytes / 2 ^ 20)
end

--- Removes a folder with its files; folders in it stay, and it with them.
function folders.remove(folder)
  for _, name in ipairs(folders.files(folder)) do os.remove(folder .. "/" .. name) end
  os.remove(folder)
end

return folders
