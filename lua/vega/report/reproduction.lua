--- How to run a study again: what its store says of the command, the script, the machine; and the study itself, when it is small.
local core = require "vega.core"
local exchange = require "vega.study.exchange"
local text = require "vega.report.text"
local util = require "vega.util"

local reproduction = {}

local MOST_BYTES = 768 << 10                         -- of a study that the page carries
local UNKNOWN = "not recorded"

-- A word as a shell takes it.
local function quoted(word)
  word = tostring(word)
  return word:find "^[%w_./:=,@%%+-]+$" and word or "'" .. word:gsub("'", "'\\''") .. "'"
end

local function command_text(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = quoted(word) end
  return table.concat(list, " ")
end

--- The command of this process.
function reproduction.this_command()
  local words = { "vega-lua" }
  for i = 0, #arg do words[#words + 1] = arg[i] end
  return words
end

-- The study as JSON lines, or nil when it is too long or cannot be read again.
local function study_lines(source)
  if not source.url then return nil end
  local parts, size = {}, 0
  local ok = exchange.export(source.url, source.name, function(line)
    parts[#parts + 1], size = line, size + #line
    if size > MOST_BYTES then error({ message = "too long", code = "EBIG" }, 0) end
  end)
  return ok and table.concat(parts) or nil
end

local function known(v) return v ~= nil and text.show(v, 400) or nil end

local function show_params(params)
  if not params or next(params) == nil then return "" end
  return " " .. text.json(params)
end

-- Pairs of what and how (nil: not recorded); of a study that runs here what is not recorded is taken from this process.
local function rows_of(source)
  local env, here = source.env or {}, source.is_running
  local versions = core.sys.versions()
  local machine = here and require("vega.device.machine").cpu()
  local list = { { "script", known(env.script) }, { "its SHA-256", known(source.script_sha256) }, { "folder", known(env.folder) },
    { "seed", known(source.seed) }, { "strategy", text.show(source.strategy .. show_params(source.params), 600) } }
  if source.scheduler then list[#list + 1] = { "scheduler", text.show(source.scheduler.name .. show_params(source.scheduler.params), 600) } end
  local function add(name, key, mine) list[#list + 1] = { name, known(env[key] == nil and mine or env[key]) } end
  add("CPU", "cpu", machine)
  add("instruction set", "isa", here and core.sys.cpu().isa or nil)
  add("threads", "threads", here and core.sys.threads() or nil)
  add("workers", "workers")
  add("deterministic order", "deterministic")
  add("vega-lua", "version", here and versions.vega or nil)
  for _, key in ipairs { "lua", "onednn", "blas" } do add(key, key, here and versions[key] or nil) end
  add("SHA-256 of the data", "data_sha256")
  list[#list + 1] = { "store", source.shown }
  return list
end

local function download(out, source)
  local lines = study_lines(source)
  if lines then
    out('<p><a download="study.jsonl" href="data:application/jsonl;base64,%s">The study as JSON lines</a> (%d KiB); <code>vega-lua study import</code> '
      .. "reads it.</p>", core.hash.base64(lines), (#lines + 1023) // 1024)
  elseif source.url then
    out("<p>The study is too long to be in this page: <code>vega-lua study export %s --store %s</code> writes it as JSON lines.</p>",
      text.html(quoted(source.name), 200), text.html(quoted(source.shown), 400))
  end
end

--- Writes the box.
function reproduction.write(out, source)
  local command = source.env and source.env.command
  if type(command) ~= "table" then command = source.is_running and reproduction.this_command() or nil end
  out("<h2>How to run it again</h2><pre>%s</pre><table>", command and text.html(command_text(command), 2000) or "the command was " .. UNKNOWN)
  local missing = {}
  for _, pair in ipairs(rows_of(source)) do
    if pair[2] then out('<tr><td class="l">%s</td><td class="l">%s</td></tr>', text.html(pair[1]), text.html(pair[2], 700))
    else missing[#missing + 1] = pair[1] end
  end
  out "</table>"
  if #missing > 0 then out("<p class=\"note\">Not recorded: %s.</p>", table.concat(missing, ", ")) end
  if source.is_running then out '<p class="note">The same command continues from the store; remove it to begin anew.</p>' end
  download(out, source)
end

--- Writes the box of a search that no study holds: this process's command, and a table of `pairs`, threads and versions.
function reproduction.of_process(out, pairs_)
  local versions = core.sys.versions()
  out("<h2>How to run it again</h2><pre>%s</pre><table>", text.html(command_text(reproduction.this_command()), 2000))
  local function row(key, value) out('<tr><td class="l">%s</td><td class="l">%s</td></tr>', text.html(key), text.html(value)) end
  for _, pair in ipairs(pairs_) do row(pair[1], pair[2]) end
  row("threads", core.sys.threads())
  for _, name in ipairs(util.sorted_keys(versions)) do row(name, versions[name]) end
  out "</table>"
end

return reproduction
