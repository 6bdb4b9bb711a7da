-- Compiles Fennel files form by form, so that all mistakes of a file are found at once.
-- Arguments: `fennel`, the modules of lua/, and `setup` (lua/driver.lua).
local fennel, parts, setup = ...

local utils, compiler = require("fennel.utils"), require("fennel.compiler")
local positions, report, reading = parts.positions, parts.report, parts.reading
local lines, marks, shapes = parts.lines, parts.marks, parts.shapes

local DEFINING = { ["local"] = true, var = true, global = true, fn = true, lambda = true, ["\206\187"] = true,
  macro = true, ["import-macros"] = true, macros = true }

-- The file being compiled: its options, names that failed forms would have bound, the scope asked last.
local current = nil
local warnings = {}

local function is_ours()
  return current ~= nil and utils.root.options == current.options
end

local function span_of(ast)
  local source = utils["ast-source"](ast)
  return positions.span(source.filename, source.bytestart, source.byteend), source.filename
end

-- Names of locals that a scope can see, for "did you mean".
local function locals_of(scope)
  local names, seen = {}, {}
  while scope and scope.parent do
    for name in next, scope.manglings do
      if type(name) == "string" and not seen[name] and not name:find("^_.*_$") then
        seen[name], names[#names + 1] = true, name
      end
    end
    scope = scope.parent
  end
  table.sort(names)
  return names
end

local plugin = { name = "quire", versions = { (fennel.version:gsub("%-dev", "")) } }
plugin["parse-form"] = reading.on_form
plugin["parse-error"] = reading.on_error

-- Messages about a list of names that the compiler gives the place of the whole form.
local ABOUT_NAMES = { ["expected parameters table"] = true, ["expected binding table"] = true,
  ["expected iterator binding table"] = true }

-- The list that stands where names are expected, or the form.
local function names_of(ast)
  for i = 2, 3 do
    if utils["list?"](ast[i]) and ast[i].bytestart then return ast[i] end
  end
  return ast
end

-- Whether a place is in a form that another language binds names with: what is in it follows from its first word.
local function follows(ast)
  local form = current and current.foreign
  local source = form and utils["ast-source"](ast)
  return source and source.filename == form.filename and source.bytestart
    and source.bytestart > form.bytestart and source.bytestart <= form.byteend
end

plugin["assert-compile"] = function(_, message, ast)
  if report.carried(message) then error(message, 0) end
  message = tostring(message)
  if ABOUT_NAMES[message] and utils["list?"](ast) then ast = names_of(ast) end
  if message:find("not enough memory", 1, true) then error("not enough memory", 0) end
  local span, file = span_of(ast)
  if not span and current and current.nearest then span, file = span_of(current.nearest) end
  local unknown = message:match("^unknown identifier: (.*)$") or message:match("^expected local (.*)$")
  -- `lambda`, `case` and `with-open` expand to uses of `_G`, whether or not a pipeline may name it.
  if unknown == "_G" and type(ast) == "table" and ast["from-macro?"] then return true end
  local mistake = { message = message, file = file, span = span }
  if not (unknown and is_ours()) then
    mistake.follows = follows(ast)
    report.fail(mistake)
  end
  mistake.unknown = unknown
  mistake.plain = true
  if current.suspects[unknown] or current.suspects["*"] then return true end
  mistake.locals = locals_of(current.scope)
  mistake.later = current.bound[unknown]
  -- Its next uses follow from the first one.
  current.suspects[unknown] = true
  report.note(mistake)
  return true
end

plugin["symbol-to-expression"] = function(symbol, scope, is_read)
  if not is_ours() then return end
  current.scope = scope
  local span, file = span_of(symbol)
  shapes.symbol(symbol, scope, is_read, span, file)
end

-- Collects the symbols of a binding form.
local function symbols(pattern, into)
  if utils["sym?"](pattern) then
    into[(tostring(pattern):gsub("[.:].*$", ""))] = true
  elseif type(pattern) == "table" then
    for key, value in pairs(pattern) do
      if type(value) == "table" then symbols(value, into) end
      if type(key) == "table" then symbols(key, into) end
      if type(key) == "string" and type(value) ~= "table" then into[key] = true end
    end
  end
end

-- A `require` of a module that is not there is known before anything runs.
local function check_require(ast, scope)
  if utils["sym?"](ast[1], "require") and not scope.manglings.require and type(ast[2]) == "string" and #ast == 2
    and not setup.modules[ast[2]] then
    local bytes = reading.spans[ast] and reading.spans[ast][2]
    local span, file = span_of(ast)
    if bytes then span = positions.span(file, bytes[1], bytes[2]) end
    report.note({ message = "there is no module `" .. ast[2] .. "`", file = file, span = span,
      unknown_module = ast[2], plain = true })
  end
end

plugin.fn = function(ast)
  if is_ours() then marks.bind(ast[2], ast.filename) end
end

plugin.destructure = function(from, to, scope)
  if not is_ours() then return end
  local file = utils["ast-source"](to).filename
  marks.bind(to, file)
  shapes.bind(to, from, scope, file)
end

plugin.call = function(ast, scope)
  if not is_ours() then return end
  -- `(x:go 1)` becomes `(: x :go 1)`, a list whose place is only in its head.
  local colon = not ast.line and utils["sym?"](ast[1], ":")
  if colon then
    ast.filename, ast.line, ast.bytestart, ast.byteend = colon.filename, colon.line, colon.bytestart, colon.byteend
  end
  if ast.bytestart then current.nearest = ast end
  if ast.bytestart and ast.line then setup.at(ast.filename, ast.line) end
  -- `->` and its like copy lists without their line; the symbol at their head still has it.
  local head = ast["from-macro?"] and utils["sym?"](ast[1])
  if head and head.line and head.filename == ast.filename and head.line > ast.line then ast.line = head.line end
  check_require(ast, scope)
  local head = utils["sym?"](ast[1]) and tostring(ast[1])
  if setup.binding[head] and not scope.manglings[head] then
    current.foreign = ast.bytestart and ast
    for i = 2, #ast do
      if type(ast[i]) == "table" then symbols(ast[i], current.suspects) end
    end
  end
  local near, file = span_of(current.nearest)
  shapes.call(ast, scope, file, near)
  marks.append(ast)
  lines.spread(ast, scope)
end

-- `with-open` hands errors to a traceback, which a pipeline's Lua does not have: the error itself is raised again.
local function keep_error(made)
  utils["walk-tree"](made, function(_, node)
    if type(node) ~= "table" then return false end
    local handler = utils["list?"](node) and utils["sym?"](node[1], "_G.xpcall") and node[3]
    if utils["list?"](handler) and handler[3] == "traceback" then
      node[1], node[3] = utils.sym("_G.pcall", node[1]), nil
    end
    return true
  end)
end

-- What a macro of the same file makes has the places of its template. It gets the place of the macro's call, as what
-- macros of other files make; the arguments of the call keep theirs.
plugin.macroexpand = function(ast, made)
  if utils["sym?"](ast[1], "with-open") then keep_error(made) end
  if not (is_ours() and ast.bytestart and ast.byteend) then return end
  utils["walk-tree"](made, function(_, node)
    if type(node) ~= "table" then return false end
    local source = utils["ast-source"](node)
    local first = source.bytestart
    if source.filename == ast.filename
      and (first and (first < ast.bytestart or first > ast.byteend) or not first and source.quoted) then
      source.line, source.col, source.bytestart, source.byteend = ast.line, ast.col, ast.bytestart, ast.byteend
      source["from-macro?"] = true
    end
    return true
  end)
end

-- Names that a form would have bound had it compiled; later uses of them are not mistakes of their own.
local function suspect(form, into)
  if not utils["list?"](form) then return end
  local head = utils["sym?"](form[1]) and tostring(form[1])
  if head == "require-macros" then into["*"] = true end
  if DEFINING[head] then
    symbols(form[2], into)
    if head == "macros" and type(form[2]) == "table" then
      for name in pairs(form[2]) do into[tostring(name)] = true end
    end
  end
end

-- The names that the forms of a file bind, each with its line: a use before that is a frequent mistake.
local function bound_by(forms)
  local bound = {}
  for i = 1, forms.count or 0 do
    local form = forms[i]
    local head = utils["list?"](form) and utils["sym?"](form[1]) and tostring(form[1])
    if DEFINING[head] and type(form[2]) == "table" and not utils["sequence?"](form[2]) then
      local names = {}
      symbols(form[2], names)
      for name in pairs(names) do bound[name] = bound[name] or form.line end
    end
  end
  return bound
end

local function compile_forms(forms, chunk, scope)
  local words = nil -- the line of a bare word that is a mistake: the words after it on that line belong to it
  for i = 1, forms.count or 0 do
    local form = forms[i]
    local is_word = utils["sym?"](form) and form.line
    if is_word and is_word == words then goto continue end
    local known = #report.found
    -- A failed form may leave these at an inner file or macro.
    utils.root.chunk, utils.root.scope, utils.root.options = chunk, scope, current.options
    compiler.scopes.macro = compiler.scopes.global
    current.nearest = form
    local is_last = i == forms.count
    local span, file = span_of(form)
    local done = report.try({ span = span, file = file or current.options.filename }, function()
      local results = compiler.compile1(form, scope, chunk, { nval = not is_last and 0 or nil, tail = is_last })
      compiler["keep-side-effects"](results, chunk, nil, form)
    end)
    if not done then suspect(form, current.suspects) end
    if is_word and #report.found > known then words = is_word end
    ::continue::
  end
end

local function on_warning(message, ast, file, line, column)
  local span, ast_file = span_of(ast)
  if not span and file and type(line) == "number" then span = positions.point(file, line, column or 0) end
  warnings[#warnings + 1] = { message = message, file = ast_file or file or current.options.filename, span = span }
end

local work = { warnings = warnings, found = report.found, is_ours = is_ours }

-- Compiles one file to Lua text, or returns nil when mistakes were noted.
function work.compile(file, module)
  local text = setup.files[file]
  local before = #report.found
  report.unit = file
  current = {
    suspects = {}, bound = {},
    options = {
      filename = file, source = text, allowedGlobals = setup.allowed, plugins = { plugin }, correlate = true,
      useMetadata = false, ["error-pinpoint"] = false, ["compiler-env"] = "strict", ["module-name"] = module,
      warn = on_warning,
    },
  }
  local forms = reading.forms(file, text, current.options)
  shapes.begin(forms)
  current.bound = bound_by(forms)
  local chunk, scope = {}, compiler["make-scope"](compiler.scopes.global)
  utils.root["set-reset"](utils.root)
  compile_forms(forms, chunk, scope)
  utils.root.reset()
  local lua = #report.found == before and lines.flatten(chunk, file) or nil
  current = nil
  if lua and not utf8.len(lua) then
    report.note({ message = "a `lua` form holds bytes that are not UTF-8 text", file = file, plain = true })
  elseif lua then
    work.check_lua(file, lua)
  end
  return #report.found == before and lua or nil
end

-- Notes a mistake when a text is not Lua: a `lua` form, a file of `.quire/lib`, or too much for Lua's own compiler.
function work.check_lua(file, text)
  report.unit = file
  local ok, problem = load(text, "@" .. file, "t", {})
  if not ok then
    local line, message = problem:match(":(%d+): (.*)$")
    report.note({ message = message or problem, file = file, plain = true,
      span = line and positions.line(file, math.tointeger(tonumber(line))) })
  end
  return ok ~= nil
end

return work
