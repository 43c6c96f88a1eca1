-- Every script on sessions begins with this. KEYS are the session's, the claimed session's, the claim's, and that of a
-- session that has ended. A claim that lapsed is ended first: the session goes back to where it was, unless there is a
-- newer one.
--
-- ownerOf reads the owner, the revision and the claim out of a session's value. They stand first in it, so that only the
-- beginning of the base64 text has to be decoded; Lua in Redis cannot do that by itself. A value by Node.js has none.
local session, claimed, claim, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('EXISTS', claim) == 0 and redis.call('EXISTS', claimed) == 1 and
  redis.call('RENAMENX', claimed, session) == 0 then
  redis.call('DEL', claimed)
end
local function claimer()
  local value = redis.call('GET', claim)
  return value and string.match(value, '^(.*):[^:]*$')
end
local function decode(text)
  local alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  local out, bits, n = {}, 0, 0
  for c in string.gmatch(text, '[%w+/]') do
    bits = bits * 64 + string.find(alphabet, c, 1, true) - 1
    n = n + 1
    if n == 4 then
      out[#out + 1] = string.char(math.floor(bits / 65536), math.floor(bits / 256) % 256, bits % 256)
      bits, n = 0, 0
    end
  end
  return table.concat(out)
end
local function uint64(head, at)
  local n = 0
  for i = at, at + 7 do n = n * 256 + (string.byte(head, i) or 0) end
  return n
end
local function ownerOf(value)
  local head = decode(string.sub(value, 1, 96))
  if string.sub(head, 2, 7) ~= '\165owner' then return nil, 0, 0 end
  local length = string.byte(head, 8) - 160
  if length < 0 or length > 31 then return nil, 0, 0 end
  local owner, at = string.sub(head, 9, 8 + length), 9 + length
  if string.sub(head, at, at + 4) ~= '\163rev\207' then return nil, 0, 0 end
  local number = 0
  if string.sub(head, at + 13, at + 19) == '\165claim\207' then number = uint64(head, at + 20) end
  return owner, uint64(head, at + 5), number
end
