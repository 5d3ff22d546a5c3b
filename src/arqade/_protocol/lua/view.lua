-- Read all that is known of a job, at one moment.
--
-- ARGV  1 job id   2 queue   3 what is wanted: status, result or metadata
-- Gives {the server's time in ms, score, in progress, result, job}; score, result and job are
-- false where there is none, and '' where there is one whose bytes are not wanted.

local id, queue, wanted = ARGV[1], ARGV[2], ARGV[3]
local job_key, result_key = 'arq:job:' .. id, 'arq:result:' .. id

-- Rounded, as arq rounds the times that it writes: else a job of now could look deferred.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000 + 0.5)

local function read(key, with_bytes)
  if with_bytes then return redis.call('GET', key) end
  return redis.call('EXISTS', key) == 1 and ''
end

local result = read(result_key, wanted ~= 'status')
return {
  now,
  redis.call('ZSCORE', queue, id),
  redis.call('EXISTS', 'arq:in-progress:' .. id),
  result,
  read(job_key, wanted == 'metadata' and not result),
}
