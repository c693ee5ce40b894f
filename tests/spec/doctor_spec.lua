local helper = require "spec.helper"
local json = require("vega.core").json

local function by_name(text)
  local results = {}
  for _, r in ipairs(assert(json.decode(text))) do results[r.name] = r end
  return results
end

describe("doctor", function()
  it("looks at the machine and ends with 0 when nothing failed", function()
    local code, out, err = helper.run "%s doctor --format json"
    local results = by_name(out)
    assert.equal("", err)
    for _, name in ipairs { "cpu", "threads", "thread pools", "BLAS", "libraries", "engine", "data sets", "write access", "free disk", "memory",
      "clock", "PostgreSQL", "store" } do
      local r = assert(results[name], name)
      assert.truthy(r.level == "ok" or r.level == "warn" or r.level == "fail")
      assert.equal(r.level ~= "ok", r.fix ~= nil, name)
    end
    for _, name in ipairs { "BLAS", "engine", "write access", "clock", "store" } do assert.equal("ok", results[name].level, results[name].text) end
    assert.equal(results["free disk"].level == "fail" and 5 or results.memory.level == "fail" and 5 or 0, code)
    assert.truthy(results.libraries.text:find("oneDNN", 1, true))
  end)

  it("prints a line a check, a fix where one is needed, and a sum", function()
    local _, out = helper.run "VEGA_ISA=avx2 OMP_NUM_THREADS=4096 %s doctor"
    assert.truthy(out:match "\nwarn  threads       4096 threads for kernels, %d+ CPUs online\n +more threads")
    assert.truthy(out:match "^warn  cpu  .-kernels for avx2\n +VEGA_ISA=avx2 limits the kernels")
    assert.truthy(out:match "\n%d+ ok, %d+ to look at, %d+ failed\n$")
  end)

  it("finds data where VEGA_DATA points, and says what to do when there is none", function()
    local folder = helper.scratch "data"
    os.execute("mkdir -p " .. folder .. "/mnist")
    helper.write(folder .. "/mnist/train-images-idx3-ubyte", "")
    local _, out = helper.run(("VEGA_DATA=%s %%s doctor --format json"):format(folder))
    assert.truthy(by_name(out)["data sets"].text:find("mnist in " .. folder .. "/mnist", 1, true))
  end)

  it("fails with a code where nothing can be written, and leaves nothing behind", function()
    local code, out = helper.run "cd /proc && TMPDIR=/proc %s doctor --format json"
    local results = by_name(out)
    assert.equal("fail", results["write access"].level)
    assert.equal("fail", results.store.level)
    assert.equal(1, code)
    local folder = helper.scratch "empty"
    os.execute("mkdir " .. folder)
    helper.run(("cd %s && %%s doctor"):format(folder))
    assert.is_true((os.execute("rmdir " .. folder)))
  end)

  it("refuses unknown options and formats with 2", function()
    local code, _, err = helper.run "%s doctor --fromat json"
    assert.equal(2, code)
    assert.truthy(err:find("doctor: unknown option --fromat; did you mean --format?", 1, true))
    code, _, err = helper.run "%s doctor --format jsn"
    assert.equal(2, code)
    assert.truthy(err:find("doctor: option --format is one of text, json, got 'jsn'; did you mean 'json'?", 1, true))
    assert.equal(2, (helper.run "%s doctor --format"))
  end)
end)
