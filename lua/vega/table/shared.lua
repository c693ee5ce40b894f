--- Where the published benchmark tables are: $VEGA_SHARED/data, by default ../shared/data.
-- @return path of a file there | nil, message, "EIO"
return function(name)
  local path = (os.getenv "VEGA_SHARED" or "../shared") .. "/data/" .. name
  local file = io.open(path, "r")
  if not file then return nil, ("table: %s cannot be read; $VEGA_SHARED names the folder that holds data/"):format(path), "EIO" end
  file:close()
  return path
end
