-- Remove what a worker said of itself.
--
-- ARGV  1 the worker's id   2 queue
-- Gives 1 if there was a record, else 0

redis.call('ZREM', 'arqade:workers:' .. ARGV[2], ARGV[1])
return redis.call('DEL', 'arqade:worker:' .. ARGV[1])
