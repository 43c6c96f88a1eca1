-- ARGV is the claimer.
if claimer() ~= ARGV[1] then return 'ok' end
redis.call('DEL', claim)
if redis.call('EXISTS', claimed) == 1 and redis.call('RENAMENX', claimed, session) == 0 then
  redis.call('DEL', claimed)
end
return 'ok'
