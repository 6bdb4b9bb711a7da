-- The part of the run VM that is better said in Lua: frozen tables, results of steps, the failure rule, the
-- context of a job, `require`. Chunks of a repository never see this file's globals: they get `env`.
--
-- `host` are the raw functions from `src/script/api`; they return nil and a text for a user's mistake, so that
-- every error that a script can catch is a plain string. `failed` (result -> its step) and `late` (result -> its large
-- outputs that nobody has read, each read by a call) are shared with the walker.
-- `made` are the primitives that are made here of a raw function: name, mode, workaround (`src/schema/primitive.rs`).
-- `shapes` are the fields of the tables that a job gets, as sets (`src/schema/shape.rs`).

local host, failed, late, made, shapes = ...
local running, yieldable = coroutine.running, coroutine.isyieldable
local error, next, type, tostring, select, pcall, xpcall = error, next, type, tostring, select, pcall, xpcall
local rawget, rawset, getmetatable, setmetatable = rawget, rawset, getmetatable, setmetatable
local format, gsub, sub = string.format, string.gsub, string.sub
local remove, concat, unpack = table.remove, table.concat, table.unpack

local weak = { __mode = "k" }
local context_of = setmetatable({}, weak) -- coroutine -> the job that it runs
local unchecked = setmetatable({}, weak) -- results of `{:check false}`
local frozen = setmetatable({}, weak) -- read-only tables

-- Tables that one job must not be able to change for another ------------------------------------------------

local function freeze(name, real, missing)
  local proxy = {}
  frozen[proxy] = true
  return setmetatable(proxy, {
    __index = missing or real,
    __newindex = function(_, key)
      error(format("`%s` belongs to quire: `%s` in it cannot be changed", name, tostring(key)), 2)
    end,
    __pairs = function()
      -- An iterator of our own: `next` itself would hand out the table behind the proxy.
      return function(_, key) return next(real, key) end, proxy, nil
    end,
    __metatable = {},
  })
end

local api = {}
local env = setmetatable({}, {
  __index = api,
  __newindex = function(table, key, value)
    if api[key] ~= nil then error(format("`%s` belongs to quire and cannot be assigned", tostring(key)), 2) end
    rawset(table, key, value)
  end,
  __metatable = {},
})

function api.rawset(table, key, value)
  if frozen[table] or (table == env and api[key] ~= nil) then
    error(format("`%s` belongs to quire and cannot be assigned", tostring(key)), 2)
  end
  return rawset(table, key, value)
end

function api.setmetatable(table, metatable)
  -- A finalizer runs where no hook can stop it.
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("`__gc` is not available in a pipeline", 2)
  end
  return setmetatable(table, metatable)
end

local function copy_library(library, without)
  local copy = {}
  for key, value in next, library do
    if not without[key] then copy[key] = value end
  end
  return copy
end

-- Errors ------------------------------------------------------------------------------------------------------

local function is_span(value) return type(value) == "string" and sub(value, 1, 2) == "\1@" end

local function span_of(...)
  local last = select("#", ...) > 0 and select(-1, ...)
  return is_span(last) and last or nil
end

-- Raises a text for a call that the compiler marked with `span`; `step` and `how` when it is the failure rule.
local function raise(message, span, step, how)
  local context = context_of[running()]
  if context then context.raised = { message = message, span = span, step = step, how = how } end
  error(message, 0)
end

local function describe(problem)
  local kind = type(problem)
  if kind == "string" then return problem end
  if kind == "nil" then return "an error without a message (nil)" end
  if kind == "table" then
    local step = failed[problem]
    if step then return step.text end
    local metatable = getmetatable(problem)
    if type(metatable) == "table" and rawget(metatable, "__tostring") then return tostring(problem) end
    return "error value " .. (host.show(problem) or "of type table")
  end
  if kind == "number" or kind == "boolean" then return "error value " .. tostring(problem) end
  return "error value of type " .. kind
end

