--- vega-lua serve: the live view from outside. What its server refuses tests/c/test_server.c looks at; here it is what it answers.
local core = require "vega.core"
local helper = require "spec.helper"
local live = require "vega.report.live"
local stored = require "vega.study.stored"
local studies = dofile "tests/spec/report_studies.lua"
local vega = require "vega"

local function available()
  local ok, why = core.serve.available()
  return ok, why
end

local function run(options)
  local study <close> = vega.study(options)
  study:run()
end

--- Starts the program; returns its address, a function that ends it and returns its exit code, and where its errors go.
local function start(arguments)
  local out, err, code = helper.scratch "out", helper.scratch "err", helper.scratch "code"
  local program = helper.program()
  os.execute(("( %s serve --port 0 %s >%s 2>%s & pid=$!; echo $pid >%s.pid; wait $pid; echo $? >%s ) </dev/null &"):format(program, arguments, out, err, out, code))
  local function wait_for(path, pattern)
    for _ = 1, 200 do
      local file = io.open(path, "r")
      local found = file and file:read "a":match(pattern)
      if file then file:close() end
      if found then return found end
      core.net.wait({}, 0.05)
    end
    error(("nothing in %s: %s"):format(path, helper.read(err)))
  end
  local url = wait_for(out, "http://[^\n]+")
  local pid = wait_for(out .. ".pid", "%d+")
  return url, function()
    os.execute("kill -INT " .. pid)
    return math.tointeger(wait_for(code, "^%d+"))
  end, err
end

--- GET by bash's own TCP, which needs no package. Returns the status, the headers as text and the body.
local function get(url, path, headers)
  local port, reply = url:match ":(%d+)/", helper.scratch "reply"
  local request = helper.write(helper.scratch "request", ("GET %s HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n%s\r\n"):format(path, port, headers or ""))
  assert.is_true(os.execute(("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s && cat %s >&3 && timeout 60 cat <&3 >%s'"):format(port, request, reply)))
  local text = helper.read(reply)
  local head, body = text:match "^(.-\r\n)\r\n(.*)$"
  return math.tointeger(tonumber(head:match "^HTTP/1.1 (%d+)")), head, body
end

