local pareto = require("vega.core").pareto

describe("pareto", function()
  it("has the known answers", function()
    assert.equal(6, pareto.hypervolume({ { 1, 3 }, { 2, 2 }, { 3, 1 } }, { 4, 4 }))
    assert.equal(10, pareto.hypervolume({ { 1, 2, 3 }, { 2, 1, 3 }, { 3, 3, 1 } }, { 4, 4, 4 }))
    assert.equal(0, pareto.hypervolume({}, { 1, 1 }))
    assert.same({ math.huge, 1.25, 1.25, math.huge }, pareto.crowding({ { 0, 4 }, { 1, 2 }, { 2, 1 }, { 4, 0 } }, { 1, 1, 1, 1 }))
    assert.same({ 1, 1, 2, 1 }, pareto.rank { { 0, 4 }, { 1, 2 }, { 1, 3 }, { 1, 2 } })
    assert.same({ 2, 1 }, pareto.rank({ { 0, 0 }, { 1, 2 } }, { 1, 0 }))
  end)

  it("refuses NaN and ragged points", function()
    assert.error(function() pareto.rank { { 0, 0 / 0 } } end)
    assert.error(function() pareto.rank { { 0, 1 }, { 1 } } end)
  end)
end)
