-- ARGV are the owner, or who has claimed it, and for how long it is known that it has ended, in milliseconds.
local holder = claimer()
if holder then
  if holder ~= ARGV[1] then return 'lost' end
else
  local stored = redis.call('GET', session)
  if stored and ownerOf(stored) ~= ARGV[1] then return 'lost' end
end
redis.call('DEL', session, claimed, claim) -- first: then Redis takes the rest even if its memory is full
if tonumber(ARGV[2]) > 0 then redis.call('SET', ended, '1', 'PX', ARGV[2]) end
return 'ok'