describe("vega-lua serve", function()
  it("shows the studies of a store and what becomes of them", function()
    if not available() then return pending(select(2, available())) end
    local path = helper.scratch "live.db"
    run(studies.many(path, 20))
    local url, stop, err = start("--store " .. path)
    local status, head, page = get(url, "/")
    assert.equal(200, status)
    assert.is_truthy(page:find('<p class="note" id="live">', 1, true))
    assert.is_nil(page:find("http-equiv", 1, true))
    local policy = head:match "Content%-Security%-Policy: ([^\r]*)"
    assert.is_truthy(policy:find("connect-src 'self'", 1, true) and policy:find("frame-ancestors 'none'", 1, true))
    for code in page:gmatch "<script>(.-)</script>" do
      assert.is_truthy(policy:find("'sha256-" .. core.hash.base64(core.hash.sha256(code)) .. "'", 1, true))
    end
    local data = assert(core.json.decode(page:match '<script type="application/json" id="data">(.-)</script>'))
    assert.equal(20, #data.rows)
    assert.equal("/api/v1/study/many", data.live.url)
    local api = data.live.url .. "?after=" .. data.live.seq
    local first, first_head, news = get(url, api)
    assert.equal(200, first)
    assert.equal(0, #assert(core.json.decode(news)).rows)
    local tag = first_head:match "ETag: ([^\r]*)"
    local same, _, nothing = get(url, api, "If-None-Match: " .. tag .. "\r\n")
    assert.equal(304, same)
    assert.equal("", nothing)

    run(studies.many(path, 26))                                      -- the study goes on beside it
    local rows, seq
    for _ = 1, 100 do
      local _, _, more = get(url, api, "If-None-Match: " .. tag .. "\r\n")
      local decoded = core.json.decode(more)
      if decoded and #decoded.rows > 0 then
        rows, seq = decoded.rows, decoded.seq
        break
      end
      core.net.wait({}, 0.05)
    end
    local ids = {}
    for i, row in ipairs(rows) do ids[i] = row[1] end
    assert.same({ 21, 22, 23, 24, 25, 26 }, ids)
    local _, _, last = get(url, data.live.url .. "?after=" .. seq)
    assert.equal(0, #assert(core.json.decode(last)).rows)
    local _, _, all = get(url, data.live.url)
    assert.equal(26, #assert(core.json.decode(all)).rows)
    assert.equal(404, (get(url, "/study/other")))
    assert.equal(404, (get(url, "/api/v1/study/other")))
    assert.equal(400, (get(url, "/", "Host: evil\r\n")))             -- two of them
    assert.equal(130, stop())
    assert.equal("", helper.read(err))
  end)

  it("lists several studies, whatever they are called", function()
    if not available() then return pending(select(2, available())) end
    local path = helper.scratch "several.db"
    run(studies.many(path, 5))
    local hostile = studies.hostile(path, 5)
    run(hostile)
    local url, stop = start("--store " .. path)
    local status, _, page = get(url, "/")
    assert.equal(200, status)
    assert.is_nil(page:find("<img", 1, true) or page:find("<script", 1, true))
    local links = {}
    for link in page:gmatch 'href="(/study/[^"]*)"' do links[#links + 1] = link end
    assert.equal("/study/many", links[1])
    local code, _, study_page = get(url, links[2])
    assert.equal(200, code)
    assert.is_truthy(study_page:find("5 trials: ", 1, true))
    local data = assert(core.json.decode(study_page:match '<script type="application/json" id="data">(.-)</script>'))
    assert.equal(5, #assert(core.json.decode((select(3, get(url, data.live.url))))).rows)
    assert.equal(130, stop())
  end)

  it("wants a token where others can come", function()
    if not available() then return pending(select(2, available())) end
    local path = helper.scratch "token.db"
    run(studies.many(path, 3))
    local code, _, err = helper.run(("%%s serve --store %s --bind 0.0.0.0"):format(path))
    assert.equal(2, code)
    assert.matches("wants %-%-token auto", err)
    assert.equal(2, (helper.run(("%%s serve --store %s --bind 0.0.0.0 --token short"):format(path))))
    local url, stop = start(("--store %s --bind 0.0.0.0 --token auto --host-name nas.example"):format(path))
    local token = url:match "%?token=(%x+)$"
    assert.equal(48, #token)
    assert.equal(401, (get(url, "/")))
    local status, head = get(url, "/?token=" .. token)
    assert.equal(303, status)
    local cookie = head:match "Set%-Cookie: ([^;]*);"
    assert.equal(200, (get(url, "/", "Cookie: " .. cookie .. "\r\n")))
    assert.equal(130, stop())
  end)

  it("refuses a wrong command line", function()
    for line, expected in pairs { ["serve"] = 2, ["serve --store /nowhere/x.db"] = 4, ["serve --port 70000 --store x"] = 2, ["serve --prot 1"] = 2 } do
      assert.equal(expected, (helper.run("VEGA_STORE= %s " .. line)), line)
    end
  end)
end)

describe("the live view", function()
  it("cannot write", function()
    local path = helper.scratch "x.db"
    run(studies.many(path, 3))
    local view <close> = live.new(path, core.sys.clock)
    assert.equal(200, (view:answer("study", "many")))
    local db = view.studies.many.stored.db
    local ok, message = db:run("study_status", "PAUSED", 1)
    assert.is_nil(ok)
    assert.matches("readonly", message)
    local s <close> = assert(stored.open(path))
    assert.equal("DONE", s.status)
  end)

  it("answers what fails without saying how", function()
    local path = helper.scratch "x.db"
    run(studies.many(path, 3))
    local view <close> = live.new(path, core.sys.clock)
    view.clock = function() error "a fault" end
    local status, _, _, body, fault = view:answer("api", "many")
    assert.equal(500, status)
    assert.is_nil(body:find("fault", 1, true))
    assert.matches("a fault", fault)
    local gone <close> = live.new("/nowhere/x.db", core.sys.clock)
    assert.equal(503, (gone:answer("index", "")))
  end)
end)
