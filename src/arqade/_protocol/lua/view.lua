-- Read all that is known of jobs, at one moment.
--
-- ARGV  1 queue
--       2 what is wanted of each: status (no bytes), result (those of the result), metadata (those
--         of the result or else of the job), or the state of the jobs in the queue whose bytes are
--         wanted: queued, deferred, in_progress, or waiting for any of them
--       3 the most bytes that may be given of a result or a job
--       and for each job
--       + its id
-- Gives {the server's time in ms, and for each job: score, in progress, result, job}; score,
-- result and job are false where there is none, and '' where there is one whose bytes are not
-- wanted; in the place of too many bytes stands their number. Where there is a result, nothing else
-- is looked at, and the time is 0 if that is so with all. It stops before the end once it holds
-- MOST bytes: longer replies hold up the server.

local MOST = 1048576

local queue, wanted, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local call = redis.call
local with_result = wanted == 'result' or wanted == 'metadata'

local now, size = 0, 0

local function read(key, with_bytes)
  if not with_bytes then return call('EXISTS', key) == 1 and '' end
  -- Asked for first: GET would make two copies of what is then left out.
  local length = call('STRLEN', key)
  if length > limit then return length end
  size = size + length
  return call('GET', key)
end

-- Whether the bytes of a job without a result are wanted.
local function is_wanted(score, in_progress)
  if wanted == 'metadata' then return true end
  if with_result or wanted == 'status' or not score then return false end
  if wanted == 'waiting' then return true end
  if in_progress == 1 then return wanted == 'in_progress' end
  return wanted == (tonumber(score) > now and 'deferred' or 'queued')
end

local answer = {now}
for n = 4, #ARGV do
  local id, last = ARGV[n], #answer
  local result = read('arq:result:' .. id, with_result)
  local score, in_progress, job = false, 0, false
  if not result then
    if now == 0 then
      -- Rounded, as arq rounds the times that it writes: else a job of now could look deferred.
      local time = call('TIME')
      now = time[1] * 1000 + math.floor(time[2] / 1000 + 0.5)
      answer[1] = now
    end
    score = call('ZSCORE', queue, id)
    in_progress = call('EXISTS', 'arq:in-progress:' .. id)
    job = read('arq:job:' .. id, is_wanted(score, in_progress))
  end
  answer[last + 1], answer[last + 2] = score, in_progress
  answer[last + 3], answer[last + 4] = result, job
  if size >= MOST then
    break
  end
end
return answer
