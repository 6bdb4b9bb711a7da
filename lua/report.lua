-- Mistakes found so far. A mistake is raised as a short token that survives any wrapping of error texts,
-- because macros and Fennel itself add words to an error on its way up.
local friend = ...

-- `unit` is the file that is being compiled; a mistake may lie in a macro file that it uses.
local report = { found = {}, unit = nil }
local raised = {}

-- Fennel's first piece of advice about a message.
local function hint(message)
  if not friend then return nil end
  local _, text = pcall(friend["assert-compile"], false, message, {}, "", { ["error-pinpoint"] = false })
  local advice = type(text) == "string" and text:match("\n%* Try ([^\n]*)")
  return advice and "try " .. advice:gsub("%.$", "") or nil
end

-- Records a mistake and continues.
function report.note(mistake)
  if not mistake.hint and not mistake.plain then mistake.hint = hint(mistake.message) end
  mistake.unit = report.unit
  report.found[#report.found + 1] = mistake
end

-- Raises a mistake; `report.try` notes it.
function report.fail(mistake)
  raised[#raised + 1] = mistake
  error(("\1quire:%d\1"):format(#raised), 0)
end

-- The mistake that an error text carries, if it does.
function report.carried(message)
  local number = type(message) == "string" and message:match("\1quire:(%d+)\1")
  return number and raised[math.tointeger(tonumber(number))]
end

-- Calls a function; a mistake in it is noted, at `near` when it has no place of its own. Errors of the host pass.
function report.try(near, action, ...)
  local ok, problem = pcall(action, ...)
  if ok then return true end
  local kind = type(problem)
  if kind ~= "string" and kind ~= "table" and kind ~= "number" and kind ~= "nil" then error(problem, 0) end
  if kind == "string" and problem:find("not enough memory", 1, true) then error("not enough memory", 0) end
  local mistake = report.carried(problem)
  if not mistake then
    local text = tostring(problem):gsub("^[^\n]-:%d+:%d+: Compile error: ", ""):gsub("^[^\n]-:%d+:%d+: Parse error: ", "")
    if text:find("stack overflow", 1, true) then text = "the forms are nested too deeply" end
    mistake = { message = text }
  end
  -- The mistake that it follows from is known.
  if mistake.follows then return false end
  mistake.file = mistake.file or near.file
  mistake.span = mistake.span or near.span
  report.note(mistake)
  return false
end

return report
