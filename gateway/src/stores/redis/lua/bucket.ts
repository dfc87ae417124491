/**
 * policy/token-bucket.ts and policy/low-water.ts in Lua, for token buckets and leaky buckets.
 *
 * Key: a header of 9 doubles, then the low-water marks, 16 bytes each (seq, level), in order. A new header counts on from
 * 1024 times the time in milliseconds, of which no bucket's events are ahead: a hold never meets another's marks.
 */
export const BUCKET = `
local bucket = {}
local MOST_DEBT = 2 ^ 52
local MOST_MARKS = 64

-- a * b / c rounded down, exactly; a below 2^53, b and c below 2^51.
local function scaled(a, b, c)
  local whole, rest = floor(a / c), a % c
  local quotient, remainder, bit = 0, 0, 2 ^ 50
  while bit >= 1 do
    quotient, remainder = quotient * 2, remainder * 2
    if remainder >= c then quotient, remainder = quotient + 1, remainder - c end
    if floor(b / bit) % 2 == 1 then
      remainder = remainder + rest
      if remainder >= c then quotient, remainder = quotient + 1, remainder - c end
    end
    bit = bit / 2
  end
  return min(MOST_DEBT, whole * b + quotient), remainder
end

local function mark(c, index) return cunpack('<dd', c.marks, index * 16 - 15) end
local function marks(c) return #c.marks / 16 end

-- Cuts off the marks before 'last' that are not below 'level'; 'rest' stays behind them.
local function drop(c, last, level, rest)
  while last > 0 do
    local _, other = mark(c, last)
    if other < level then break end
    last = last - 1
  end
  c.marks = sub(c.marks, 1, last * 16) .. rest
end

local function note(c, seq, level)
  drop(c, marks(c), level, '')
  if marks(c) == MOST_MARKS then
    local thin = {}
    for pair = 1, MOST_MARKS / 2 do
      local _, lower = mark(c, 2 * pair - 1)
      thin[pair] = cpack('<dd', mark(c, 2 * pair), lower)
    end
    c.marks = table.concat(thin)
  end
  c.marks = c.marks .. cpack('<dd', seq, level)
end

-- The number of the first mark after event 'seq'.
local function after(c, seq)
  local low, high = 1, marks(c) + 1
  while low < high do
    local middle = floor((low + high) / 2)
    if mark(c, middle) > seq then high = middle else low = middle + 1 end
  end
  return low
end

-- Changes the level of every mark from number 'from' on.
local function relevel(c, from, change)
  local tail = {}
  for index = from, marks(c) do
    local seq, level = mark(c, index)
    tail[#tail + 1] = cpack('<dd', seq, change(level))
  end
  return table.concat(tail)
end

function bucket.load(c, raw, at)
  if raw then
    c.debt, c.at, c.seq, c.born, c.open, c.held, c.locked, c.unit, c.refill = cunpack('<ddddddddd', raw)
    c.marks = sub(raw, 73)
    if now > c.at then c.debt, c.at = max(0, c.debt - (now - c.at) * c.refill), now end
  else
    c.debt, c.at, c.open, c.held, c.locked, c.marks = 0, now, 0, 0, 0, ''
    c.seq = now * 1024
    c.born = c.seq
  end
  if not at then return end
  local unit, refill = ask[at + 3], ask[at + 4]
  local changed = raw and (c.unit ~= unit or c.refill ~= refill)
  if changed and c.unit ~= unit then
    -- As many of the limit's unit stay owed; rounding is against the caller.
    local debt, remainder = scaled(c.debt, unit, c.unit)
    c.marks = relevel(c, 1, function(level) return (scaled(level, unit, c.unit)) end)
    c.debt = min(MOST_DEBT, remainder > 0 and debt + 1 or debt)
  end
  c.unit, c.refill, c.capacity = unit, refill, ask[at + 5]
  -- Also when nothing is taken now: what is waited for comes by the new rate.
  if changed then bucket.save(c) end
end

local function owe(c, debt)
  c.seq = c.seq + 1
  if c.open > 0 then note(c, c.seq, c.debt) end
  c.debt = min(MOST_DEBT, c.debt + debt)
end

function bucket.remaining(c) return max(0, floor((c.capacity - c.debt) / c.unit) - c.locked) end

function bucket.emptyAt(c)
  local owed = c.debt + c.locked * c.unit
  if owed == 0 then return now end
  return c.refill == 0 and NEVER or now + ceil(owed / c.refill)
end

function bucket.passesAt(c, amount)
  local cost = amount * c.unit
  if cost > c.capacity then return NEVER end
  local over = c.debt + c.locked * c.unit + cost - c.capacity
  if over <= 0 then return now end
  return now + (over <= c.debt and ceil(over / c.refill) or LOCKED_WAIT_MS)
end

function bucket.figures(c)
  local counted = ceil(c.debt / c.unit)
  return max(0, counted - c.held), min(c.held, counted) + c.locked, bucket.remaining(c), bucket.emptyAt(c)
end

function bucket.startsAt(c) return c.debt > 0 and now + ceil(c.debt / c.refill) or now end

function bucket.take(c, amount)
  owe(c, amount * c.unit)
  c.open, c.held = c.open + 1, c.held + amount
  return c.seq
end

function bucket.lock(c, amount)
  c.locked = c.locked + amount
  return -1
end

function bucket.charge(c, amount) owe(c, amount * c.unit) end

function bucket.settle(c, seq, amount, actual)
  if seq == -1 then
    c.locked = c.locked - amount
    if actual > 0 then owe(c, actual * c.unit) end
    return
  end
  if seq <= c.born then return end
  c.open, c.held = c.open - 1, c.held - amount
  if actual > amount then
    owe(c, (actual - amount) * c.unit)
  elseif actual < amount and (c.kind ~= 'l' or seq == c.seq) then
    local place = after(c, seq)
    local refund = min((amount - actual) * c.unit, c.debt)
    if place <= marks(c) then
      local _, lowest = mark(c, place)
      refund = min(refund, lowest)
      if refund > 0 then
        drop(c, place - 1, lowest - refund, relevel(c, place, function(level) return level - refund end))
      end
    end
    c.debt = c.debt - refund
  end
  if c.open == 0 then c.marks = '' end
end

function bucket.save(c)
  local owed = c.debt + c.locked * c.unit
  local life = (c.open > 0 or c.locked > 0 or c.refill == 0) and DAY_MS or 0
  if c.refill > 0 then life = max(life, ceil(owed / c.refill)) end
  call('SET', c.key, cpack('<ddddddddd', c.debt, c.at, c.seq, c.born, c.open, c.held, c.locked, c.unit, c.refill) .. c.marks,
    'PX', int(life + SLACK_MS))
end
`;
