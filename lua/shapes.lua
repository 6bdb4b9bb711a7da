-- What is known of the tables that a job gets, while a file is compiled: the table of its function, `inputs`, an event,
-- the result of a step. A literal name that such a table never has is a mistake, and so is a literal option of a step.
-- `known` has sets of names: the fields of each shape by its name (`src/schema/shape.rs`), `options` of each step, and
-- `places`, which argument of a step is its options.
local utils, report, marks, known = ...

local OS = { time = true, date = true, clock = true } -- what of Lua's `os` is in a pipeline

local shape_of_symbol = setmetatable({}, { __mode = "k" }) -- the symbol that declares a local -> its shape
local ids = {} -- the jobs of the file being compiled, as far as their ids are literal

local shapes = {}

local function note(shape, name, file, span)
  local mistake = { message = "", file = file, span = span, plain = true, field = name, shape = shape.kind }
  if shape.kind == "args" then mistake.job, mistake.inputs = shape.job, shape.names end
  if shape.kind == "inputs" then mistake.job, mistake.inputs, mistake.jobs = shape.job, shape.names, ids end
  report.note(mistake)
end

-- The shape of a field, or nil when nothing is known of it. A name that the shape never has is passed to `wrong`.
local function member(shape, name, wrong)
  if type(name) ~= "string" or shape.own[name] then return nil end
  local has = shape.has or known[shape.kind]
  if not has[name] then
    if wrong then wrong(shape, name) end
  elseif shape.kind == "job" and (name == "inputs" or name == "args") then
    return shape[name]
  elseif shape.kind == "inputs" and known[name] then
    return { kind = name, own = {} }
  end
end

local function shape_of_local(name, scope)
  local meta = scope.symmeta[name]
  return meta and not meta.var and shape_of_symbol[meta.symbol] or nil
end

-- The shape of an expression.
local function shape_of(ast, scope)
  if utils["sym?"](ast) then
    local parts = utils["multi-sym?"](ast)
    if not parts then return shape_of_local(tostring(ast), scope) end
    if parts["multi-sym-method-call"] then return nil end
    local shape = shape_of_local(parts[1], scope)
    for i = 2, #parts do shape = shape and member(shape, parts[i]) end
    return shape
  elseif utils["list?"](ast) then
    local head = utils["sym?"](ast[1]) and tostring(ast[1])
    if head == "." or head == "?." then
      local shape = shape_of(ast[2], scope)
      for i = 3, #ast do shape = shape and member(shape, ast[i]) end
      return shape
    elseif known.options[head] and marks.is_primitive(ast) then
      return { kind = "result", own = {} }
    end
  end
end

-- The name and the place of each literal key of a `{}` as it was written, with what it is bound to.
local function each_key(pattern, file, action)
  local written = getmetatable(pattern)
  for i = 1, #written, 2 do
    local name, span = written[i], marks.span_of(written, i, file)
    -- `{: name}`: the key is one colon.
    if span and span.end_column == span.column + 1 then span = marks.span_of(written, i + 1, file) end
    if type(name) == "string" then action(name, span, written[i + 1]) end
  end
end

local function bind(to, shape, file)
  if utils["sym?"](to) then
    shape_of_symbol[to] = shape
  elseif utils["table?"](to) and not utils["sequence?"](to) and getmetatable(to) then
    each_key(to, file, function(name, span, target)
      local part = member(shape, name, function() note(shape, name, file, span) end)
      if part then bind(target, part, file) end
    end)
    for key, target in pairs(to) do
      if utils["sym?"](key, "&as") then bind(target, shape, file) end
    end
  end
end

-- A binding form: what it binds has the shape of what it is bound to.
function shapes.bind(to, from, scope, file)
  local shape = shape_of_symbol[to]
  if not shape and type(from) == "table" then shape = shape_of(from, scope) end
  if shape then bind(to, shape, file) end
end

