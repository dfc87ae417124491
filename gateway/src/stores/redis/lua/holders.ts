/** Scripts about who holds what: renew what runs, find what nobody renewed, and keep sets of what was seen lately. */
import { COMMON } from './common.ts';

/**
 * KEYS: the clock, the reservations by expiry, then for each id its record and the sets of its leases. ARGV: [time, hold ms,
 * [[id, lease ms of each of its leases ...] ...]]. An id that holds nothing is left alone.
 */
export const RENEW = `${COMMON}
tell(KEYS[1], call('GET', KEYS[1]))
local key = 3
for _, renewed in ipairs(ask[3]) do
  local id = renewed[1]
  local isHeld = call('ZSCORE', KEYS[2], id)
  if isHeld then
    call('ZADD', KEYS[2], int(now + ask[2]), id)
    call('PEXPIRE', KEYS[2], int(ask[2] + DAY_MS))
    call('PEXPIRE', KEYS[key], int(ask[2] + DAY_MS))
  end
  for lease = 2, #renewed do
    if isHeld then
      call('ZADD', KEYS[key + lease - 1], int(now), id)
      call('PEXPIRE', KEYS[key + lease - 1], int(renewed[lease] + SLACK_MS))
    end
  end
  key = key + #renewed
end
return 1
`;

/** KEYS: the clock, the reservations by expiry. ARGV: [time, most]. Answers how many reservations are
 * held, then the ids of those that nobody renewed in time, the oldest first. */
export const ORPHANS = `${COMMON}
tell(KEYS[1], call('GET', KEYS[1]))
local reply = call('ZRANGEBYSCORE', KEYS[2], '-inf', int(now), 'LIMIT', '0', int(ask[2]))
table.insert(reply, 1, call('ZCARD', KEYS[2]))
return reply
`;

/**
 * KEYS: a clock, a set by when each member was seen last. ARGV: [time, lost ms, forget ms], members seen now. Forgets who was not
 * seen for `forget ms`. Answers how many are known, then those not seen for `lost ms`.
 */
export const SEEN = `${COMMON}
tell(KEYS[1], call('GET', KEYS[1]))
local lost = call('ZRANGEBYSCORE', KEYS[2], '-inf', int(now - ask[2]))
call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(now - ask[3]))
for member = 2, #ARGV do call('ZADD', KEYS[2], int(now), ARGV[member]) end
call('PEXPIRE', KEYS[2], int(ask[3] + DAY_MS))
table.insert(lost, 1, call('ZCARD', KEYS[2]))
return lost
`;
