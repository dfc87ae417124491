/**
 * policy/lease.ts in Lua. Key: a sorted set of the ids that hold a place, by when they took or renewed it last.
 * A lease that ended stays there until its reservation is settled or swept, and counts for nothing.
 */
export const LEASE = `
local lease = {}
local id = ARGV[2]

function lease.load(c, _, at)
  if not at then return end
  c.amount, c.span = ask[at + 3], ask[at + 4]
  c.count = call('ZCOUNT', c.key, int(now - c.span + 1), '+inf')
end

function lease.remaining(c) return max(0, c.amount - c.count) end

-- When the lease that many places from the newest ends.
local function ends(c, place) return tonumber(call('ZREVRANGE', c.key, place, place, 'WITHSCORES')[2]) + c.span end

function lease.figures(c)
  local emptyAt = c.count == 0 and now or c.taken and now + c.span or ends(c, '0')
  return 0, c.count, lease.remaining(c), emptyAt
end

function lease.passesAt(c)
  if c.amount == 0 then return NEVER end
  return c.count < c.amount and now or ends(c, int(c.amount - 1))
end

local function hold(key, id, span)
  call('ZADD', key, int(now), id)
  call('PEXPIRE', key, int(span + SLACK_MS))
end

function lease.take(c)
  hold(c.key, id, c.span)
  c.count, c.taken = c.count + 1, true
  return 0
end

function lease.settle(c) call('ZREM', c.key, id) end
function lease.save() end
`;
