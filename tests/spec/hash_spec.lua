--- SHA-256 against the examples of FIPS 180-4 and lengths around a block's end; base64 against RFC 4648, section 10.
local hash = require("vega.core").hash

local function sha256(text) return hash.hex(hash.sha256(text)) end

describe("vega.core.hash", function()
  it("has SHA-256", function()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256 "")
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256 "abc")
    assert.equal("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", sha256 "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
    assert.equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", sha256(("a"):rep(1000000)))
  end)

  it("agrees with sha256sum at every length around a block", function()
    local helper = require "spec.helper"
    local names, mine = {}, {}
    for n = 50, 130 do
      names[#names + 1] = helper.write(helper.scratch "x", ("\xc3\x00q"):rep(50):sub(1, n))
      mine[#mine + 1] = sha256(helper.read(names[#names]))
    end
    local _, out = helper.run("sha256sum " .. table.concat(names, " "))
    local i = 0
    for line in out:gmatch "[^\n]+" do
      i = i + 1
      assert.equal(line:match "^%x+", mine[i])
    end
    assert.equal(#mine, i)
  end)

  it("has base64", function()
    for plain, coded in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy",
      ["\xff\xfe\xfd"] = "//79" } do
      assert.equal(coded, hash.base64(plain))
    end
  end)
end)
