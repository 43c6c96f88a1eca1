-- Appends the messages of a batch that are not in the stream yet, and returns the ids of all. It looks at everything
-- after the last position that was known before the first attempt. No key but the stream is touched.
--
-- KEYS[1] is the stream. ARGV are: where to begin to look, as XRANGE has it; the publisher; how many texts say how to
-- trim, and these, as XADD has them; then for each message its number, how many texts follow, and its fields and values.
local first = 4 + tonumber(ARGV[3])
local wanted, i = {}, first
while i <= #ARGV do
  wanted[ARGV[i]] = true
  i = i + 2 + tonumber(ARGV[i + 1])
end
local found, from, page = {}, ARGV[1], 500
repeat
  local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', page)
  for _, entry in ipairs(entries) do
    local fields, publisher, number = entry[2], nil, nil
    for f = 1, #fields, 2 do
      if fields[f] == 'pub' then publisher = fields[f + 1] end
      if fields[f] == 'seq' then number = fields[f + 1] end
    end
    if publisher == ARGV[2] and wanted[number] then found[number] = entry[1] end
    from = '(' .. entry[1]
  end
until #entries < page
local ids, i = {}, first
while i <= #ARGV do
  local length = tonumber(ARGV[i + 1])
  local id = found[ARGV[i]]
  if not id then
    local command = { 'XADD', KEYS[1] }
    for t = 4, first - 1 do command[#command + 1] = ARGV[t] end
    command[#command + 1] = '*'
    for f = i + 2, i + 1 + length do command[#command + 1] = ARGV[f] end
    id = redis.call(unpack(command))
  end
  ids[#ids + 1] = id
  i = i + 2 + length
end
return ids
