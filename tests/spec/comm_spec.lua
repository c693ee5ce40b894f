local helper = require "spec.helper"
local jobs = require "spec.comm_jobs"
local vega = require "vega"

local BACKENDS = { "shm", "mpi" }

local function gang(argument, more)
  local o = { module = "spec.comm_jobs", argument = argument, ranks = 2, threads = 1 }
  for key, value in pairs(more or {}) do o[key] = value end
  return vega.comm.gang(o)
end

-- The largest difference of two lists over the largest number in them.
local function difference(a, b)
  assert.equal(#a, #b)
  local worst, largest = 0, 0
  for i = 1, #a do worst, largest = math.max(worst, math.abs(a[i] - b[i])), math.max(largest, math.abs(b[i])) end
  return worst / largest
end

-- shares[1] * a + shares[2] * b.
local function weighted(a, b, shares)
  local list = {}
  for i = 1, #a do list[i] = shares[1] * a[i] + shares[2] * b[i] end
  return list
end

for _, backend in ipairs(BACKENDS) do
  local with = { backend = backend }
  describe("comm " .. backend, function()
    it("sums, copies and waits", function()
      assert.same({ size = 3, first = 1.5, last = 1.5, sum = 6.0, least = 0.0, most = 2.0, copied = 2.0, text = "from one" },
        assert(gang({ job = "collectives" }, { backend = backend, ranks = 3 })))
    end)

    it("gives the gradients of one process on the joint batch", function()
      local cases = {}
      for _, kind in ipairs { "plain", "supernet" } do
        for _, cut in ipairs { 4, 3 } do cases[#cases + 1] = { kind = kind, n = 8, cut = cut } end
      end
      for i, ranks in ipairs(assert(gang({ job = "gradients", cases = cases }, with))) do
        local whole, loss = jobs.gradients(cases[i], 1, 8)
        local far = difference(ranks.list, whole)
        assert.is_true(far <= 1e-6, ("%s: %g"):format(cases[i].kind, far))
        assert.is_true(math.abs(ranks.loss - loss) <= 1e-6 * loss)
      end
    end)

    it("gives, with the batch norms' local statistics, what the two parts give by hand", function()
      local o = { kind = "norm", n = 8, cut = 4 }
      local ranks, a, b, whole = assert(gang({ job = "gradients", cases = { o } }, with))[1], jobs.gradients(o, 1, 4), jobs.gradients(o, 5, 8),
        jobs.gradients(o, 1, 8)
      assert.is_true(difference(ranks.list, weighted(a, b, { 0.5, 0.5 })) <= 1e-6)      -- not to the bit: this process has more threads
      assert.is_true(difference(ranks.list, whole) > 1e-4)         -- and not what joint statistics give
    end)

    it("trains as one process does", function()
      local alone = jobs.fit { kind = "plain" }
      local ranks = assert(gang({ job = "fit", kind = "plain" }, with))[1]
      for i, e in ipairs(alone.history) do
        assert.is_true(math.abs(e.loss - ranks.history[i].loss) <= 1e-5 * e.loss)
        assert.is_true(math.abs(e.validation_loss - ranks.history[i].validation_loss) <= 1e-5 * e.validation_loss)
        assert.equal(e.accuracy, ranks.history[i].accuracy)
      end
    end)

    it("ends the gang when a rank is killed; from its checkpoint it ends with the same loss", function()
      for _, kind in ipairs(backend == "shm" and { "norm", "supernet" } or { "supernet" }) do
        local o = { job = "fit", kind = kind, checkpoint = helper.scratch "gang.ckpt.safetensors" }
        local undisturbed = assert(gang(o, with))
        o.checkpoint = helper.scratch "gang.ckpt.safetensors"
        o.kill = { rank = 1, step = 5, once = helper.scratch "killed" }
        local result, message, code = gang(o, with)
        assert.is_nil(result)
        assert.equal("ELOST", code)
        assert.matches(backend == "shm" and "rank 1 was ended by signal 9; its gang of 2 was ended" or "mpirun was ended by signal 9", message)
        assert.same(undisturbed, assert(gang(o, with)))
      end
    end)

    it("goes on from a checkpoint with another number of ranks", function()
      local o = { job = "fit", kind = "plain", epochs = 2, checkpoint = helper.scratch "gang.ckpt.safetensors" }
      o.kill = { rank = 1, step = 3, once = helper.scratch "killed" }
      local _, _, code = gang(o, with)
      assert.equal("ELOST", code)
      local three = assert(gang(o, { backend = backend, ranks = 3 }))
      local alone = jobs.fit { kind = "plain", epochs = 2 }
      assert.equal(3, #three)
      assert.is_true(math.abs(alone.history[2].loss - three[3].history[2].loss) <= 1e-5 * alone.history[2].loss)
    end)

    it("is an error on ranks that disagree, and no wait", function()
      local cases = { sizes = { "sums 1[01] elements", "rank [01] 1[01]" }, order = { "rank 0 waits in a barrier", "rank 1 reduces a number" },
        leave = { "rank 1 of 2: rank 0 has left" } }
      for job, texts in pairs(cases) do
        local result, message, code = gang({ job = job }, with)
        assert.is_nil(result)
        if job ~= "leave" or backend == "shm" then                 -- MPI may end rank 1 before it can say a word
          for _, text in ipairs(texts) do assert.matches(text, message) end
          assert.is_truthy(code)
        end
      end
      local _, message = gang({ job = "gradients", cases = { { kind = "supernet", n = 8, cut = 4, differ = true } } }, with)
      assert.matches("rank 1 trains other paths than rank 0", message)
    end)

    it("tells all ranks of a loss that is not finite on one", function()
      local all = assert(gang({ job = "nan" }, with))
      assert.is_true(all.failed)
      assert.matches("the loss is %-?nan at step 1 %(rank 1%)", all.message)
      assert.same({ "ENAN", 0 }, { all.code, all.step })
    end)

    it("ends at once when a rank fails, is killed, aborts or takes too long", function()
      for job, code in pairs { raise = "EFAILED", kill = "ELOST" } do
        local result, message, why = gang({ job = job }, with)
        assert.is_nil(result)
        assert.equal(code, why, message)
      end
      local result, aborted = gang({ job = "abort" }, with)
      assert.is_nil(result)
      assert.matches(backend == "shm" and "rank 1 " or "mpirun ended with exit code 7", aborted)
      local _, message = gang({ job = "raise" }, with)
      assert.matches("no such thing", message)
      local _, why, name = gang({ job = "sleep" }, { backend = backend, seconds = 1 })
      assert.matches("gang: it ran longer than 1 s", why)
      assert.equal("ETIMEDOUT", name)
    end)
  end)
end

describe("comm", function()
  it("ends with the same weights on all ranks, in every run and with every back end", function()
    for _, kind in ipairs { "norm", "supernet" } do
      local first = assert(gang { job = "fit", kind = kind })
      assert.equal(2, #first)
      assert.same(first[1], first[2])
      assert.not_equal(jobs.hash((jobs.network(kind))), first[1].weights)
      for _, backend in ipairs(BACKENDS) do
        assert.same(first, assert(gang({ job = "fit", kind = kind, differ = true }, { backend = backend })))     -- rank 0's first weights are all ranks'
      end
    end
  end)

  it("is this process alone without a gang", function()
    local world = assert(vega.comm.single())
    assert.same({ 0, 1, "single" }, { world.rank, world.size, world.backend })
    local t = vega.tensor.new { 1.5, 2.5 }
    assert(world:allreduce(t))
    assert.same({ 1.5, 2.5 }, t:totable())
    assert.same({ 4.0, "x", true }, { world:allreduce(4, "max"), world:broadcast "x", world:barrier() })
    assert.same(jobs.fit { kind = "norm" }, jobs.fit({ kind = "norm" }, world))
    world:close()
    assert.error_matches(function() world:barrier() end, "the communicator is closed")
    assert.has_error(function() return world.rank end)
  end)

  it("shares the threads out and keeps the variable from what the ranks start", function()
    vega.threads(4)
    local result = assert(vega.comm.gang { module = "spec.comm_jobs", argument = { job = "threads" }, ranks = 2 })
    vega.threads(1)
    assert.same({ threads = 2, variable = "" }, result)
  end)

  it("refuses wrong options, at the caller's line", function()
    local function refuses(text, o)
      local ok, message = pcall(function() local _ = vega.comm.gang(o) end)
      assert.is_false(ok)
      assert.matches("comm_spec%.lua:%d+: " .. text, tostring(message))
    end
    refuses("comm.gang: ranks must be an integer >= 1, got 0", { script = "x", ranks = 0 })
    refuses("comm.gang: one of the options 'script' and 'module' expected", { ranks = 2 })
    refuses("comm.gang: unknown backend 'smh'; did you mean 'shm'%?", { script = "x", ranks = 2, backend = "smh" })
    refuses("comm.gang: unknown option 'rank'; did you mean 'ranks'%?", { script = "x", rank = 2 })
    assert.error_matches(function() vega.comm.world "gloo" end, "comm: unknown back end 'gloo' %(known: single, shm, mpi%)")
    assert.error_matches(function() vega.comm.world "shm" end, "this process is no rank: vega.comm.gang starts them")
    assert.error_matches(function() vega.train.fit { model = jobs.network "plain", data = jobs.data(8, 1), comm = 2 } end,
      "comm: a communicator expected")
  end)

  it("says what the last batch of an epoch lacks", function()
    assert.error_matches(function() jobs.data(33, 1):loader { batch = 32, parts = 2 } end,
      "the last batch of an epoch has 1 of 33 samples for 2 parts: another batch than 32, or drop_last")
    assert.error_matches(function() jobs.data(32, 1):loader { batch = 32, part = 3, parts = 2 } end, "no part 3 of 2")
  end)

  it("says that mpirun, the plug-in or its library is missing", function()
    local script = [[local vega = require "vega"
      local _, message, code = vega.comm.gang { script = "none.lua", ranks = 2, backend = "mpi" }
      print(code, message)]]
    local path = helper.write(helper.scratch "none.lua", script)
    local _, out = helper.run("PATH=/nowhere %s " .. path)
    assert.matches("^EBACKEND\tcomm.gang: there is no mpirun in PATH", out)
    path = helper.write(helper.scratch "world.lua", [[print(require("vega").comm.world "mpi")]])
    local _, missing = helper.run("VEGA_COMM_MPI=/nowhere/comm_mpi.so %s " .. path)
    assert.matches("^nil\tcomm 'mpi': /nowhere/comm_mpi.so: cannot open shared object file.*EBACKEND\n$", missing)
    local _, other = helper.run("VEGA_COMM_MPI=libm.so.6 %s " .. path)
    assert.matches("^nil\tcomm 'mpi': 'libm.so.6' is no plug%-in of this version\tEBACKEND\n$", other)
  end)

  it("says that a program cannot be started", function()
    local _, message, code = vega.comm.gang { script = "none.lua", ranks = 2, backend = "mpi", launcher = { "/nowhere/mpirun", "-np", "2" } }
    assert.matches("cannot start /nowhere/mpirun: No such file", message)
    assert.equal("EIO", code)
  end)

  it("ends with whoever started it", function()
    local over = "for i in $(seq 100); do [ -d /proc/%s ] && ! grep -q ') Z' /proc/%s/stat || exit 0; sleep 0.1; done; exit 1"  -- Z: nobody reaped it
    for _, backend in ipairs(BACKENDS) do
      local mark = helper.scratch "pids"
      local rank = helper.write(helper.scratch "rank.lua", ([[
        local world = assert(require("vega").comm.world())
        local f = io.open("%s" .. world.rank, "w")
        f:write(io.open("/proc/self/stat"):read("a"):match("^%%d+"))
        f:close()
        world:barrier()
        if world.rank == 0 then os.execute("kill -KILL " .. arg[1]) end
        os.execute "sleep 20"
      ]]):format(mark))
      local starter = helper.write(helper.scratch "starter.lua", ([[
        local pid = io.open("/proc/self/stat"):read("a"):match("^%%d+")
        require("vega").comm.gang { script = "%s", arguments = { pid }, ranks = 2, backend = "%s" }
      ]]):format(rank, backend))
      assert.equal(137, (helper.run("%s " .. starter)))
      for r = 0, 1 do
        local pid = helper.read(mark .. r)
        assert.is_true(os.execute(over:format(pid, pid)), backend)
      end
    end
  end)

  it("works in a stock Lua", function()
    if os.getenv "ASAN_OPTIONS" or helper.run "command -v lua5.4" ~= 0 then return pending "no lua5.4 that can load the engine" end
    local script = helper.write(helper.scratch "stock.lua", [[
      local vega = require "vega"
      if arg[1] then print(vega.comm.world():allreduce(20.5)) os.exit(true, true) end
      for _, backend in ipairs { "shm", "mpi" } do
        print(backend, vega.comm.gang { script = arg[0], arguments = { "rank" }, ranks = 2, backend = backend })
      end]])
    local build = helper.program():match "^(.*)/"
    local code, out, err = helper.run(("LUA_PATH='lua/?.lua;lua/?/init.lua' LUA_CPATH='%s/?.so' lua5.4 %s"):format(build, script))
    assert.equal(0, code, err)
    assert.equal("41.0\n41.0\nshm\ttrue\n41.0\n41.0\nmpi\ttrue\n", out)
  end)
end)