-- The message handler: it runs where the error was raised, with the stack still there.
local function handle(problem)
  local context = context_of[running()]
  local raised = context and context.raised
  local span
  if raised and type(problem) == "string" and sub(problem, -#raised.message) == raised.message then
    span = raised.span
    context.end_step, context.end_how = raised.step, raised.how
  end
  if type(problem) == "userdata" then return host.capture(problem, span) end
  local ok, text = pcall(describe, problem)
  if type(text) ~= "string" then ok = false end
  return host.capture(ok and text or "an error whose text could not be made", span)
end

-- Tables with known fields --------------------------------------------------------------------------------------

local sealed = freeze("a table of quire", {})

-- A metatable by which a name that the table never has is an error; a field that is only absent is nil.
local function strict(shape)
  local fields = shapes[shape]
  return {
    __index = function(_, key)
      if type(key) == "string" and not fields[key] then raise(host.unknown_field(shape, key)) end
    end,
    __metatable = sealed,
  }
end

local strict_of = {}
for shape in next, shapes do strict_of[shape] = strict(shape) end

-- A large output becomes a field of its result when it is asked for.
local function read_late(result, key)
  local read = late[result] and late[result][key]
  if not read then return nil end
  local text = rawget(result, key)
  if text == nil then
    text = read()
    rawset(result, key, text)
  end
  late[result][key] = nil
  return text
end

local function read_all(result)
  for key in next, late[result] or {} do read_late(result, key) end
  return result
end

-- A result with everything that it can be asked for, as a table of its own.
local function whole(result)
  local step, copy = failed[result], {}
  for key, value in next, read_all(result) do copy[key] = value end
  if step then copy.exit, copy.ok = step.exit, false end
  return copy
end

-- A result with fields that are only read when they are asked for.
local late_result = {
  __index = function(result, key)
    local text = read_late(result, key)
    if text == nil then return strict_of.result.__index(result, key) end
    return text
  end,
  __pairs = function(result)
    local copy = whole(result)
    return function(_, key) return next(copy, key) end, result, nil
  end,
  __metatable = freeze("a result", {
    __fennelview = function(result, view, options, indent) return view(whole(result), options, indent) end,
  }),
}

-- The failure rule --------------------------------------------------------------------------------------------

local function look(step)
  local unlooked = step.unlooked
  for place = #unlooked, 1, -1 do
    if unlooked[place] == step then remove(unlooked, place) end
  end
end

-- A failed result has no `exit` and no `ok` of its own: asking for them by name is looking at the failure.
local failed_result = {
  __index = function(result, key)
    if key == "exit" or key == "ok" then
      local step = failed[result]
      look(step)
      if key == "exit" then return step.exit end
      return false
    end
    return late_result.__index(result, key)
  end,
  __pairs = late_result.__pairs,
  __tostring = function(result) return failed[result].text end,
  __metatable = late_result.__metatable,
}

-- The context of the running job; raises outside of one, and when a step failed, and its exit status was not checked.
local function enter(name, span)
  local context = context_of[running()]
  if not (context and context.job) then raise(format("`%s` works only inside a running job", name), span) end
  local step = context.unlooked[1]
  if step then raise(step.text .. ", and its exit status was not checked", span, step, "ignored") end
  return context
end

-- The same for a primitive that waits for the host.
local function enter_waiting(name, span)
  local context = enter(name, span)
  if not yieldable() then
    raise(format("`%s` cannot be called inside table.sort or string.gsub callbacks, nor in `__close`: "
      .. "collect first, then loop", name), span)
  end
  context.acted = true
  return context
end

-- `whose` distinguishes errors that a script can catch from errors that end its job: `broken` is quire's, `denied` policy's.
-- `detail` is what the host has to say of a denial, for the host.
local function refuse(context, problem, span, whose, detail)
  if whose and not context.ending then
    context.ending, context.ending_text, context.ending_detail = whose, problem, detail
  end
  raise(problem, span)
end

local function settle(context, result, step, span)
  late[result] = step.late
  if step.exit == 0 or step.check == false then
    result.exit, result.ok = step.exit, step.exit == 0
    if step.exit ~= 0 then unchecked[result] = true end
    return setmetatable(result, step.late and late_result or strict_of.result)
  end
  if step.check then raise(step.text, span, step, "checked") end
  step.unlooked = context.unlooked
  step.unlooked[#step.unlooked + 1] = step
  failed[result] = step
  return setmetatable(result, failed_result)
end

-- Primitives --------------------------------------------------------------------------------------------------

local primitives = {}

-- The place that the compiler put behind the arguments of a call, if it did, and the arguments.
local function split_span(...)
  local span = span_of(...)
  if not span then return nil, ... end
  local arguments = { ... }
  return span, unpack(arguments, 1, select("#", ...) - 1)
end

-- What a raw function gave: its value, or the error that it stands for.
local function answer(context, span, value, problem, whose, detail)
  if problem ~= nil then refuse(context, problem, span, whose, detail) end
  return value
end

local modes = {}

function modes.pure(name)
  local raw = host[name]
  local function call(span, ...)
    local value, problem = raw(...)
    if problem ~= nil then raise(problem, span) end
    return value
  end
  return function(...) return call(split_span(...)) end
end

function modes.ask(name, _, entered)
  local raw = host[name]
  entered = entered or enter
  local function call(span, ...)
    local context = entered(name, span)
    return answer(context, span, raw(context.job, ...))
  end
  return function(...) return call(split_span(...)) end
end

function modes.wait(name) return modes.ask(name, nil, enter_waiting) end

function modes.step(name)
  local raw = host[name]
  local function call(span, ...)
    local context = enter_waiting(name, span)
    local result, step, whose, detail = raw(context.job, span, ...)
    if not result then refuse(context, step, span, whose, detail) end
    return settle(context, result, step, span)
  end
  return function(...) return call(split_span(...)) end
end

function modes.planned(name, workaround)
  return function(...)
    raise(format("`%s` is not in this version of quire: %s", name, workaround), span_of(...))
  end
end

for _, primitive in next, made do
  primitives[primitive.name] = modes[primitive.mode](primitive.name, primitive.workaround)
end

function primitives.jobs(name, span)
  local context = enter("jobs", span)
  if name == nil or is_span(name) or not context.is_input[name] then
    if is_span(name) then name, span = nil, name end
    raise(host.unknown_input(context.job, name, context.input_names), span)
  end
  return context.outputs[name]
end

local function shown(...)
  local count = select("#", ...)
  local words = { ... }
  if count > 0 and is_span(words[count]) then count = count - 1 end
  for place = 1, count do
    local value = words[place]
    local text
    if type(value) == "table" and not failed[value] then
      local metatable = getmetatable(value)
      if not (type(metatable) == "table" and rawget(metatable, "__tostring")) then text = host.show(value) end
    end
    words[place] = text or tostring(value)
  end
  return concat(words, "\t", 1, count)
end

local function write(job, text, span)
  local problem = host.log(job, text)
  if problem then raise(problem, span) end
end

function primitives.log(...)
  local context = enter("log", span_of(...))
  context.acted = true
  write(context.job, shown(...), span_of(...))
end

-- `print` is for looking around: it works everywhere and leaves the failure rule alone.
function api.print(...)
  local context = context_of[running()]
  local job = context and context.job
  if job then context.acted = true end
  write(job, shown(...))
end

-- Modules -----------------------------------------------------------------------------------------------------

local function register(first, ...)
  local context = context_of[running()]
  if not (context and context.evaluating) then
    raise("`ci.job` works only while the pipeline is read, not inside a job")
  end
  local id, problem
  if frozen[first] then
    id, problem = host.register(...)
  else
    id, problem = host.register(first, ...)
  end
  if problem then raise(problem) end
  return id
end

-- `:quire/manual`, with the arguments that its job takes.
local function manual(first, ...)
  local more = select("#", ...)
  if frozen[first] then
    first, more = (...), more - 1
  end
  return { ["quire/manual"] = more <= 0, arguments = first }
end

-- A value that the check of the pipeline refuses by name.
local function planned(name)
  return function() return { ["quire/planned"] = name } end
end

local loaded = { ["quire.primitives"] = freeze("quire.primitives", { job = register, manual = manual, planned = planned }) }
local loading = {} -- name -> the coroutine that loads it

local function seal(name, real)
  return freeze(name, real, function(_, key)
    local value = real[key]
    if value == nil then raise(host.unknown_member(name, key, real)) end
    return value
  end)
end

function api.require(name, span)
  local known = type(name) == "string" and loaded[name]
  if known then return known end
  local chunk, problem = host.load(name, env)
  if not chunk then raise(problem, span) end
  if loading[name] == running() then raise(format("module `%s` requires itself", name), span) end
  local before = loading[name]
  loading[name] = running()
  local _ <close> = setmetatable({}, { __close = function() loading[name] = before end })
  local value = chunk(name)
  if value == nil then value = true end
  if type(value) == "table" and sub(name, 1, 6) == "quire." then value = seal(name, value) end
  -- Two jobs may have loaded it at the same time; the first one that is done stays.
  if loaded[name] == nil then loaded[name] = value end
  return loaded[name]
end

-- Running -----------------------------------------------------------------------------------------------------

-- What a job returned that fails it, in words. `false`, or nil and a problem, is how Lua's functions say that they failed.
local function returned_failure(value, problem)
  local is_problem = problem ~= nil and problem ~= false
  if value == false then
    if is_problem then return "false: " .. describe(problem) end
    return "false; a job that has nothing to do returns nil"
  end
  if value == nil and is_problem then return "nil and an error: " .. describe(problem) end
  local exit = type(value) == "table" and rawget(value, "exit")
  if type(exit) == "number" and exit ~= 0 and not unchecked[value] then return "a table with :exit " .. tostring(exit) end
end

local function verdict(context, ok, value, problem)
  if context.ending then return context.ending, context.ending_text, context.ending_detail end
  if not ok then
    if context.end_step then return "step", context.end_step, context.end_how end
    local step = context.unlooked[1]
    if not step then return "error", value end
    -- The failure comes first: the error may only follow from it.
    step.error = value
    return "step", step, "ignored"
  end
  if context.unlooked[1] then return "step", context.unlooked[1], "ignored" end
  if type(value) == "table" and failed[value] then return "step", failed[value], "returned" end
  local failure = returned_failure(value, problem)
  if failure then return "returned", failure end
  if value == nil and not context.acted then return "skipped" end
  return "passed", value
end

-- The arguments of a job that declares them. `declared` has their names, and for a secret whether it was given: it is asked for when it is
-- read, so that it is in no list of them.
local function declared_arguments(job, values, declared)
  return setmetatable(values, {
    __index = function(_, name)
      if declared[name] then return primitives.secret(name) end
      if type(name) == "string" and declared[name] == nil then raise(host.unknown_argument(job, name, declared)) end
    end,
    __metatable = sealed,
  })
end

-- Runs a job's function. `names` are its inputs, `outputs` what they gave, `values` and `declared` its arguments if it declares them.
local function run(job, body, names, outputs, values, declared)
  local context = { job = job, input_names = names, outputs = outputs, is_input = {}, unlooked = {} }
  local inputs = {}
  local argument = setmetatable({ inputs = inputs }, strict_of.job)
  for name, value in next, primitives do argument[name] = value end
  local asked = outputs["quire/manual"]
  if declared then
    argument.args = declared_arguments(job, values, declared)
    if asked then asked.args = argument.args end
  elseif type(asked) == "table" then
    argument.args = asked.args
  end
  for _, name in next, names do
    local value = outputs[name]
    context.is_input[name] = true
    inputs[name] = value
    if sub(name, 1, 6) == "quire/" and type(value) == "table" then setmetatable(value, strict_of[name]) end
  end
  setmetatable(inputs, {
    __index = function(_, key)
      if type(key) == "string" and not context.is_input[key] then raise(host.unknown_input(job, key, names)) end
    end,
    __metatable = sealed,
  })
  context_of[running()] = context
  local ok, value, problem = xpcall(body, handle, argument)
  context_of[running()] = nil
  return verdict(context, ok, value, problem)
end

-- Reads the pipeline: everything that its chunk says at its top level.
local function evaluate(name)
  context_of[running()] = { evaluating = true }
  local ok, value = xpcall(api.require, handle, name)
  context_of[running()] = nil
  if ok then return "passed" end
  return "error", value
end

-- The names in scope ------------------------------------------------------------------------------------------

for _, name in next, { "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal",
  "rawget", "rawlen", "select", "tonumber", "tostring", "type", "xpcall", "_VERSION" } do
  api[name] = _G[name]
end
for name, value in next, primitives do
  api[name] = value
  -- Fennel compiles a global `read-file` to this name; `(. _G :read-file)` is the plain one.
  local mangled = gsub(name, "-", "_2d")
  if mangled ~= name then api["__fnl_global__" .. mangled] = value end
end
api._G = env
api.string = freeze("string", copy_library(string, { dump = true }))
api.table = freeze("table", copy_library(table, {}))
api.math = freeze("math", copy_library(math, {}))
api.utf8 = freeze("utf8", copy_library(utf8, {}))
api.os = freeze("os", { time = os.time, date = os.date, clock = os.clock })

-- Methods of strings come from a table of our own, which nothing can reach.
local strings = getmetatable("")
strings.__index = copy_library(string, { dump = true })
strings.__metatable = false

return run, evaluate, api
