--- The page around a report: style, the policy that keeps names from becoming scripts, the scripts that draw.
-- A page with charts carries ECharts (share/echarts, Apache License 2.0) and our own script (share/report); one without carries none.
local hash = require("vega.core").hash
local text = require "vega.report.text"

local document = {}

local ROOT = debug.getinfo(1, "S").source:match "^@(.*)lua/vega/report/document%.lua$" or "./"

document.style = [[
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:960px;margin:2em auto;padding:0 1em;overflow-wrap:anywhere}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ddd}h3{font-size:1em;margin:1em 0 .3em}
table{border-collapse:collapse;font-size:13px;margin:.5em 0}td,th{padding:2px 8px;border-bottom:1px solid #eee;text-align:right;vertical-align:top}
td.l,th.l{text-align:left}th[data-sort]{cursor:pointer}tr.front{background:#eef5ee}tr.failed{color:#a33}
svg:not([width]){width:100%}svg[width]{max-width:100%}svg{display:block;font:11px sans-serif}svg .grid{stroke:#e4e4e4}
svg .box{fill:#f4f6fa;stroke:#b9c3d3}svg .dim{fill:#888}code,pre{font-size:12.5px;background:#f6f6f6}pre{padding:.6em;overflow-x:auto;white-space:pre-wrap}
.note{color:#666;font-size:13px}details{margin:.4em 0}summary{cursor:pointer}.warn{background:#fbe9e7;border-left:4px solid #c8553d;padding:.5em .8em}
.good{background:#eef5ee;border-left:4px solid #4f9d69;padding:.5em .8em}.chart{width:100%}.chart.live{height:380px}.chart.tall{height:460px}
.bar{display:flex;flex-wrap:wrap;gap:.6em;align-items:center;font-size:13px;margin:.4em 0}.wide{overflow-x:auto}
.card{border:1px solid #ddd;border-radius:4px;padding:.2em .8em}.card:target{border-color:#c8553d}.card svg.plot{max-width:480px}textarea{width:100%;height:8em;font:12px monospace}
.wide td{white-space:nowrap;overflow-wrap:normal}.wide th{overflow-wrap:break-word}bdi{unicode-bidi:isolate}footer{margin-top:3em;border-top:1px solid #ddd;color:#666;font-size:12px}]]

local cache = {}
local function read(name)
  if cache[name] then return cache[name] end
  local path = ROOT .. "share/" .. name
  local file, why = io.open(path, "r")
  if not file then error(("report: a file of the program is missing: %s"):format(why), 0) end
  cache[name] = file:read "a"
  file:close()
  return cache[name]
end

--- The scripts of a page with charts, in their order.
function document.scripts() return { read "echarts/echarts.min.js", read "report/report.js" } end

local function digest(code) return ("'sha256-%s'"):format(hash.base64(hash.sha256(code))) end

--- The content policy: nothing but these scripts, this style and pictures in the page. `more` is appended.
function document.policy(scripts, more)
  local allowed = {}
  for i, code in ipairs(scripts) do
    cache[code] = cache[code] or digest(code)
    allowed[i] = cache[code]
  end
  return ("default-src 'none'; %sstyle-src %s; img-src data:; base-uri 'none'; form-action 'none'%s"):format(
    #allowed > 0 and ("script-src %s; "):format(table.concat(allowed, " ")) or "", digest(document.style), more or "")
end

local FOOTER = [[<footer><p>Written by vega-lua %s. Charts: Apache ECharts 6.1.0, Copyright 2017-2026 The Apache Software Foundation, which developed it
(https://www.apache.org/); licensed under the Apache License, Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0).</p></footer>]]

--- A page. o = { title, body (HTML), data (a table for the script; nil: a page without scripts), policy = true: also as an element of the page, for
-- one that comes from a file and has no headers }. @return its text
function document.page(o)
  local out = { '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">' }
  local scripts = o.data and document.scripts() or {}
  if o.policy then out[#out + 1] = ('<meta http-equiv="Content-Security-Policy" content="%s">'):format(document.policy(scripts)) end
  out[#out + 1] = ('<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><title>%s</title><style>%s</style></head><body>')
    :format(text.html(o.title), document.style)
  out[#out + 1] = ("<h1><bdi>%s</bdi></h1>\n"):format(text.html(o.title))
  out[#out + 1] = o.body
  if o.data then
    out[#out + 1] = FOOTER:format(text.html(require("vega.core").sys.versions().vega))
    out[#out + 1] = ('\n<script type="application/json" id="data">%s</script>\n'):format(text.json(o.data))
  end
  for _, code in ipairs(scripts) do out[#out + 1] = ("<script>%s</script>\n"):format(code) end
  out[#out + 1] = "</body></html>\n"
  return table.concat(out)
end

return document
