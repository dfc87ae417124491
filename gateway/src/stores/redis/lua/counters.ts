/** The algorithm of each kind of counter, and how a script finds its counters among its keys. */
import { BUCKET } from './bucket.ts';
import { COMMON } from './common.ts';
import { LEASE } from './lease.ts';
import { QUOTA } from './quota.ts';
import { SLIDING_WINDOW } from './sliding-window.ts';

/**
 * KEYS of every script that counts: the clock, the reservation's record, the reservations by expiry, then each counter, and last
 * the slots of each sliding window. ARGV: numbers as JSON, the id, the kind of each counter as one letter. Among the numbers a
 * limit is six: whether it only reports, needed, wanted, and three that define it (definition.ts). The first counters are those
 * of the limits, in their order.
 */
export const COUNTERS = `${COMMON}${SLIDING_WINDOW}${BUCKET}${QUOTA}${LEASE}
local algorithms = { s = window, b = bucket, l = bucket, q = quota, c = lease }
local CLOCK, RECORD, EXPIRIES, BEFORE_COUNTERS = KEYS[1], KEYS[2], KEYS[3], 3
local WIDTH = 6
local kinds = ARGV[3]

-- One value for each key but those of slots, in one round of the keyspace; sorted sets answer false.
local raws = call('MGET', unpack(KEYS, 1, BEFORE_COUNTERS + #kinds))
tell(CLOCK, raws[1])
local record = raws[2]

local slots = {}
local slot = BEFORE_COUNTERS + #kinds
for place in string.gmatch(kinds, '()s') do
  slot = slot + 1
  slots[place] = KEYS[slot]
end

-- The counter at 'place', at 'now', for the limit whose numbers begin at 'at'; without a limit as it was left, and nothing when
-- nothing is left.
local function counter(place, at)
  local kind, raw = sub(kinds, place, place), raws[BEFORE_COUNTERS + place]
  if not raw and not at and kind ~= 'c' then return nil end
  local c = { kind = kind, key = KEYS[BEFORE_COUNTERS + place], slots = slots[place], algorithm = algorithms[kind] }
  c.algorithm.load(c, raw, at)
  return c
end

local function report(reply, c, taken, passesAt)
  local size = #reply
  local used, reserved, remaining, emptyAt = c.algorithm.figures(c)
  reply[size + 1], reply[size + 2], reply[size + 3], reply[size + 4] = used, reserved, remaining, taken
  reply[size + 5], reply[size + 6] = wait(emptyAt), wait(passesAt)
end

-- When what the limits from 'at' on need passes each counter, and whether a limit refuses.
local function look(counters, at)
  local passes, refused = {}, false
  for index, c in ipairs(counters) do
    local needed = ask[at + 1]
    -- Nothing asked for passes, whatever is owed.
    local passesAt = needed == 0 and now or c.algorithm.passesAt(c, needed)
    if passesAt ~= now and ask[at] == 0 and (passesAt == NEVER or passesAt > now) then refused = true end
    passes[index] = passesAt
    at = at + WIDTH
  end
  return passes, refused
end
`;
