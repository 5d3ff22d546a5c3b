-- Cancel a job: remove it if it has not started, else ask its worker to stop it.
--
-- ARGV  1 job id   2 queue   3 '' or the SHA-1 of the envelope of the job that is meant
-- Gives {what, SHA-1 of the job's envelope if it was asked for}, what being one of
-- removed, asked, complete, not_found, and other: a new job has the id.

local id, queue, meant = ARGV[1], ARGV[2], ARGV[3]
local in_progress = 'arq:in-progress:' .. id

if redis.call('EXISTS', 'arq:result:' .. id) == 1 then
  return {'complete'}
end
-- A running job stays in its queue until it has finished: without an entry there is no such job
-- here, even if the in-progress key is there (arq keeps it for a minute after a cron job).
if not redis.call('ZSCORE', queue, id) then
  return {'not_found'}
end
local digest = ''
if meant ~= '' or redis.call('EXISTS', in_progress) == 1 then
  digest = redis.sha1hex(redis.call('GET', 'arq:job:' .. id) or '')
  if meant ~= '' and meant ~= digest then
    return {'other'}
  end
end
if redis.call('EXISTS', in_progress) == 1 then
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000 + 0.5))
  redis.call('ZADD', 'arq:abort', now, id)
  return {'asked', digest}
end

redis.call('ZREM', 'arq:abort', id)
redis.call('ZREM', queue, id)
redis.call('DEL', 'arq:job:' .. id, 'arq:retry:' .. id)
-- A worker that has seen the job due and is about to claim it watches the in-progress key
-- (arq's Worker.start_jobs): a touch makes its EXEC fail, so that it neither runs the job nor
-- writes a result for one that has expired.
redis.call('SET', in_progress, '1', 'PX', 1)
redis.call('DEL', in_progress)
return {'removed'}
