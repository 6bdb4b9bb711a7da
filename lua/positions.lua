-- Byte offsets to places. Lines and columns count from 1, columns are bytes, `end_column` is exclusive.
-- Arguments: `files`, path -> text.
local files = ...
local indexes = {}

local function index_of(file)
  local index = indexes[file]
  if not index and files[file] then
    index = { 1 }
    for after in files[file]:gmatch("\n()") do index[#index + 1] = after end
    indexes[file] = index
  end
  return index
end

local function place(index, byte)
  local low, high = 1, #index
  while low < high do
    local middle = (low + high + 1) // 2
    if index[middle] <= byte then low = middle else high = middle - 1 end
  end
  return low, byte - index[low] + 1
end

local positions = {}

-- The span of the bytes `first` to `last`, both included, or nil when the file is not known.
function positions.span(file, first, last)
  local index = index_of(file)
  if not (index and first) then return nil end
  last = math.max(last or first, first)
  local line, column = place(index, first)
  local end_line, end_column = place(index, last)
  return { line = line, column = column, end_line = end_line, end_column = end_column + 1 }
end

-- The span of one character, from Fennel's line and its 0-based column, which counts characters as its parser does.
function positions.point(file, line, characters)
  local index = index_of(file)
  local start = index and index[line]
  if not start then return nil end
  local text, byte, seen = files[file], start, -1
  while byte <= #text do
    local b = text:byte(byte)
    if b == 10 then break end
    if (b > 1 and b < 127) or (b > 192 and b < 247) then seen = seen + 1 end
    if seen >= characters then break end
    byte = byte + 1
  end
  return positions.span(file, byte, byte)
end

-- The span of a whole line without its indentation.
function positions.line(file, line)
  local index = index_of(file)
  local start = index and index[line]
  if not start then return nil end
  local first, stop = files[file]:match("^[ \t]*()[^\n]*()", start)
  return positions.span(file, first, math.max(first, stop - 1))
end

return positions
