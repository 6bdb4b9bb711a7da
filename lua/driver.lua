-- Puts the parts of the compile VM together.
-- Arguments: `fennel`, `chunks` (the files of lua/ as functions by name), `files`, path -> text.
local fennel, chunks, files = ...

fennel["macro-path"] = ".quire/lib/?.fnlm;.quire/lib/?.fnl;.quire/?.fnlm;.quire/?.fnl;fennel/?.fnlm;fennel/?.fnl"
fennel.path = ".quire/lib/?.fnl;.quire/?.fnl;fennel/?.fnl"
local utils = require("fennel.utils")
utils["macro-path"], utils.path = fennel["macro-path"], fennel.path

local driver = {}
local positions = chunks.positions(files)
local report = chunks.report(require("fennel.friend"))
local reading = chunks.parse(fennel, utils, positions, report)

-- A compiler. `setup`: files among `allowed` globals and `modules`, the set of names that can be required; `at` receives the
-- file and the line of each form that is about to be compiled; `marked` is the set of primitives whose calls get their place,
-- `known` are the names of lua/shapes.lua, `binding` is the set of words by which other languages bind names.
function driver.compiler(setup)
  local compiler = require("fennel.compiler")
  local work
  local parts = { positions = positions, report = report, reading = reading }
  parts.marks = chunks.call_spans(utils, compiler, positions, reading.spans, setup.marked)
  parts.shapes = chunks.shapes(utils, report, parts.marks, setup.known)
  parts.lines = chunks.lines(utils, compiler, function() return work.is_ours() end)
  setup.files = files
  work = chunks.compiler(fennel, parts, setup)
  return work
end

-- The names of special forms and macros.
function driver.words()
  local names = {}
  local global = require("fennel.compiler").scopes.global
  for _, kind in ipairs({ global.specials, global.macros }) do
    for name in pairs(kind) do
      if not name:find("^quire%-") then names[#names + 1] = name end
    end
  end
  table.sort(names)
  return names
end

-- The forms of a data file, and the mistakes in it.
function driver.data(file)
  return chunks.data(utils, positions, report, reading, file, files[file])
end

return driver
