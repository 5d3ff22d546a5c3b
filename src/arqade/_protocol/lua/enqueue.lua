-- Put a job into a queue, once for each call, however often the call is sent.
--
-- KEYS  1 the call's marker
-- ARGV  1 job id   2 queue   3 the job's envelope
--       4 the policy on a conflict: raise, return_existing, ignore_result or replace
--       5 numbers: the client's time, score, life of the job, fence (all ms; the fence is the
--         server's time from which on nothing may be created), life of the marker, 1 if deferred
-- Gives {what, the server's time in ms, ...}:
--       created, score
--       repeated, score, the client's time, job id: an earlier sending of this call did it, with
--         these values (only "repeated" for a user who may not read the marker)
--       exists, reason         | exists, score, in progress, result, job (return_existing)
--       late                   the fence has passed; nothing was written
--       clock                  the client's clock is ahead; nothing was written
--
-- The names of job, result and queue are arguments and not KEYS, so that a user whose ACL lets
-- it write jobs, but neither read nor write results, may run this.

local marker = KEYS[1]
local id, queue, envelope, policy = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local sent, score, life, fence, marker_life, deferred =
  string.match(ARGV[5], '^(%d+) (%d+) (%d+) (%d+) (%d+) ([01])$')
score, fence = tonumber(score), tonumber(fence)

local job, result, in_progress = 'arq:job:' .. id, 'arq:result:' .. id, 'arq:in-progress:' .. id

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000 + 0.5)

-- A clock that is ahead by less than this is taken for right.
local TOLERANCE = 1000

local function type_of(key)
  return redis.call('TYPE', key).ok
end

local function wrong_type(what)
  return redis.error_reply('WRONGTYPE the ' .. what .. ' key holds another type; nothing was written')
end

local function is_error(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

local marker_type = type_of(marker)
if marker_type == 'string' then
  local done = redis.pcall('GET', marker)
  if is_error(done) then
    return {'repeated', now}
  end
  return {'repeated', now, string.match(done, '^(%d+) (%d+) (.*)$')}
elseif marker_type ~= 'none' then
  return wrong_type('marker')
end
if now >= fence then
  return {'late', now}
end
if tonumber(sent) > now + TOLERANCE then
  return {'clock', now}
end

local queue_type, job_type, result_type = type_of(queue), type_of(job), type_of(result)
if queue_type ~= 'none' and queue_type ~= 'zset' then
  return wrong_type('queue')
elseif job_type ~= 'none' and job_type ~= 'string' then
  return wrong_type('job')
elseif result_type ~= 'none' and result_type ~= 'string' then
  return wrong_type('result')
end

local has_job, has_result = job_type ~= 'none', result_type ~= 'none'

-- With pcall: a user who may only enqueue can't read these, and is told "queued".
local function due_time()
  local due = redis.pcall('ZSCORE', queue, id)
  return type(due) == 'string' and tonumber(due)
end

-- A running job stays in its queue; the key alone is what arq leaves for a minute after a cron job.
local function is_running()
  return redis.pcall('EXISTS', in_progress) == 1 and due_time()
end

local function reason()
  if has_result then return 'complete' end
  if is_running() then return 'in_progress' end
  local due = due_time()
  return due and due > now and 'deferred' or 'queued'
end

if policy == 'return_existing' and (has_job or has_result) then
  return {
    'exists', now,
    redis.call('ZSCORE', queue, id),
    redis.call('EXISTS', in_progress),
    redis.call('GET', result),
    redis.call('GET', job),
  }
elseif has_job and (policy ~= 'replace' or is_running() or not due_time()) then
  -- A job that is not in this queue is in another one, where it can't be replaced.
  return {'exists', now, reason()}
elseif has_result and policy ~= 'replace' and policy ~= 'ignore_result' then
  return {'exists', now, 'complete'}
end

if deferred == '0' and score > now then
  score = now
end
local due = string.format('%.0f', score)

-- Lua rolls nothing back: what was written before a refusal is undone by hand, from these.
local old = {}
for _, key in ipairs({job, result}) do
  if (key == job and has_job) or (key == result and has_result) then
    old[key] = {redis.call('GET', key), redis.call('PTTL', key)}
  end
end

local function undo(key)
  if not old[key] then
    redis.call('DEL', key)
  elseif old[key][2] > 0 then
    redis.call('PSETEX', key, old[key][2], old[key][1])
  else
    redis.call('SET', key, old[key][1])
  end
end

local reply = redis.pcall('SET', marker, due .. ' ' .. sent .. ' ' .. id, 'PX', marker_life)
if is_error(reply) then
  return reply
end
reply = redis.pcall('PSETEX', job, life, envelope)
if is_error(reply) then
  undo(marker)
  return reply
end
if has_result then
  reply = redis.pcall('DEL', result)
  if is_error(reply) then
    undo(job)
    undo(marker)
    return reply
  end
end
local added = redis.pcall('ZADD', queue, 'NX', due, id)
if is_error(added) then
  if has_result then
    undo(result)
  end
  undo(job)
  undo(marker)
  return added
end

if added == 0 then
  -- The id was in the queue: for a job that is now replaced, or for one whose envelope expired.
  if not has_job and is_running() then
    -- When that one finishes, its worker removes whatever has its id.
    if has_result then
      undo(result)
    end
    undo(job)
    undo(marker)
    return {'exists', now, 'in_progress'}
  end
  redis.call('ZADD', queue, due, id)
  -- The new job counts its own tries, and was not asked to stop. And a worker that has just seen
  -- the old one due watches the in-progress key (arq's Worker.start_jobs): a touch makes it let go
  -- and look again. With pcall: a user who may only enqueue does without.
  redis.pcall('DEL', 'arq:retry:' .. id)
  redis.pcall('ZREM', 'arq:abort', id)
  redis.pcall('SET', in_progress, '1', 'PX', 1)
  redis.pcall('DEL', in_progress)
end
return {'created', now, due}
