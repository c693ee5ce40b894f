local json = require("vega.core").json

describe("json", function()
  it("keeps numbers what they are", function()
    for _, text in ipairs { "9007199254740993", "1", "1.0", "[]", "{}", '{"a":1,"b":[true,false,null],"c":"x\\u0000y"}', "-0.5" } do
      assert.equal(text, json.encode(json.decode(text)))
    end
    assert.equal(1 / 3, json.decode(json.encode(1 / 3)))
    assert.equal("integer", math.type(json.decode("7")))
  end)

  it("sorts keys and knows empty lists", function()
    assert.equal('{"a":1,"b":2,"c":3}', json.encode { c = 3, a = 1, b = 2 })
    assert.equal('{"x":[],"y":{}}', json.encode { x = json.array {}, y = {} })
    assert.equal(json.null, json.decode("null"))
  end)

  it("refuses NaN unless asked, and then keeps it", function()
    assert.error_matches(function() json.encode { 0 / 0 } end, "nan cannot be written")
    local back = json.decode(json.encode({ 0 / 0, math.huge, -math.huge }, { nonfinite = "tag" }), { nonfinite = "tag" })
    assert.is_true(back[1] ~= back[1])
    assert.equal(math.huge, back[2])
    assert.equal(-math.huge, back[3])
  end)

  it("refuses what is no JSON, with a place", function()
    for _, text in ipairs { '{"a":1,"a":2}', "[1,]", "01", "NaN", "1e999", "", '"\xff"', ("["):rep(600) .. ("]"):rep(600), ("["):rep(100000) } do
      local value, message, code = json.decode(text)
      assert.is_nil(value)
      assert.is_string(message)
      assert.equal("EFORMAT", code)
    end
  end)

  it("refuses what JSON cannot hold", function()
    local loop = {}
    loop.loop = loop
    for _, value in ipairs { { 1, x = 2 }, { [1] = 1, [3] = 3 }, { f = print }, loop, "\xff" } do
      assert.is_false((pcall(json.encode, value)))
    end
  end)
end)
