-- Appends the messages of a batch that are not in the stream yet, and returns the ids of all. It looks at everything
-- after the last position that was known before the first attempt. No key but the stream is touched.
--
-- KEYS[1] is the stream. ARGV are: where to begin to look, as XRANGE has it; the publisher; the maximum length; then
-- for each message its number, how many texts follow, and its fields and values.
local wanted, i = {}, 4
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
local ids, i = {}, 4
while i <= #ARGV do
  local length = tonumber(ARGV[i + 1])
  ids[#ids + 1] = found[ARGV[i]] or
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, i + 2, i + 1 + length))
  i = i + 2 + length
end
return ids
