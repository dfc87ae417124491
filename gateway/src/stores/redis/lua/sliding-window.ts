/**
 * policy/sliding-window.ts in Lua.
 *
 * Key: a header of 13 doubles, the newest slot among them. Second key: the closed slots, oldest first, 24 bytes each (at, used,
 * reserved), from slot number `base` on; what has left the window is cut off now and then. Slot numbers only rise and a new header
 * starts at the time in milliseconds, of which no slot number is ahead: a hold never meets another's slot.
 */
export const SLIDING_WINDOW = `
local window = {}

function window.load(c, raw, at)
  if raw then
    c.span, c.used, c.reserved, c.locked, c.first, c.firstAt, c.last, c.from, c.at, c.lastUsed, c.lastReserved, c.base,
      c.till = cunpack('<ddddddddddddd', raw)
  else
    c.used, c.reserved, c.locked, c.firstAt, c.from, c.at, c.lastUsed, c.lastReserved, c.till = 0, 0, 0, 0, 0, 0, 0, 0, 0
    c.first, c.last, c.base = now, now - 1, now
  end
  local changed = raw and at and c.span ~= ask[at + 4]
  if changed then window.forget(c) end
  if at then c.amount, c.span = ask[at + 3], ask[at + 4] end
  window.forget(c)
  if changed then window.save(c) end
end

-- The slots from 'first' to the last closed one, three numbers each.
function window.closed(c)
  local count = c.last - c.first
  if count <= 0 then return {} end
  local raw = call('GETRANGE', c.slots, int((c.first - c.base) * 24), int((c.last - c.base) * 24 - 1))
  local slots = { cunpack('<' .. string.rep('ddd', floor(#raw / 24)), raw) }
  -- The last one is where it stopped to read.
  slots[#slots] = nil
  return slots
end

function window.forget(c)
  local gone = now - c.span
  if c.last < c.first or c.firstAt > gone then return end
  if c.at <= gone then
    c.used, c.reserved, c.first, c.base = 0, c.locked, c.last + 1, c.last + 1
    return
  end
  while c.first < c.last do
    local from = (c.first - c.base) * 24
    local raw = call('GETRANGE', c.slots, int(from), int(min(from + 191, (c.last - c.base) * 24 - 1)))
    for place = 1, #raw, 24 do
      local at, used, reserved = cunpack('<ddd', raw, place)
      if at > gone then
        c.firstAt = at
        return
      end
      c.used, c.reserved, c.first = c.used - used, c.reserved - reserved, c.first + 1
    end
    -- Evicted: nobody knows what it held.
    if raw == '' then c.used, c.reserved, c.first = c.lastUsed, c.lastReserved + c.locked, c.last end
  end
  c.firstAt = c.at
end

function window.remaining(c) return max(0, c.amount - c.used - c.reserved) end

function window.passesAt(c, amount)
  if amount > c.amount then return NEVER end
  local over = c.used + c.reserved + amount - c.amount
  if over <= 0 then return now end
  local slots = window.closed(c)
  for place = 1, #slots, 3 do
    over = over - slots[place + 1] - slots[place + 2]
    if over <= 0 then return slots[place] + c.span end
  end
  if c.last >= c.first and over <= c.lastUsed + c.lastReserved then return c.at + c.span end
  return now + LOCKED_WAIT_MS
end

function window.emptyAt(c)
  local at = 0
  if c.used + c.reserved - c.locked > 0 then
    at = c.at
    if c.lastUsed + c.lastReserved == 0 then
      local slots = window.closed(c)
      local place = #slots - 2
      while place > 1 and slots[place + 1] + slots[place + 2] == 0 do place = place - 3 end
      at = slots[place] or c.at
    end
    at = at + c.span
  end
  return c.locked == 0 and max(at, now) or max(at, now + c.span)
end

-- The slot for an admission now becomes the newest one.
function window.append(c)
  local count = c.last - c.first + 1
  if count > 0 and (c.at == now or (count >= 64 and now < c.from + ceil(c.span / 60))) then
    c.at = now
    if count == 1 then c.firstAt = now end
    return
  end
  if count > 0 then window.close(c, count) else c.firstAt = now end
  c.last, c.from, c.at, c.lastUsed, c.lastReserved = c.last + 1, now, now, 0, 0
end

function window.close(c, count)
  local slot = cpack('<ddd', c.at, c.lastUsed, c.lastReserved)
  local dead, life = c.first - c.base, c.span + SLACK_MS
  if dead > 2 * count + 16 or c.last == c.base then
    local live = count > 1 and call('GETRANGE', c.slots, int(dead * 24), '-1') or ''
    call('SET', c.slots, live .. slot, 'PX', int(life))
    c.base, c.till = c.first, now + life
    return
  end
  if call('APPEND', c.slots, slot) ~= (c.last - c.base + 1) * 24 then
    -- Evicted: nobody knows what the slots before held.
    c.base, c.first, c.firstAt, c.till = c.last, c.last, c.at, 0
    c.used, c.reserved = c.lastUsed, c.lastReserved + c.locked
    call('SET', c.slots, slot, 'PX', int(life))
  end
  if c.till < now + life - SLACK_MS / 2 then
    call('PEXPIRE', c.slots, int(life))
    c.till = now + life
  end
end

function window.take(c, amount)
  window.append(c)
  c.lastReserved, c.reserved = c.lastReserved + amount, c.reserved + amount
  return c.last
end

function window.lock(c, amount)
  c.locked, c.reserved = c.locked + amount, c.reserved + amount
  return -1
end

function window.charge(c, amount)
  window.append(c)
  c.lastUsed, c.used = c.lastUsed + amount, c.used + amount
end

function window.settle(c, slot, amount, actual)
  if slot == -1 then
    c.locked, c.reserved = c.locked - amount, c.reserved - amount
    if actual > 0 then window.charge(c, actual) end
    return
  end
  if slot < c.first then return end
  if slot == c.last then
    c.lastReserved, c.lastUsed = c.lastReserved - amount, c.lastUsed + actual
  else
    local from = (slot - c.base) * 24
    local raw = call('GETRANGE', c.slots, int(from), int(from + 23))
    if #raw < 24 then return end
    local at, used, reserved = cunpack('<ddd', raw)
    call('SETRANGE', c.slots, int(from), cpack('<ddd', at, used + actual, reserved - amount))
  end
  c.reserved, c.used = c.reserved - amount, c.used + actual
end

function window.save(c)
  local life = (c.locked > 0 and max(c.span, DAY_MS) or c.span) + SLACK_MS
  call('SET', c.key, cpack('<ddddddddddddd', c.span, c.used, c.reserved, c.locked, c.first, c.firstAt, c.last, c.from, c.at,
    c.lastUsed, c.lastReserved, c.base, c.till), 'PX', int(life))
end

function window.figures(c) return c.used, c.reserved, window.remaining(c), window.emptyAt(c) end
`;
