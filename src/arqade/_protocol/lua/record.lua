-- Write what a worker says of itself, and list it among the workers of its queue.
--
-- ARGV  1 the worker's id   2 queue   3 the record's life in ms
--       4, 5 the record, but for the server's time in ms, which belongs between the two
-- Gives the server's time in ms

local index = 'arqade:workers:' .. ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The server's time is the same for all who read it; the worker's machine may be wrong.
local record = ARGV[4] .. string.format('%.0f', now) .. ARGV[5]
redis.call('PSETEX', 'arqade:worker:' .. ARGV[1], ARGV[3], record)

-- Those that died said nothing before they did: their records end by themselves, their entries here.
redis.call('ZREMRANGEBYSCORE', index, '-inf', string.format('%.0f', now))
redis.call('ZADD', index, string.format('%.0f', now + ARGV[3]), ARGV[1])
local last = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIREAT', index, string.format('%.0f', tonumber(last)))
return now
