-- ARGV are the claimer, a text of this claim alone, and how long it holds in milliseconds. The answer is the value, or
-- "claimed" while somebody has it, or nothing.
local mine = ARGV[1] .. ':' .. ARGV[2]
local holder = redis.call('GET', claim)
if holder and holder ~= mine then return 'claimed' end
if not holder then
  if redis.call('EXISTS', ended) == 1 then
    redis.call('DEL', session) -- by a Node.js server, which does not know
    return false
  end
  if redis.call('EXISTS', session) == 0 then return false end
  redis.call('RENAME', session, claimed)
  redis.call('SET', claim, mine, 'PX', ARGV[3])
end
return redis.call('GET', claimed)
