-- A process says that it is there and what it knows; it hears how many there are and which ways are paused.
-- KEYS: epoch, pauses, processes, then one for each of the slow endpoints that it tells of
-- ARGV: process, alive ms, longest pause ms, number of pauses, name ms text of each, window ms ago ms of each endpoint
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local longest = tonumber(ARGV[3])

local epoch = tonumber(redis.call('GET', KEYS[1]) or '')
if not epoch or epoch > now then
  epoch = now
  redis.call('SET', KEYS[1], epoch)
end

local at = 5
for _ = 1, tonumber(ARGV[4]) do
  local known = redis.call('HGET', KEYS[2], ARGV[at])
  local ends = now + tonumber(ARGV[at + 1])
  if not known or tonumber(string.match(known, '^(%d+)')) < ends - 50 then
    redis.call('HSET', KEYS[2], ARGV[at], string.format('%d|%s', ends, ARGV[at + 2]))
  end
  at = at + 3
end
for index = 4, #KEYS do
  local window, ago = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  if redis.call('LLEN', KEYS[index]) == 0 then
    redis.call('LPUSH', KEYS[index], now - ago)
    redis.call('PEXPIRE', KEYS[index], math.max(1, window - ago))
  end
  at = at + 2
end

redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - tonumber(ARGV[2]))
-- By name, so that each has the same place at every look.
local names = redis.call('ZRANGE', KEYS[3], 0, -1)
table.sort(names)
local place = 0
for index, name in ipairs(names) do
  if name == ARGV[1] then place = index - 1 end
end
local answer = {epoch, #names, place}
local pauses = redis.call('HGETALL', KEYS[2])
for index = 1, #pauses, 2 do
  local ends, text = string.match(pauses[index + 1], '^(%d+)|(.*)$')
  local left = math.min(tonumber(ends) - now, longest)
  if left <= 0 then
    redis.call('HDEL', KEYS[2], pauses[index])
  else
    table.insert(answer, pauses[index])
    table.insert(answer, left)
    table.insert(answer, text)
  end
end
return answer
