-- Count the jobs of a queue; those in progress among the next due ones of a slice only.
--
-- ARGV  1 queue   2 where the slice begins   3 its size, at most some thousands (Lua's stack)
-- Gives {due, deferred, the lowest score or false, entries of the slice, those in progress}

local queue = ARGV[1]

-- Rounded, as arq rounds the times that it writes: else a job of now could look deferred.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000 + 0.5))

local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
local keys = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', ARGV[2], ARGV[3])
for n, id in ipairs(keys) do
  keys[n] = 'arq:in-progress:' .. id
end
return {
  redis.call('ZCOUNT', queue, '-inf', now),
  redis.call('ZCOUNT', queue, '(' .. now, '+inf'),
  first[2] or false,
  #keys,
  #keys > 0 and redis.call('EXISTS', unpack(keys)) or 0,
}
