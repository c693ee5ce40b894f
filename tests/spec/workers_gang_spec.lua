--- A gang is one trial: a rank that is killed ends the gang, and the trial is tried again from the gang's checkpoint.
local helper = require "spec.helper"

local SCRIPT = "tests/spec/gang_script.lua"

-- The lines of a run: "id kind state loss attempts".
local function run(options, arguments)
  local code, out, err = helper.run(("%%s run %s %s -- --store %s %s"):format(SCRIPT, options, helper.scratch "gang.db", arguments or ""))
  assert.equal(0, code, err)                                -- what mpirun has to say of a killed rank is there, too
  return out
end

describe("a gang whose rank is killed", function()
  for backend, options in pairs { shm = { "", "--workers 2 --backoff 0.1" }, mpi = { "--workers 1 --backoff 0.1" } } do
    it("is tried again and ends with the same loss, over " .. backend, function()
      local undisturbed = run("", "--backend " .. backend)
      assert.equal(1, select(2, undisturbed:gsub("2 norm COMPLETE %S+ 1\n", "")))
      for _, each in ipairs(options) do
        local out = run(each, ("--backend %s --kill %s"):format(backend, helper.scratch "killed"))
        assert.equal((undisturbed:gsub("(2 norm COMPLETE %S+) 1\n", "%1 2\n")), out)
      end
    end)
  end
end)
