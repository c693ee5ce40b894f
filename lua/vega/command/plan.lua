--- What a command that removes or mends something would do, and does when it is told so: a list of { text, action }.
local plan = {}

--- Prints each step; with `yes` does it, else says that --yes does. Returns the exit code. `nothing` is said when there is none.
function plan.carry_out(steps, yes, nothing)
  if #steps == 0 then
    print(nothing)
    return 0
  end
  for _, step in ipairs(steps) do
    print((yes and "" or "would: ") .. step[1])
    if yes then step[2]() end
  end
  if not yes then print "nothing was done; --yes does it" end
  return 0
end

return plan
