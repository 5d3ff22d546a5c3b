-- Read what a worker says of itself.
--
-- ARGV  1 the record's key
-- Gives {the record or false, the life that it has left in ms, negative if there is none}

return {redis.call('GET', ARGV[1]), redis.call('PTTL', ARGV[1])}
