-- ARGV is the owner, or who has claimed it.
local holder = claimer()
if holder then
  if holder ~= ARGV[1] then return 'lost' end
  redis.call('DEL', claimed, claim)
  return 'ok'
end
local stored = redis.call('GET', session)
if stored then
  if ownerOf(stored) ~= ARGV[1] then return 'lost' end
  redis.call('DEL', session)
end
return 'ok'
