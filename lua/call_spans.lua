-- The hidden last argument of `ci:job` and `ci.job`: where the call and its arguments are written. The primitives that
-- a job waits for or fails in get the place of the call, because a call in tail position leaves no line behind.
-- The format is described in src/script/call_spans.rs.
-- `primitives` is the set of those that are marked.
local utils, compiler, positions, spans, primitives = ...

local PREFIX = "\1@"

-- Heads that give exactly one value, so that an argument behind them does not cut anything off.
local SINGLE = { fn = true, hashfn = true, lambda = true, ["\206\187"] = true, partial = true, ["quire-spans"] = true }
for operator in (".. + - * / // % ^ = not= < > <= >= not and or . ?. length"):gmatch("%S+") do SINGLE[operator] = true end

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

-- Literals inside each other whose parts are marked, at most.
local MAX_DEPTH = 4

local places

-- The places of the elements of a literal list, or nil when one of them is not known.
local function item_places(list, file, depth)
  local items = {}
  for i = 1, #list do
    local span = span_of(list, i, file)
    if not span then return nil end
    items[i] = places(list[i], span, file, depth)
  end
  return "[" .. table.concat(items, ",") .. "]"
end

-- The places of the keys of a literal table that are plain names, and of their values.
local function key_places(written, file, depth)
  local keys = {}
  for i = 1, #written, 2 do
    local name, key, value = written[i], span_of(written, i, file), span_of(written, i + 1, file)
    if type(name) == "string" and name:find("^[%w_.-]+$") and key and value then
      keys[#keys + 1] = name .. "=" .. text_of(key) .. "=" .. places(written[i + 1], value, file, depth)
    end
  end
  return "{" .. table.concat(keys, ",") .. "}"
end

-- What a call of `ci.manual` declares, as it is written; nil for any other value.
local function manual_arguments(value)
  local head = utils["list?"](value) and utils["sym?"](value[1])
  if not head then return nil end
  if tostring(head) == ":" then return value[3] == "manual" and value[4] or nil end
  local parts = utils["multi-sym?"](head) or { tostring(head) }
  return parts[#parts] == "manual" and value[2] or nil
end

-- The place of a value, and of what is in it when it is a literal list or table, or a call of `ci.manual` with one.
function places(value, span, file, depth)
  local text = text_of(span)
  value = manual_arguments(value) or value
  if depth == 0 then return text end
  if utils["sequence?"](value) then return text .. (item_places(value, file, depth - 1) or "") end
  -- The metatable of a `{}` holds its elements as they were written.
  local written = utils["table?"](value) and getmetatable(value)
  if written and spans[written] then return text .. key_places(written, file, depth - 1) end
  return text
end

local function argument_text(ast, index, file, call)
  return places(ast[index], span_of(ast, index, file) or call, file, MAX_DEPTH)
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

local marks = { first_argument = first_argument, manual_arguments = manual_arguments, span_of = span_of }

-- Notes that a file binds a name, unless it takes the primitive out of the job's table.
function marks.bind(symbol, file)
  local name = utils["sym?"](symbol) and tostring(symbol)
  if name and primitives[name] and file then own[file .. ":" .. name] = true end
end

-- Whether the head of a call is one of the primitives.
function marks.is_primitive(ast)
  local head = utils["sym?"](ast[1])
  local name = head and tostring(head)
  return name and primitives[name] and not own[(ast.filename or "") .. ":" .. name]
end

-- Appends the spans to a call of `job`, the place to a call of a primitive.
function marks.append(ast)
  local first = first_argument(ast) or (marks.is_primitive(ast) and 2)
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
