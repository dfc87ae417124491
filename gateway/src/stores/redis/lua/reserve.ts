/**
 * Reserve, lock, charge, look and read: all limits of a shard at once, or none.
 *
 * Numbers: time, hold ms, limits. ARGV further: mode, names of the counters. Answers status, time, delay ms, then six numbers for
 * each limit (reply.ts). A repeated reserve answers what the first one did; one of an id that is over
 * takes nothing, and says so by status 2.
 */
import { COUNTERS } from './counters.ts';

export const RESERVE = `${COUNTERS}
local holdMs, LIMITS = ask[2], 3
local mode = ARGV[4]
if mode ~= 'look' and mode ~= 'read' then
  local isOver = over(record)
  if mode == 'charge' then
    if isOver or held(record) then return answer({ 0, now }) end
  elseif held(record) then
    local _, _, first = parse(record)
    return again(first)
  elseif isOver then
    mode = 'over'
  end
end

local counters, stale = {}, false
for index = 1, #kinds do
  local c = counter(index, LIMITS + (index - 1) * WIDTH)
  counters[index] = c
  stale = stale or c.stale
end
if stale then return answer({ -1, now }) end

if mode == 'charge' then
  for index, c in ipairs(counters) do
    local amount = ask[LIMITS + (index - 1) * WIDTH + 1]
    if amount > 0 then
      c.algorithm.charge(c, amount)
      c.algorithm.save(c)
    end
  end
  finish(RECORD, holdMs)
  return answer({ 1, now })
end

local reply = { 1, now, 0 }
if mode == 'read' or mode == 'over' then
  if mode == 'over' then reply[1] = 2 end
  for _, c in ipairs(counters) do report(reply, c, 0, c.algorithm.passesAt(c, 1)) end
  return answer(reply)
end

local passes, refused = look(counters, LIMITS)
if refused or mode == 'look' then
  if refused then reply[1] = 0 end
  for index, c in ipairs(counters) do report(reply, c, 0, passes[index]) end
  return answer(reply)
end

local parts, startsAt, at = {}, now, LIMITS
for index, c in ipairs(counters) do
  local a = c.algorithm
  local amount = max(ask[at + 1], min(ask[at + 2], a.remaining(c)))
  -- A limit that only reports holds nobody back.
  if c.kind == 'l' and mode == 'reserve' and ask[at] == 0 then startsAt = max(startsAt, a.startsAt(c)) end
  local number = (mode == 'lock' and a.lock or a.take)(c, amount)
  parts[index] = cpack('<ddddd', index, index, number, amount, 0)
  a.save(c)
  report(reply, c, amount, passes[index])
  at = at + WIDTH
end
reply[3] = wait(startsAt)
local first = answer(reply)
call('SET', RECORD, write(ARGV[5], 0, first, '', table.concat(parts)), 'PX', int(holdMs + DAY_MS))
call('ZADD', EXPIRIES, int(now + holdMs), id)
call('PEXPIRE', EXPIRIES, int(holdMs + DAY_MS))
return first
`;
