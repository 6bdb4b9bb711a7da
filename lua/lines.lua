-- Lua text whose line numbers are those of the Fennel file.
--
-- Fennel's own `correlate` puts each statement on its line, but lines only grow: a function literal is lifted out
-- in front of the call that it is an argument of, so the call lands on the function's last line. Here a literal
-- stays where it was written, and an argument that begins on a later line than its call begins a new line.
-- Both are marks in the text of expressions, which `flatten` resolves.
local utils, compiler, is_ours = ...

local specials = compiler.scopes.global.specials
local functions = {}
local lines = {}

local function mark(kind, number)
  return ("\1\2%s%d\2\1"):format(kind, number)
end

local function placed(value, place)
  local list = utils.list(utils.sym("quire-line", place), value)
  list.line, list.filename, list.bytestart, list.byteend = place.line, place.filename, place.bytestart, place.byteend
  return list
end

local function wrapped(node, line, file)
  if type(node) ~= "table" or not node.line or node.line <= line or node.filename ~= file then return nil end
  if utils["list?"](node) then
    local head = utils["sym?"](node[1]) and tostring(node[1])
    if head ~= "values" and head ~= "quire-line" then return placed(node, node) end
  elseif utils["sym?"](node) then
    -- Only `x.y` can fail; `a:b` is not a value.
    local parts = utils["multi-sym?"](node)
    if parts and not parts["multi-sym-method-call"] then return placed(node, node) end
  end
end

local function wrap_in_table(node, line, file)
  for key, value in pairs(node) do
    if utils["table?"](value) or utils["sequence?"](value) then
      wrap_in_table(value, line, file)
    else
      node[key] = wrapped(value, line, file) or value
    end
  end
end

-- `(fn [x] …)` as an expression instead of a lifted local function.
local function in_place(special)
  return function(ast, scope, parent, opts)
    local last = ast[#ast]
    if is_ours() and utils["table?"](last) and #ast > 2 then
      local place = utils["ast-source"](last)
      if place.line then wrap_in_table(last, place.line, place.filename) end
    end
    local result = special(ast, scope, parent, opts)
    if not is_ours() or (utils["sym?"](ast[2]) and tostring(ast[1]) ~= "hashfn") then return result end
    local count = #parent
    local head, body, tail = parent[count - 2], parent[count - 1], parent[count]
    local name, arguments = ((head or {}).leaf or ""):match("^local function ([%w_]+)%((.*)%)$")
    if name ~= tostring(result) or not tail or tail.leaf ~= "end" then return result end
    parent[count], parent[count - 1], parent[count - 2] = nil, nil, nil
    functions[#functions + 1] = { arguments = arguments, body = body, ast = ast }
    return utils.expr("(" .. mark("F", #functions) .. ")", "expression")
  end
end

specials.fn = in_place(specials.fn)
specials.hashfn = in_place(specials.hashfn)

specials["quire-line"] = function(ast, scope, parent, opts)
  if type(ast[2]) ~= "table" then
    -- Fennel gives a literal no line; this list has one.
    return { compiler.compile1(ast[2], scope, parent, { nval = 1 })[1] }
  end
  local results = compiler.compile1(ast[2], scope, parent, opts)
  local first = results[1]
  if opts.tail or opts.target or not first or first.type == "sym" or first.type == "literal" then
    return results
  end
  local text = first[1]
  if type(text) == "string" and text:byte() ~= 40 then
    results[1] = utils.expr(mark("L", ast.line) .. text, first.type)
  end
  return results
end

-- Forms whose arguments are plain expressions, with the first argument that may begin a new line.
local OPERATORS = { ["."] = 2, [":"] = 3 }
for name in ([[.. + - * / // % ^ = not= < > <= >= not length and or values]]):gmatch("%S+") do OPERATORS[name] = 2 end

-- Lets the arguments of a call that begin on later lines begin new lines.
function lines.spread(ast, scope)
  local line, file = ast.line, ast.filename
  if not line or not file then return end
  local head = utils["sym?"](ast[1]) and tostring(ast[1])
  local first, step, last = 2, 1, #ast
  if head == "set" and utils["sym?"](ast[2]) and #ast == 3 and type(ast[3]) ~= "table" then
    ast[3] = placed(ast[3], ast)
    return
  elseif head == "if" then
    step, last = 2, #ast - 1
  elseif head and scope.specials[head] then
    first = OPERATORS[head]
    if not first then return end
  end
  for i = first, last, step do
    local value = ast[i]
    if step == 1 and (utils["table?"](value) or utils["sequence?"](value)) then
      wrap_in_table(value, line, file)
    else
      ast[i] = wrapped(value, line, file) or value
    end
  end
end

-- The text of a chunk, each statement on the line that it was written on, as far as lines only grow.
function lines.flatten(chunk, file)
  local out, last = {}, 1
  local walk

  local function write(text)
    local piece, rest = text:match("^([^\n]*)\n(.*)$")
    while piece do
      out[last] = (out[last] or "") .. piece
      last = last + 1
      text = rest
      piece, rest = text:match("^([^\n]*)\n(.*)$")
    end
    out[last] = (out[last] or "") .. text
  end

  local function reach(ast)
    -- The `...` of Fennel's own macros is one node for all of them, and has the line of the last one.
    if utils["varg?"](ast) then return end
    local source = utils["ast-source"](ast)
    if source.filename == file then last = math.max(last, source.line or 0) end
  end

  local function expand(text)
    local from = 1
    while true do
      local first, after, kind, number = text:find("\1\2([FL])(%d+)\2\1", from)
      write(text:sub(from, (first or 0) - 1))
      if not first then return end
      number = math.tointeger(tonumber(number))
      local literal = functions[number]
      if kind == "L" then
        last = math.max(last, number)
      elseif literal then
        reach(literal.ast)
        write("function(" .. literal.arguments .. ")")
        walk(literal.body)
        write(" end")
      end
      from = after + 1
    end
  end

  function walk(node)
    if node.leaf then
      write(" ")
      expand(node.leaf)
      return
    end
    for _, child in ipairs(node) do
      if child.leaf or next(child) then
        reach(child.ast)
        walk(child)
      end
    end
  end

  walk(chunk)
  for i = 1, last do out[i] = out[i] or "" end
  return table.concat(out, "\n")
end

return lines
