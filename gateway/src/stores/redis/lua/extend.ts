/**
 * Extend: another part of a reservation, of all its limits in a shard or of none. Retract: takes the latest part back, because
 * another shard refused its own.
 *
 * Numbers: time, step, how many limits, the counter that each counts on now, limits. ARGV further: mode, names of the counters.
 * Answers as reserve does, and -2 when the id holds nothing. A repeated extension answers what the latest did.
 */
import { COUNTERS } from './counters.ts';

export const EXTEND = `${COUNTERS}
local step, count, PLACES = ask[2], ask[3], 4
local LIMITS = PLACES + count
if not held(record) then return answer({ -2, now }) end
local names, steps, first, latest, parts = parse(record)

if ARGV[4] == 'retract' then
  if steps < step then return answer({ 1, now }) end
  while #parts > 0 do
    local _, place, number, amount, of = cunpack('<ddddd', parts, #parts - 39)
    if of ~= step then break end
    local c = counter(place)
    if c then
      c.algorithm.settle(c, number, amount, 0)
      c.algorithm.save(c)
    end
    parts = sub(parts, 1, #parts - 40)
  end
  call('SET', RECORD, write(names, step - 1, first, '', parts), 'KEEPTTL')
  return answer({ 1, now })
end

if step <= steps and latest ~= '' then return again(latest) end

local counters, stale = {}, false
for index = 1, count do
  local c = counter(ask[PLACES + index - 1], LIMITS + (index - 1) * WIDTH)
  counters[index] = c
  stale = stale or c.stale
end
if stale then return answer({ -1, now }) end

local passes, refused = look(counters, LIMITS)
local reply = { refused and 0 or 1, now, 0 }
for index, c in ipairs(counters) do
  local amount = refused and 0 or ask[LIMITS + (index - 1) * WIDTH + 1]
  if amount > 0 then
    local number = c.algorithm.take(c, amount)
    parts = parts .. cpack('<ddddd', index, ask[PLACES + index - 1], number, amount, steps + 1)
    c.algorithm.save(c)
  end
  report(reply, c, amount, passes[index])
end
latest = answer(reply)
if not refused then call('SET', RECORD, write(ARGV[5], steps + 1, first, latest, parts), 'KEEPTTL') end
return latest
`;
