-- The world of a compile VM: what fennel.lua needs, and nothing of the host.
-- Arguments: `files`, path -> text of every file that may be read; `opened`, the set of paths that were.
local files, opened = ...

local host_load, host_os = load, os

os = { time = host_os.time, date = host_os.date, clock = host_os.clock }
dofile, loadfile, collectgarbage, warn = nil, nil, nil, nil
string.dump = nil
print = function() end

-- The handler runs after the stack is unwound. Lua would run it inside the hook that stops an endless function, and
-- there no hook can stop the handler.
local pcall, pack, unpack = pcall, table.pack, table.unpack
xpcall = function(action, handler, ...)
  local results = pack(pcall(action, ...))
  if results[1] then return unpack(results, 1, results.n) end
  local _, message = pcall(handler, results[2])
  return false, message
end

-- A finalizer runs where no hook can stop it.
local host_setmetatable, rawget, error, type = setmetatable, rawget, error, type
setmetatable = function(value, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("a metatable with __gc is not allowed", 2)
  end
  return host_setmetatable(value, metatable)
end

-- Text only: bytecode can break out of any VM.
load = function(chunk, name, _, env)
  return host_load(chunk, name, "t", env or _G)
end

-- Fennel cuts the last line off a macro's traceback, so there is one to cut.
debug = {
  traceback = function(message)
    return tostring(message) .. "\n[macro]"
  end,
}

local function reader(text)
  local at = 1
  local file = {}
  function file.read(_, format)
    format = tostring(format or "l"):gsub("^%*", "")
    if tonumber(format) then
      if at > #text then return nil end
      local from = at
      at = math.min(#text + 1, at + math.max(0, math.tointeger(tonumber(format)) or 0))
      return text:sub(from, at - 1)
    elseif format:sub(1, 1) == "a" then
      local from = at
      at = #text + 1
      return text:sub(from)
    elseif at > #text then
      return nil
    end
    local stop = text:find("\n", at, true) or #text + 1
    local line = text:sub(at, stop - 1)
    at = stop + 1
    return line
  end
  function file.lines(self)
    return function() return self:read("l") end
  end
  function file.close() return true end
  return file
end

-- The only way to a file: the tree that was pushed, by its path from the root of the repository.
io = {
  open = function(path, mode)
    path = tostring(path):gsub("^%./", "")
    local text = files[path]
    if text == nil or (mode and not tostring(mode):find("^r")) then
      return nil, path .. ": it is not a file of the pipeline"
    end
    opened[path] = true
    return reader(text)
  end,
}

package = { preload = {}, loaded = {}, searchers = {}, path = ".quire/lib/?.lua", config = "/\n;\n?\n!\n-\n" }

function require(name)
  local loaded = package.loaded[name]
  if loaded == nil then
    local loader = package.preload[name]
    if not loader then error("module '" .. tostring(name) .. "' not found", 2) end
    loaded = loader(name)
    if loaded == nil then loaded = true end
    package.loaded[name] = loaded
  end
  return loaded
end
