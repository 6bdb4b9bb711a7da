-- Reads a Fennel data file without evaluating anything: positions and values as a tree of plain tables.
-- Arguments: `utils`, `positions`, `report`, `reading`, the file's name and text.
local utils, positions, report, reading, file, text = ...

local function span_at(container, index)
  local bytes = container and reading.spans[container] and reading.spans[container][index]
  return bytes and positions.span(file, bytes[1], bytes[2])
end

local function own_span(value)
  local source = utils["ast-source"](value)
  return positions.span(file, source.bytestart, source.byteend)
end

local node

local function elements(container, count)
  local out = {}
  for i = 1, count do out[i] = node(container[i], span_at(container, i)) end
  return out
end

function node(value, span)
  local kind = type(value)
  if kind ~= "table" then return { kind = kind, value = value, span = span } end
  span = own_span(value) or span
  if utils["sym?"](value) then
    if tostring(value) == "nil" then return { kind = "nil", span = span } end
    return { kind = "symbol", value = tostring(value), span = span }
  elseif utils["varg?"](value) then
    return { kind = "symbol", value = "...", span = span }
  elseif utils["list?"](value) then
    local head = value[1]
    return { kind = "call", value = type(head) == "table" and tostring(head) or "", span = span }
  elseif utils["sequence?"](value) then
    return { kind = "list", items = elements(value, #value), span = span }
  end
  -- The metatable of a `{}` holds its elements as they were written, also keys that stand there twice.
  local written = getmetatable(value)
  return { kind = "table", items = elements(written, #written), span = span }
end

local options = {
  filename = file, source = text, ["error-pinpoint"] = false, warn = function() end,
  plugins = { { name = "quire", versions = { (utils.version:gsub("%-dev", "")) },
    ["parse-form"] = reading.on_form, ["parse-error"] = reading.on_error } },
}
local forms = reading.forms(file, text, options)
local out = {}
for i = 1, forms.count or 0 do out[i] = node(forms[i], positions.line(file, 1)) end
return out, report.found
