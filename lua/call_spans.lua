-- The hidden last argument of `ci:job` and `ci.job`: where the call and its arguments are written. The primitives that
-- a job waits for or fails in get the place of the call, because a call in tail position leaves no line behind.
-- The format is described in src/script/call_spans.rs.
local utils, compiler, positions, spans = ...

local PREFIX = "\1@"

-- Heads that give exactly one value, so that an argument behind them does not cut anything off.
local SINGLE = { fn = true, hashfn = true, lambda = true, ["\206\187"] = true, partial = true, ["quire-spans"] = true }
for operator in (".. + - * / // % ^ = not= < > <= >= not and or . ?. length"):gmatch("%S+") do SINGLE[operator] = true end

-- The primitives that are marked with the place of their call.
local PRIMITIVES = { sh = true, secret = true, jobs = true, log = true, ["read-file"] = true, ["write-file"] = true,
  container = true }

-- Names of primitives that a file gives to something of its own, by file: what is called there takes other arguments.
local own = {}

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

local marks = {}

-- Notes that a file binds a name, unless it takes the primitive out of the job's table.
function marks.bind(symbol, file)
  local name = utils["sym?"](symbol) and tostring(symbol)
  if name and PRIMITIVES[name] and file then own[file .. ":" .. name] = true end
end

-- Whether the head of a call is one of the primitives.
local function is_primitive(ast)
  local head = utils["sym?"](ast[1])
  local name = head and tostring(head)
  return name and PRIMITIVES[name] and not own[(ast.filename or "") .. ":" .. name]
end

-- Appends the spans to a call of `job`, the place to a call of a primitive.
function marks.append(ast)
  local first = first_argument(ast) or (is_primitive(ast) and 2)
  if not first or not ast.bytestart then return end
  local last = ast[#ast]
  if type(last) == "string" and last:sub(1, 2) == PREFIX then return end
  local file = ast.filename
  local call = positions.span(file, ast.bytestart, ast.byteend)
  if not call then return end
  local arguments = {}
  local last_with_place = first_argument(ast) and #ast or 0
  for i = first, last_with_place do arguments[#arguments + 1] = argument_text(ast, i, file, call) end
  local text = PREFIX .. text_of(call) .. "|" .. table.concat(arguments, ";")
  local head = utils["list?"](last) and utils["sym?"](last[1])
  local many = utils["varg?"](last) or (utils["list?"](last) and not (head and SINGLE[tostring(head)]))
  if many and not first_argument(ast) then
    -- Packing would put the arguments into one line: a primitive does without its place then.
    return
  elseif many and #ast >= first then
    local packed = utils.list(utils.sym("quire-spans", ast), text, table.unpack(ast, first))
    packed.filename, packed.line, packed.bytestart, packed.byteend = file, ast.line, ast.bytestart, ast.byteend
    for i = #ast, first, -1 do ast[i] = nil end
    ast[first] = packed
  elseif not (head and tostring(head) == "quire-spans") then
    ast[#ast + 1] = text
  end
end

return marks
