--- Studies for the report's specs and for scripts/check_report:
--    vega-lua tests/spec/report_studies.lua many|hostile STORE [TRIALS]
local vega = require "vega"
local studies = {}

local SCORE = { none = 0, skip_connect = 0.3, nor_conv_1x1 = 0.7, nor_conv_3x3 = 1, avg_pool_3x3 = 0.2 }

local function store_of(path) return "sqlite:" .. path .. "?durability=normal" end

--- Two objectives on NAS-Bench-201, some failures, learning curves of every tenth trial.
function studies.many(path, trials, options)
  local o = { space = "nb201", strategy = vega.strategy.nsga2 { population = 20 }, objectives = { accuracy = "max", latency_ms = "min" },
    budget = { trials = trials }, seed = 3, quiet = true, store = store_of(path), name = "many", evaluate = function(arch, trial)
      if trial.id % 17 == 5 then error("a mistake in trial " .. trial.id, 0) end
      local sum = 0.0
      for _, op in pairs(arch) do sum = sum + SCORE[op] end
      if trial.id % 10 == 0 then for step = 1, 5 do trial:report(step, { loss = 2 / step + 1 - sum / 10 }) end end
      return { accuracy = 0.5 + 0.07 * sum + 0.01 * math.sin(trial.id), latency_ms = 1 + 2 * sum + 0.2 * math.cos(3 * trial.id),
        params = 100000 + math.floor(1000 * sum), macs = 5000000 + trial.id }
    end }
  for key, value in pairs(options or {}) do o[key] = value end
  return o
end

--- What must never become a part of a page.
studies.HOSTILE = { "<img src=x onerror=\"window.hacked='img'\">", "</script><script>window.hacked='script'</script>", "'\"><svg onload=window.hacked='svg'>",
  "]]><!--<style>*{display:none}", "\u{202e}turned\u{2066}\u{200f}", "%s%d%%", "=cmd|' /C calc'!A0", ("L"):rep(1 << 20), "line\nbreak\ttab\\ \\u003c" }

--- Every name, text and message is hostile.
function studies.hostile(path, trials)
  local names = studies.HOSTILE
  local o = { name = names[1] .. names[2], strategy = vega.strategy.nsga2 { population = 6 }, objectives = { [names[2]] = "max", [names[1]] = "min" },
    budget = { trials = trials }, seed = 4, quiet = true, store = store_of(path) }
  o.space = vega.space.define { name = names[3] .. names[5], choices = function(s)
    s:choice(names[1], { names[2], names[3], names[5], names[8] })
    s:choice(names[2], { "plain", names[4], names[7] })
    s:choice(names[6] .. names[7], { names[6], names[9], names[1] })
    s:float(names[5], 0, 1)
  end }
  function o.evaluate(arch, trial)
    if trial.id % 7 == 3 then error(names[1] .. names[2] .. names[8], 0) end
    for step = 1, 3 do trial:report(step, { [names[3]] = step * arch[names[5]] }) end
    local x = arch[names[5]] + #arch[names[2]] / 50
    return { [names[2]] = x, [names[1]] = x * x - (arch[names[1]] == names[8] and 1 or 0), [names[4]] = 1.5, [names[9]] = trial.id, [names[8]] = 2.5,
      [names[7]] = 1 / trial.id }
  end
  return o
end

if arg and arg[0] and arg[0]:find "report_studies%.lua$" then
  local make = studies[arg[1] or ""]
  if not make or not arg[2] then error({ message = "usage: report_studies.lua many|hostile STORE [TRIALS]", exit_code = 2 }, 0) end
  local study <close> = vega.study(make(arg[2], tonumber(arg[3] or 200)))
  study:run()
end

return studies
