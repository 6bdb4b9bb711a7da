-- Reading Fennel forms with the place of every element, also of strings and numbers.
local fennel, utils, positions, report = ...

-- Nesting deeper than this is refused before anything recurses over it.
local MAX_DEPTH = 200

local reading = {}

-- container -> { [index] = { first byte, last byte } }; the container of a `{}` table is its metatable.
reading.spans = setmetatable({}, { __mode = "k" })

local spans = reading.spans

-- Plugin hook: a form was read. Its place is kept when it cannot carry it itself.
function reading.on_form(value, source, raw, stack)
  if type(stack) ~= "table" then return end
  local top = stack[#stack]
  if #stack > MAX_DEPTH then
    report.fail({ message = "the forms are nested more than " .. MAX_DEPTH .. " levels deep", file = top.filename,
      span = positions.span(top.filename, top.bytestart, top.bytestart) })
  end
  if not (top and top.closer) or top.prefix then return end
  source = source or utils["ast-source"](value)
  local first = source.bytestart
  if not first then return end
  local last = source.byteend or (type(raw) == "string" and first + #raw - 1) or first
  spans[top] = spans[top] or {}
  spans[top][#top + 1] = { first, last }
end

-- Plugin hook: the text cannot be read.
function reading.on_error(message, file, line, column)
  report.fail({ message = message, file = file, span = positions.point(file, line, column), unclosed =
    message:find("^expected closing delimiter") ~= nil, line = line, parse = true })
end

-- The forms of a text up to the first mistake. The mistake is reported.
function reading.forms(file, text, options)
  local forms = {}
  report.try({ file = file }, function()
    for ok, form in fennel.parser(fennel.stringStream(text, options), file, options) do
      if not ok then break end
      forms[#forms + 1] = form
      forms.count = #forms
    end
  end)
  return forms
end

return reading
