-- The hidden last argument of `ci:job` and `ci.job`: where the call and its arguments are written.
-- The format is described in src/script/call_spans.rs.
local utils, compiler, positions, spans = ...

local PREFIX = "\1@"

-- Heads that give exactly one value, so that an argument behind them does not cut anything off.
local SINGLE = { fn = true, hashfn = true, lambda = true, ["\206\187"] = true, partial = true, ["quire-spans"] = true }

local function text_of(span)
  return ("%d:%d:%d:%d"):format(span.line, span.column, span.end_line, span.end_column)
end

-- The span of the element `index` of a parsed list or table, which may be a string or a number.
local function span_of(container, index, file)
  local value = container[index]
  local source = utils["ast-source"](value)
  if source.bytestart and source.filename == file then
    return positions.span(file, source.bytestart, source.byteend)
  end
  local known = spans[container] or spans[getmetatable(container) or false]
  local bytes = known and known[index]
  return bytes and positions.span(file, bytes[1], bytes[2])
end

local function argument_text(ast, index, file, call)
  local text = text_of(span_of(ast, index, file) or call)
  local value = ast[index]
  if not utils["sequence?"](value) then return text end
  local items = {}
  for i = 1, #value do
    local span = span_of(value, i, file)
    if not span then return text end
    items[i] = text_of(span)
  end
  return text .. "[" .. table.concat(items, ",") .. "]"
end

-- The index of the first argument when the form is a call of a function named `job`.
local function first_argument(ast)
  local head = utils["sym?"](ast[1])
  if not head then return nil end
  if tostring(head) == ":" then return ast[3] == "job" and 4 or nil end
  local parts = utils["multi-sym?"](head)
  return parts and #parts > 1 and parts[#parts] == "job" and 2 or nil
end

-- All values of the arguments, then the spans: an argument behind a call would cut that call to one value.
compiler.scopes.global.specials["quire-spans"] = function(ast, scope, parent)
  local arguments = {}
  for i = 3, #ast do
    local results = compiler.compile1(ast[i], scope, parent, { nval = i < #ast and 1 or nil })
    for _, result in ipairs(results) do arguments[#arguments + 1] = tostring(result) end
  end
  local spans_text = tostring(compiler.compile1(ast[2], scope, parent, { nval = 1 })[1])
  return utils.expr(
    ("(function(...) local function f(n, a, ...) if n == 0 then return %s end return a, f(n - 1, ...) end "
      .. 'return f(_ENV.select("#", ...), ...) end)(%s)'):format(spans_text, table.concat(arguments, ", ")),
    "expression"
  )
end

-- Appends the spans to a call of `job`.
return function(ast)
  local first = first_argument(ast)
  if not first or not ast.bytestart then return end
  local last = ast[#ast]
  if type(last) == "string" and last:sub(1, 2) == PREFIX then return end
  local file = ast.filename
  local call = positions.span(file, ast.bytestart, ast.byteend)
  if not call then return end
  local arguments = {}
  for i = first, #ast do arguments[#arguments + 1] = argument_text(ast, i, file, call) end
  local text = PREFIX .. text_of(call) .. "|" .. table.concat(arguments, ";")
  local head = utils["list?"](last) and utils["sym?"](last[1])
  local many = utils["varg?"](last) or (utils["list?"](last) and not (head and SINGLE[tostring(head)]))
  if many and #ast >= first then
    local packed = utils.list(utils.sym("quire-spans", ast), text, table.unpack(ast, first))
    packed.filename, packed.line, packed.bytestart, packed.byteend = file, ast.line, ast.bytestart, ast.byteend
    for i = #ast, first, -1 do ast[i] = nil end
    ast[first] = packed
  elseif not (head and tostring(head) == "quire-spans") then
    ast[#ast + 1] = text
  end
end
