-- ARGV are the owner, the revision, the value, and the time to keep it in milliseconds.
local owner, revision = ARGV[1], tonumber(ARGV[2])
local holder = claimer()
if holder then
  if holder ~= owner or revision ~= 1 then return 'lost' end
  redis.call('DEL', claimed, claim)
else
  local stored = redis.call('GET', session)
  if stored then
    local by, at = ownerOf(stored)
    if by ~= owner or at > revision then return 'lost' end
  elseif revision ~= 1 then
    return 'lost'
  end
end
redis.call('SET', session, ARGV[3], 'PX', ARGV[4])
return 'ok'
