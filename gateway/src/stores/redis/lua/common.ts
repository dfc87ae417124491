/**
 * What every script begins with: the request, the time, and how numbers and times to live are written.
 *
 * `ask` is ARGV[1], a JSON array whose first element is the time in milliseconds, or -1 for the server's own. All numbers are
 * integers below 2^53, which Lua's doubles hold exactly; they become text by `int` only, because Lua's own conversion loses digits.
 */
export const COMMON = String.raw`
local call, cpack, cunpack = redis.call, struct.pack, struct.unpack
local floor, ceil, max, min, sub = math.floor, math.ceil, math.max, math.min, string.sub
-- What a key lives longer than it counts, so that clocks may differ and expiries need no renewal each time.
local SLACK_MS, DAY_MS = 120000, 86400000
-- How soon to ask again where it depends on what is locked (policy/counter.ts).
local LOCKED_WAIT_MS = 1000
local NEVER = -1
local ask = cjson.decode(ARGV[1])
local now, behind = 0, 0

-- The same few numbers are written again and again.
local texts = {}
local function int(number)
  local text = texts[number]
  if not text then
    text = string.format('%.0f', number)
    texts[number] = text
  end
  return text
end

-- Sets 'now' to the latest time ever seen here, which is kept in 'key' and was read as 'raw'.
local function tell(key, raw)
  local wall = ask[1]
  if wall < 0 then
    local time = call('TIME')
    wall = time[1] * 1000 + floor(time[2] / 1000)
  end
  local latest = tonumber(raw or 0)
  now = max(wall, latest)
  behind = now - wall
  if wall > latest then call('SET', key, int(wall), 'PX', '604800000') end
end

-- An id that is over: until when is kept in its record's place.
local function over(record) return record and sub(record, 1, 1) == '!' and tonumber(sub(record, 2)) > now end
local function finish(key, ms) call('SET', key, '!' .. int(now + ms), 'PX', int(ms + SLACK_MS)) end

local function held(record) return record and sub(record, 1, 1) ~= '!' end

-- A record: the names of its counters, for a sweeper; a line feed; how often it was extended; what the reserve and the latest
-- extension answered; and its parts, 40 bytes each (limit, counter, the counter's own number for it, amount, extension).
local function write(names, steps, first, latest, parts)
  return names .. '\n' .. cpack('<ddd', steps, #first, #latest) .. first .. latest .. parts
end
local function parse(record)
  local line = string.find(record, '\n', 1, true)
  local steps, first, latest, from = cunpack('<ddd', record, line + 1)
  return sub(record, 1, line - 1), steps, sub(record, from, from + first - 1),
    sub(record, from + first, from + first + latest - 1), sub(record, from + first + latest)
end

-- An answer of numbers, 8 bytes each, and one given before as of now.
local function answer(reply) return cpack('<' .. string.rep('d', #reply), unpack(reply)) end
local function again(reply) return cpack('<dd', 1, now) .. sub(reply, 17) end

-- Milliseconds to wait for an instant; NEVER stays what it is.
local function wait(instant)
  if instant == NEVER then return NEVER end
  return instant > now and instant - now + behind or 0
end
`;
