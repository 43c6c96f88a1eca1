-- ARGV are the owner, the revision, the value, the time to keep it in milliseconds, the claim that it was taken with, and
-- 1 for a save that takes it.
-- Numbers are exact up to 2^53; claims are microseconds, or counted on from them.
local owner, revision, number = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5])
if redis.call('EXISTS', ended) == 1 then return 'lost' end
local holder = claimer()
if holder then
  if holder ~= owner or revision ~= 1 then return 'lost' end
  local taken = redis.call('GET', claimed)
  if taken then
    local _, _, before = ownerOf(taken)
    if number <= before then return 'lost' end
  end
  redis.call('DEL', claimed, claim)
else
  local stored = redis.call('GET', session)
  if stored then
    local by, at, before = ownerOf(stored)
    if by ~= owner or number < before or number == before and revision < at then return 'lost' end
  elseif revision ~= 1 or ARGV[6] == '1' then
    return 'lost'
  end
end
redis.call('SET', session, ARGV[3], 'PX', ARGV[4])
return 'ok'
