-- Read what the workers of a queue say of themselves, and what arq's own record says.
--
-- ARGV  1 queue   2 the key of arq's record
-- Gives {arq's record or false, the life that it has left in ms, negative if there is none,
--        then for each worker its record and the life that it has left in ms}

local answer = {redis.call('GET', ARGV[2]), redis.call('PTTL', ARGV[2])}
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local ids = redis.call('ZRANGEBYSCORE', 'arqade:workers:' .. ARGV[1], '(' .. now, '+inf')
for _, id in ipairs(ids) do
  local key = 'arqade:worker:' .. id
  local record = redis.call('GET', key)
  if record then
    answer[#answer + 1] = record
    answer[#answer + 1] = redis.call('PTTL', key)
  end
end
return answer
