-- Agrees on the name of a stream's epoch: the greatest number that anybody knows. KEYS[1] holds it. ARGV are the number
-- that the caller knows, or 0, and the one that it gives if nobody knows a greater one than that, or 0. The answer is
-- the number that all have from now on.
local stored = tonumber(redis.call('GET', KEYS[1]) or 0) or 0
local known, fresh = tonumber(ARGV[1]), tonumber(ARGV[2])
if stored > known then return stored end
if fresh > known then known = fresh end
if stored ~= known then redis.call('SET', KEYS[1], string.format('%.0f', known)) end
return known
