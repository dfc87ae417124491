/**
 * Settle and unlock: what was taken becomes what was used, part by part; and what a gone holder left, by the policy for orphans.
 *
 * Numbers: time, hold ms, the actual of each limit. ARGV further: mode. Answers 1, or 0 when the id holds nothing: then it is over,
 * so that its reserve takes nothing should it arrive late.
 */
import { COUNTERS } from './counters.ts';

export const SETTLE = `${COUNTERS}
local mode, BEFORE_ACTUALS = ARGV[4], 2
local isOrphan = mode ~= 'settle'
if isOrphan then
  local expiry = call('ZSCORE', EXPIRIES, id)
  -- Renewed meanwhile.
  if expiry and tonumber(expiry) > now then return 0 end
end
if not held(record) then
  call('ZREM', EXPIRIES, id)
  if not isOrphan then finish(RECORD, ask[2]) end
  return 0
end

local _, _, _, _, parts = parse(record)
local last = {}
for from = 1, #parts, 40 do last[cunpack('<d', parts, from)] = from end

local counters, rest = {}, {}
for from = 1, #parts, 40 do
  local limit, place, number, amount = cunpack('<dddd', parts, from)
  local left = rest[limit] or ask[BEFORE_ACTUALS + limit] or 0
  local share = from < last[limit] and min(left, amount) or left
  if isOrphan then share = mode == 'charge' and amount or 0 end
  rest[limit] = left - share
  local c = counters[place]
  if c == nil then
    c = counter(place) or false
    counters[place] = c
  end
  if c then c.algorithm.settle(c, number, amount, share) end
end
for place = 1, #kinds do
  if counters[place] then counters[place].algorithm.save(counters[place]) end
end
call('DEL', RECORD)
call('ZREM', EXPIRIES, id)
return 1
`;
