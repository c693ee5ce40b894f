--- What the report is made of, be the study running (vega.study) or in a store (vega.study.stored): one table for both.
local Journal = require "vega.study.journal"
local core_json = require("vega.core").json

local source = {}

local TAG = { nonfinite = "tag" }
local function decode(text) return text and core_json.decode(text, TAG) or nil end

-- Of the store's row of the study, what is the same for both.
local function of_row(self, row)
  self.id, self.status, self.created_at = row.study_id, row.status, row.created_at
  self.space_json, self.objectives_json = row.space_json, row.objectives_json
  self.env, self.script_sha256 = decode(row.env_json) or {}, row.script_sha256
  return self
end

local function numbers_of(trials_rows)
  local numbers = {}
  for _, row in ipairs(trials_rows) do numbers[row.trial_id] = row.number end
  return numbers
end

local function attempts_of(journal)
  local numbers, list = numbers_of(journal:run("trial_list", journal.study_id)), journal:run("attempt_list", journal.study_id)
  for _, row in ipairs(list) do row.trial = numbers[row.trial_id] end
  return list
end

local function running(study)
  local driver, journal = study.driver, study.journal
  local scheduler = driver.scheduler and { name = driver.scheduler_name, params = driver.scheduler_params }
  return { name = study.name, objectives = driver.objectives, constraints = driver.constraints, space = driver.space:signature(),
    live_space = study.space, strategy = driver.name, params = driver.params, scheduler = scheduler, seed = study.seed, budget = study.budget,
    shown = study.where.shown, url = study.where.kind ~= "memory" and study.options.store or nil, journal = journal, trials = study:trials(),
    front = study:front().trials, attempts = attempts_of(journal), is_running = true }
end

local function from_store(s)
  return { name = s.name, objectives = s.objectives, constraints = s.constraints, space = s.space, strategy = s.strategy, params = s.params,
    scheduler = s.scheduler, seed = s.seed, budget = s.budget, shown = s.shown, url = s.url, journal = s.journal, trials = s:trials(),
    front = s:front(), attempts = s:attempts() }
end

--- @param study a vega.study or what vega.study.stored opened. @return what stored has as fields, and trials, front, attempts as lists
function source.of(study)
  local self = study.driver and running(study) or from_store(study)
  return of_row(self, self.journal:run("study_find", self.name)[1])
end

--- The trials of a study in the same store that drew at random from the same space for the same objectives: its name and trials, or nil.
function source.random_study(self)
  for _, row in ipairs(self.journal:run "study_list") do
    if row.study_id ~= self.id and row.strategy == "random" and row.space_json == self.space_json and row.objectives_json == self.objectives_json then
      return row.name, Journal.attach(self.journal.db, row, self.shown):trials()
    end
  end
end

return source
