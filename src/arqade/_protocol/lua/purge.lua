-- Remove the jobs of a part of a queue that have not started.
--
-- ARGV  1 queue   2 where the part begins   3 its size, at most some thousands (Lua's stack)
-- Gives {entries that the queue had, entries of the part, how many of them were removed}; the
-- others run, and are where the part began.

local queue, first, size = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local entries = redis.call('ZCARD', queue)
local found = redis.call('ZRANGE', queue, first, first + size - 1)
local ids, data, marks, touches = {}, {}, {}, {}
for _, id in ipairs(found) do
  local in_progress = 'arq:in-progress:' .. id
  if redis.call('EXISTS', in_progress) == 0 then
    local n = #ids
    ids[n + 1] = id
    data[2 * n + 1], data[2 * n + 2] = 'arq:job:' .. id, 'arq:retry:' .. id
    marks[n + 1] = in_progress
    touches[2 * n + 1], touches[2 * n + 2] = in_progress, '1'
  end
end
if #ids > 0 then
  redis.call('ZREM', queue, unpack(ids))
  redis.call('ZREM', 'arq:abort', unpack(ids))
  redis.call('DEL', unpack(data))
  -- A worker that has seen a job due and is about to claim it watches the in-progress key
  -- (arq's Worker.start_jobs): a touch makes its EXEC fail, so that it does not run the job.
  redis.call('MSET', unpack(touches))
  redis.call('DEL', unpack(marks))
end
return {entries, #found, #ids}