-- A symbol such as `push.branch`. One that is set, not read, is a field from then on.
function shapes.symbol(symbol, scope, is_read, span, file)
  local parts = utils["multi-sym?"](symbol)
  if not parts or parts["multi-sym-method-call"] then return end
  if parts[1] == "os" and not scope.manglings.os and not OS[parts[2]] then
    report.note({ message = "unknown identifier: " .. tostring(symbol), file = file, span = span, plain = true, unknown = parts[2] })
    return
  end
  local shape = shape_of_local(parts[1], scope)
  for i = 2, #parts do
    if not shape then return end
    local inner = shape
    if is_read then
      shape = member(inner, parts[i], function() note(inner, parts[i], file, span) end)
    else
      inner.own[parts[i]], shape = true, member(inner, parts[i])
    end
  end
end

local function check_options(ast, head, file)
  local options = ast[known.places[head]]
  if not (utils["table?"](options) and not utils["sequence?"](options) and getmetatable(options)) then return end
  each_key(options, file, function(name, span)
    if not known.options[head][name] then
      report.note({ message = "", file = file, span = span, plain = true, field = name, options = head })
    end
  end)
end

-- The shape of the arguments that `ci.manual` declares by a literal table with plain names.
local function arguments_shape(job, declared)
  local written = utils["table?"](declared) and not utils["sequence?"](declared) and getmetatable(declared)
  if not written then return nil end
  local shape = { kind = "args", own = {}, job = job, names = {}, has = {} }
  for i = 1, #written, 2 do
    if type(written[i]) ~= "string" then return nil end
    shape.names[#shape.names + 1], shape.has[written[i]] = written[i], true
  end
  return shape
end

-- The function of a job gets a table whose inputs are known when their list is literal.
local function job(ast, first)
  local names, run = ast[first + 1], ast[#ast]
  local head = utils["list?"](run) and utils["sym?"](run[1]) and tostring(run[1])
  if not (head == "fn" or head == "lambda" or head == "\206\187") then return end
  local arguments = run[2]
  if utils["sym?"](arguments) then arguments = run[3] end
  local pattern = utils["sequence?"](arguments) and arguments[1]
  local id = type(ast[first]) == "string" and ast[first] or nil
  local inputs = utils["sequence?"](names) and { kind = "inputs", own = {}, job = id, names = {}, has = {} } or nil
  local args
  for i = 1, inputs and #names or 0 do
    local declared = marks.manual_arguments(names[i])
    local name = declared and "quire/manual" or names[i]
    if declared then args = arguments_shape(id, declared) end
    if type(name) ~= "string" then inputs = nil break end
    inputs.names[i], inputs.has[name] = name, true
  end
  if type(pattern) == "table" then shape_of_symbol[pattern] = { kind = "job", own = {}, inputs = inputs, args = args } end
  utils["walk-tree"](inputs and run, function(_, node)
    if type(node) ~= "table" then return false end
    local head = utils["list?"](node) and utils["sym?"](node[1], "jobs")
    if head and type(node[2]) == "string" and marks.is_primitive(node) then
      member(inputs, node[2], function()
        note(inputs, node[2], node.filename, marks.span_of(node, 2, node.filename))
      end)
    end
    return true
  end)
end

-- A call that is about to be compiled; `near` is its place, or that of the form around it.
function shapes.call(ast, scope, file, near)
  local first = marks.first_argument(ast)
  if first then return job(ast, first) end
  local head = utils["sym?"](ast[1]) and tostring(ast[1])
  if head == "." or head == "?." then
    local shape = shape_of(ast[2], scope)
    for i = 3, #ast do
      local inner = shape
      shape = inner and member(inner, ast[i], function()
        note(inner, ast[i], file, marks.span_of(ast, i, file) or near)
      end)
    end
  elseif head == "tset" and type(ast[3]) == "string" then
    local shape = shape_of(ast[2], scope)
    if shape then shape.own[ast[3]] = true end
  elseif known.options[head] and marks.is_primitive(ast) then
    check_options(ast, head, file)
  end
end

-- Remembers the ids of the jobs of a file, which may come after their use.
function shapes.begin(forms)
  ids = {}
  for i = 1, forms.count or 0 do
    utils["walk-tree"](forms[i], function(_, node)
      if type(node) ~= "table" then return false end
      local first = utils["list?"](node) and marks.first_argument(node)
      if first and type(node[first]) == "string" then ids[#ids + 1] = node[first] end
      return true
    end)
  end
end

return shapes
