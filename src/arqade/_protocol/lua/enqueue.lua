-- Put jobs into queues, once for each call, however often the call is sent.
--
-- KEYS  1 the call's marker
-- ARGV  1 numbers: the client's time, the fence (the server's time from which on nothing may be
--         created), life of the marker; all in ms; the most bytes that may be given of what is
--         there (return_existing); and "wait", if a WAIT follows
--       and for each job
--       + its id, its queue, its envelope
--       + "policy score life deferred fresh": the policy on a conflict (raise, return_existing,
--         ignore_result or replace), when the job is due and how long it lives in ms, 1 if it is
--         deferred, 1 if its id was made at random for this call: then nothing has it yet
-- Gives {the server's time in ms, answer for each job ...} or {the server's time, word}, where the
--       word says that nothing was written: late (the fence has passed) or clock (the client's
--       clock is ahead). An answer is
--       score                   the job was created, and is due then
--       repeated, score, the client's time, job id: an earlier sending of this call created it,
--                               with these values (only "repeated" if the marker can't be read)
--       exists, reason          | exists, score, in progress, result, job (return_existing; the
--                                 job only if there is no result; too many bytes: their number)
--       error, message          the job was refused, and nothing of it was written
--       late | clock            as above, where an earlier sending created others of its jobs
--       An error of a call for one job is the reply itself.
--
-- The names of job, result and queue are arguments and not KEYS, so that a user whose ACL lets
-- it write jobs, but neither read nor write results, may run this.

local ARGV, marker, count = ARGV, KEYS[1], (#ARGV - 1) / 4
local call, pcall, match, type = redis.call, redis.pcall, string.match, type
local sent, fence, marker_life, limit, waits = match(ARGV[1], '^(%d+) (%d+) (%d+) (%d+)(.*)$')

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000 + 0.5)

-- A clock that is ahead by less than this is taken for right.
local TOLERANCE = 1000

-- Most calls are for one job whose id nothing has yet. They are done here with the fewest commands;
-- where one of these fails, it is undone, and all is done in the way of the others below.
if count == 1 and string.sub(ARGV[5], -1) == '1' then
  local score, life, deferred = match(ARGV[5], '^[%l_]+ (%d+) (%d+) ([01])')
  local id, job, number = ARGV[2], 'arq:job:' .. ARGV[2], tonumber(score)
  if deferred == '0' and number > now then
    number = now
    score = string.format('%.0f', now)
  end
  local in_time = now < tonumber(fence) and tonumber(sent) <= now + TOLERANCE
  local record = score .. ' ' .. sent .. ' ' .. id
  if in_time and (pcall('SET', marker, record, 'NX', 'PX', marker_life) or {}).ok then
    if pcall('PSETEX', job, life, ARGV[4]).ok and pcall('ZADD', ARGV[3], 'NX', score, id) == 1 then
      return {now, number}
    end
    -- With pcall: a user who may not write the job may not delete it, either.
    pcall('DEL', marker)
    pcall('DEL', job)
  end
end

-- The options of the job in hand. Those of most jobs of a call are alike: they are read anew only
-- where they differ from those of the job before.
local options, policy, score, due, life, deferred, fresh

-- Gives whether there is a key, and what speaks against using it.
local function check(key, kind, what)
  local reply = pcall('TYPE', key)
  local found = reply.ok
  if found == 'none' then
    return false
  elseif found == kind then
    return true
  elseif not found then
    return false, reply
  end
  what = 'WRONGTYPE the ' .. what .. ' key holds another type; nothing was written'
  return false, redis.error_reply(what)
end

-- Lets go of what an earlier job with this id may have left, or who asked to stop one that was not
-- there: the new job counts its own tries, and was not asked to stop. With pcall: a user who may
-- only enqueue does without.
local function forget(id)
  pcall('DEL', 'arq:retry:' .. id)
  pcall('ZREM', 'arq:abort', id)
end

-- What few jobs need: its functions are made when the first one does.
local function make_helpers()
  local helpers = {}

  local function is_error(reply)
    return type(reply) == 'table' and reply.err ~= nil
  end

  -- With pcall: a user who may only enqueue can't read these, and is told "queued".
  local function due_time(id, queue)
    local found = pcall('ZSCORE', queue, id)
    return type(found) == 'string' and tonumber(found)
  end

  -- A running job stays in its queue; the key alone is what arq leaves for a minute after a cron
  -- job.
  local function is_running(id, queue)
    return pcall('EXISTS', 'arq:in-progress:' .. id) == 1 and due_time(id, queue)
  end

  local function reason(id, queue, has_result)
    if has_result then return 'complete' end
    if is_running(id, queue) then return 'in_progress' end
    local found = due_time(id, queue)
    return found and found > now and 'deferred' or 'queued'
  end

  local function read(key)
    local size = pcall('STRLEN', key)
    if is_error(size) or size > tonumber(limit) then return size end
    return pcall('GET', key)
  end

  local function existing(id, queue)
    local answer = {
      'exists',
      pcall('ZSCORE', queue, id),
      pcall('EXISTS', 'arq:in-progress:' .. id),
      read('arq:result:' .. id),
    }
    answer[5] = not answer[4] and read('arq:job:' .. id)
    for _, reply in ipairs(answer) do
      if is_error(reply) then return reply end
    end
    return answer
  end

  -- Gives what an earlier sending of this call has created: for each job a record, '' if it was
  -- not; or the answer to the call.
  function helpers.read_marker()
    local text = pcall('GET', marker)
    if is_error(text) then
      -- A user who may only enqueue has no GET: the value is taken out and put back.
      text = pcall('SET', marker, '', 'KEEPTTL', 'GET')
      if not is_error(text) then
        call('SET', marker, text, 'KEEPTTL')
      elseif count == 1 and waits == '' then
        return nil, {now, {'repeated'}}
      else
        return nil, text
      end
    elseif waits ~= '' then
      -- WAIT asks for the last write of its own connection: without this one, an earlier
      -- sending's writes would count as confirmed unseen.
      local reply = pcall('SET', marker, text, 'KEEPTTL')
      if is_error(reply) then return nil, redis.error_reply('TRYAGAIN ' .. reply.err) end
    end
    local done = {}
    for record in string.gmatch(text .. '\n', '([^\n]*)\n') do
      done[#done + 1] = record
    end
    return done
  end

  -- Gives what stands in the way of a job whose id another one has.
  function helpers.conflict(id, queue, has_job, has_result)
    if policy == 'return_existing' then
      return existing(id, queue)
    elseif has_job and (policy ~= 'replace' or is_running(id, queue) or not due_time(id, queue)) then
      -- A job that is not in this queue is in another one, where it can't be replaced.
      return {'exists', reason(id, queue, has_result)}
    elseif has_result and policy ~= 'replace' and policy ~= 'ignore_result' then
      return {'exists', 'complete'}
    end
  end

  -- Lua rolls nothing back: what was written before a refusal is undone by hand, from this.
  function helpers.keep(key)
    local value, left = pcall('GET', key), pcall('PTTL', key)
    if is_error(value) then return value end
    if is_error(left) then return left end
    return {value, left}
  end

  function helpers.undo(key, old)
    if not old then
      pcall('DEL', key)
    elseif old[2] > 0 then
      pcall('PSETEX', key, old[2], old[1])
    else
      pcall('SET', key, old[1])
    end
  end

  -- Gives the answer for a job whose id was in the queue: for a job that is now replaced, or for
  -- one whose envelope expired.
  function helpers.take_over(id, queue, has_job)
    if not has_job and is_running(id, queue) then
      -- When that one finishes, its worker removes whatever has its id.
      return {'exists', 'in_progress'}
    end
    call('ZADD', queue, due, id)
    forget(id)
    -- A worker that has just seen the old one due watches the in-progress key (arq's
    -- Worker.start_jobs): a touch makes it let go and look again. With pcall, as above.
    pcall('SET', 'arq:in-progress:' .. id, '1', 'PX', 1)
    pcall('DEL', 'arq:in-progress:' .. id)
    return score
  end

  return helpers
end

local helpers

-- Gives the score, or what speaks against it.
local function put(id, queue, envelope, has_job, has_result)
  local job, old_job, old_result = 'arq:job:' .. id, nil, nil
  if has_job then
    old_job = helpers.keep(job)
    if old_job.err then return old_job end
  end
  if has_result then
    old_result = helpers.keep('arq:result:' .. id)
    if old_result.err then return old_result end
  end
  local reply = pcall('PSETEX', job, life, envelope)
  if reply.err then
    return reply
  end
  local deleted = has_result and pcall('DEL', 'arq:result:' .. id)
  local refused = type(deleted) == 'table' and deleted
  if not refused then
    reply = pcall('ZADD', queue, 'NX', due, id)
    if reply == 1 then
      if fresh == '0' then
        forget(id)
      end
      return score
    end
    refused = type(reply) == 'table' and reply
  end
  helpers = helpers or make_helpers()
  local answer = refused or helpers.take_over(id, queue, has_job)
  if answer ~= score then
    if deleted == 1 then
      helpers.undo('arq:result:' .. id, old_result)
    end
    helpers.undo(job, old_job)
  end
  return answer
end

local done
local repeated, problem = check(marker, 'string', 'marker')
if repeated then
  helpers = make_helpers()
  done, problem = helpers.read_marker()
end
if problem then
  return problem
end
local barred = now >= tonumber(fence) and 'late' or tonumber(sent) > now + TOLERANCE and 'clock'
if barred and not done then
  return {now, barred}
end

-- What speaks against each queue.
local queues = {}
local answers, records, written, any = {now}, {}, nil, false
for n = 1, count do
  local record, answer = done and done[n] or '', nil
  if record ~= '' then
    answer = {'repeated', match(record, '^(%d+) (%d+) (.*)$')}
  elseif barred then
    answer = {barred}
  else
    local at = 4 * n - 2
    local id, queue, has_job, has_result = ARGV[at], ARGV[at + 1], false, false
    if ARGV[at + 3] ~= options then
      options = ARGV[at + 3]
      policy, score, life, deferred, fresh = match(options, '^([%l_]+) (%d+) (%d+) ([01]) ([01])$')
      score = tonumber(score)
      if deferred == '0' and score > now then
        score = now
      end
      due = string.format('%.0f', score)
    end
    answer = queues[queue]
    if answer == nil then
      local _, wrong = check(queue, 'zset', 'queue')
      answer = wrong or false
      queues[queue] = answer
    end
    if not answer and fresh == '0' then
      has_job, answer = check('arq:job:' .. id, 'string', 'job')
      if not answer then
        has_result, answer = check('arq:result:' .. id, 'string', 'result')
      end
      if not answer and (has_job or has_result) then
        helpers = helpers or make_helpers()
        answer = helpers.conflict(id, queue, has_job, has_result)
      end
    end
    if not answer then
      record = due .. ' ' .. sent .. ' ' .. id
      if not written then
        -- The first write: a server that takes none refuses the call here, as a whole.
        written = record
        local reply = pcall('SET', marker, written, 'PX', marker_life)
        if reply.err then
          return reply
        end
      end
      answer = put(id, queue, ARGV[at + 2], has_job, has_result)
      if answer ~= score then
        record = ''
      end
    end
    if answer ~= score and answer.err and count > 1 then
      answer = {'error', answer.err}
    end
  end
  any = any or record ~= ''
  records[n] = record
  answers[n + 1] = answer
end

if written then
  local all = count == 1 and records[1] or table.concat(records, '\n')
  if not any then
    call('DEL', marker)
  elseif all ~= written then
    call('SET', marker, all, 'PX', marker_life)
  end
end
local first = answers[2]
return type(first) == 'table' and first.err and first or answers
