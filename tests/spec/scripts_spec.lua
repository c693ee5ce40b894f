--- How scripts/run and scripts/test install packages: real functions of scripts/common.sh, with apt-get, dpkg-query, id and sudo replaced.
local helper = require "spec.helper"

local bin = helper.scratch "bin"

--- A folder of programs in front of PATH; each is a line of shell. apt-get says what it is called with.
local function with(programs, command)
  os.execute(("rm -rf %s && mkdir -p %s"):format(bin, bin))
  programs["apt-get"] = programs["apt-get"] or 'echo "apt-get $@" >&2'
  for name, line in pairs(programs) do
    if line then helper.write(bin .. "/" .. name, "#!/bin/sh\n" .. line .. "\n") end
  end
  os.execute(("chmod +x %s/*"):format(bin))
  for _, tool in ipairs { "bash", "dirname", "grep", "env", "sh", "cat" } do
    os.execute(("[ -e %s/%s ] || ln -s $(command -v %s) %s/%s"):format(bin, tool, tool, bin, tool))
  end
  return helper.run(("PATH=%s bash -euc '. scripts/common.sh; %s'"):format(bin, command or "install_packages"))
end

local INSTALLED = "echo installed"
local LACKS_TWO = 'for last; do :; done; case $last in cmake|lua-busted) exit 1;; esac; echo installed'

describe("install_packages", function()
  it("does nothing when all are installed", function()
    local code, out, err = with { ["dpkg-query"] = INSTALLED, id = "echo 0" }
    assert.equal(0, code)
    assert.equal("", out .. err)
  end)

  it("installs what is missing, as root", function()
    local code, _, err = with { ["dpkg-query"] = LACKS_TWO, id = "echo 0" }
    assert.equal(0, code)
    assert.equal("installing: cmake lua-busted\napt-get -q -o DPkg::Lock::Timeout=300 update\n" ..
      "apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends cmake lua-busted\n", err)
  end)

  it("goes through sudo for anybody else, and says so when there is none", function()
    local code, _, err = with { ["dpkg-query"] = LACKS_TWO, id = "echo 1000", sudo = 'echo "sudo $1 $2" >&2; exec "$@"' }
    assert.equal(0, code)
    assert.matches("sudo env DEBIAN_FRONTEND=noninteractive\napt%-get [^\n]+ update\n", err)
    code, _, err = with { ["dpkg-query"] = LACKS_TWO, id = "echo 1000" }
    assert.equal(1, code)
    assert.matches("needs root, or sudo, to run: env DEBIAN_FRONTEND=noninteractive apt%-get", err)
    assert.matches("cannot install: cmake lua%-busted\n", err)
  end)

  it("says what could not be installed, and tries though the lists are old", function()
    local code, _, err = with { ["dpkg-query"] = LACKS_TWO, id = "echo 0", ["apt-get"] = "exit 100" }
    assert.equal(1, code)
    assert.matches("cannot install: cmake lua%-busted\nthey are in Debian 12", err)
    code, _, err = with { ["dpkg-query"] = LACKS_TWO, id = "echo 0", ["apt-get"] = "case $* in *update*) exit 100;; esac" }
    assert.equal(0, code)
    assert.matches("the package lists cannot be brought up to date", err)
  end)

  it("leaves a system without apt-get alone", function()
    local code, _, err = with { ["dpkg-query"] = LACKS_TWO, id = "echo 0", ["apt-get"] = "" }
    assert.equal(0, code, err)
    os.remove(bin .. "/apt-get")
    code, _, err = helper.run(("PATH=%s bash -euc '. scripts/common.sh; install_packages'"):format(bin))
    assert.equal(0, code)
    assert.matches("^no apt%-get here", err)
  end)
end)

describe("scripts/packages", function()
  it("names each package once", function()
    local seen = {}
    for line in helper.read("scripts/packages"):gmatch "[^\n]+" do
      assert.is_nil(seen[line], line)
      assert.truthy(line:match "^# " or line:match "^[a-z][a-z0-9.+-]+$", line)
      seen[line] = true
    end
  end)
end)
