/**
 * policy/quota.ts in Lua. Key, one for each period: a header of 3 doubles (used, reserved, the period's end). Which period it is
 * says the client, because Lua knows no time zones; the scripts answer STALE when it is over or has not begun.
 */
export const QUOTA = `
local quota = {}

function quota.load(c, raw, at)
  c.used, c.reserved, c.till = 0, 0, 0
  if raw then c.used, c.reserved, c.till = cunpack('<ddd', raw) end
  if at then
    c.amount, c.till = ask[at + 3], ask[at + 5]
    c.stale = now < ask[at + 4] or now >= c.till
  end
end

function quota.remaining(c) return max(0, c.amount - c.used - c.reserved) end
function quota.figures(c)
  return c.used, c.reserved, quota.remaining(c), c.used + c.reserved == 0 and now or c.till
end

function quota.passesAt(c, amount)
  if amount > c.amount then return NEVER end
  return c.used + c.reserved + amount <= c.amount and now or c.till
end

function quota.take(c, amount)
  c.reserved = c.reserved + amount
  return 0
end

quota.lock = quota.take

function quota.charge(c, amount) c.used = c.used + amount end

function quota.settle(c, _, amount, actual) c.reserved, c.used = c.reserved - amount, c.used + actual end

function quota.save(c)
  call('SET', c.key, cpack('<ddd', c.used, c.reserved, c.till), 'PX', int(max(0, c.till - now) + SLACK_MS))
end
`;
