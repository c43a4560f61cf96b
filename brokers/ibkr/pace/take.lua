-- One request takes its turn, atomically. The twin of ledger.py, on the clock of Valkey, in milliseconds.
-- KEYS: epoch, pauses, through, tenants, way, share, user, endpoint, waiting
-- ARGV: way's name, tenant, through ms, second ms, user for rank, user, way for rank, way, endpoint for rank,
--       endpoint, endpoint's window ms, settle ms, longest pause ms
-- Answers {what, ms, epoch, left, text}: 0 leaves now, 1 waits, 2 waits for its endpoint, 3 is paused.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local second, settle, longest = tonumber(ARGV[4]), tonumber(ARGV[12]), tonumber(ARGV[13])

local epoch = tonumber(redis.call('GET', KEYS[1]) or '')
if not epoch or epoch > now then
  -- Nothing is known: the server is new or emptied, or its clock went back. Every process says what it knows meanwhile.
  epoch = now
  redis.call('SET', KEYS[1], epoch)
end

local pause = redis.call('HGET', KEYS[2], ARGV[1])
local paused, text = 0, ''
if pause then
  local ends, rest = string.match(pause, '^(%d+)|(.*)$')
  paused, text = math.min(tonumber(ends) - now, longest), rest
end
if paused > 0 then
  local through = tonumber(ARGV[3])
  if through == 0 then return {3, paused, epoch, 0, text} end
  local wait = redis.call('PTTL', KEYS[3])
  if wait > 0 then return {3, paused, epoch, math.min(wait, through), text} end
  redis.call('SET', KEYS[3], 1, 'PX', through)
end

if now - epoch < settle then return {1, settle - (now - epoch), epoch, 0, text} end

local function wait_for(key, count, window)
  local at = redis.call('LINDEX', key, count - 1)
  if not at then return 0 end
  local last = tonumber(redis.call('LINDEX', key, 0))
  if last > now then
    -- The clock went back: what is written there says nothing of now.
    redis.call('DEL', key)
    return 0
  end
  return math.max(0, tonumber(at) + window - now)
end

local per_user, per_way = tonumber(ARGV[6]), tonumber(ARGV[8])
local most = tonumber(ARGV[7])
local crowded = wait_for(KEYS[5], most, second)
for _, names in ipairs({KEYS[4], KEYS[9]}) do redis.call('ZREMRANGEBYSCORE', names, '-inf', now - second) end
redis.call('ZADD', KEYS[4], now, ARGV[2])
redis.call('PEXPIRE', KEYS[4], 2 * second)
local tenants = redis.call('ZCARD', KEYS[4])
if tenants > 1 then
  -- While another tenant waits for the way, and where half of it is taken, nobody gets more than an equal part.
  local part = wait_for(KEYS[6], math.max(1, math.floor(most / tenants)), second)
  local others = redis.call('ZCARD', KEYS[9]) - (redis.call('ZSCORE', KEYS[9], ARGV[2]) and 1 or 0)
  if others == 0 then part = math.min(part, wait_for(KEYS[5], math.max(1, math.floor(most / 2)), second)) end
  crowded = math.max(crowded, part)
end
if crowded > 0 then
  redis.call('ZADD', KEYS[9], now, ARGV[2])
  redis.call('PEXPIRE', KEYS[9], 2 * second)
end
local wait = math.max(crowded, wait_for(KEYS[7], tonumber(ARGV[5]), second))
local slow, own = tonumber(ARGV[10]), 0
if slow > 0 then own = wait_for(KEYS[8], tonumber(ARGV[9]), tonumber(ARGV[11])) end

local function note(key, most, window)
  redis.call('LPUSH', key, now)
  redis.call('LTRIM', key, 0, most - 1)
  redis.call('PEXPIRE', key, window)
end

if wait == 0 and own == 0 then
  note(KEYS[7], per_user, second)
  note(KEYS[5], per_way, second)
  note(KEYS[6], per_way, second)
  if slow > 0 then note(KEYS[8], slow, tonumber(ARGV[11])) end
end
local left = per_user
for _, at in ipairs(redis.call('LRANGE', KEYS[7], 0, -1)) do
  if now - tonumber(at) < second then left = left - 1 end
end
if wait == 0 and own == 0 then return {0, 0, epoch, left, text} end
return {own >= wait and 2 or 1, math.max(wait, own), epoch, left, text}
