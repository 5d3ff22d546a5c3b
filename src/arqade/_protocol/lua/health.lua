-- Read what a worker says of itself.
--
-- KEYS  1 the record's key
-- Gives {the record or false, the life that it has left in ms, negative if there is none}

return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
