"""The steps on the book of calls that Redis must run as one.

All of it has one hash tag, so it is in one slot: KEYS[1] is `signaller:{calls}`, and behind it are

  :call:<id>               a hash: `PARTS` and, for these scripts only, moment, answered, attempts,
                           turn_until, owner, fence, leased_until
  :live  :live:<caller>    those that have not ended, in the order of `begin` (moment)
  :ended :ended:<caller>   those that have, in the same order
  :places:<caller>         until when each has its place
  :places of one:<person>:<caller>   the same, of those that a person of the caller has
  :due  :leased  :forget   when the clock looks at it, its lease is over, it is forgotten
  :count                   how many are live, by `["<caller>","<model>"]`
  :moment                  the last one that was given away
  :feed                    what is told of calls

The indexes are sorted sets of refs, `["<id>","<caller>","<model>","<person>"]`: where a call is
gone, its ref still says from where it must be taken out. Every key has an end in time, that of the
call in it that is kept for longest. Times are Redis's own, in milliseconds, moments in
microseconds: a call is due, and has its place, for as long from now on as lies between its began_at
and its ends_by, which are by the clock of a replica. `ends` is that moment, by Redis's own.
"""

from signaller.stores.call_terms import (
    FEED_EVENTS,
    FEED_SECONDS,
    LIVE_SECONDS,
    MAX_LEASE_SECONDS,
    MAX_PAUSE_SECONDS,
)
from signaller.stores.scripts import Script

SWEPT_BY_CLOCK, SWEPT_BY_CALL = 100, 4
"""How many calls are forgotten by the way, where there are any: by each look at the clock, two a
second and replica, and by each call that begins, which adds one."""

PAGES = 20
"""How many pages of an index one list reads at the most. It needs a second one only where calls
are gone that nobody has taken out yet."""

PARTS = ("ref", "began_at", "ends_by", "facts", "state", "seen", "ends", "ended")

# A Redis at its maxmemory refuses the first write of a script, unless it is one that takes nothing,
# and lets through what comes after. Scripts that bring something new begin with an HSET: full, they
# fail and have changed nothing. Those on a call that is known `must` run: to end calls is what
# makes room.
_BOOK = f"""
local book = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
local function must() redis.call('DEL', book .. ':none') end
local function call(id) return book .. ':call:' .. id end
local function fields(id, ...) return redis.call('HMGET', call(id), ...) end
local function parts(id) return fields(id, '{"', '".join(PARTS)}') end
local function number(text)
  local value = tonumber(text or 0)
  if not value then error('CORRUPT a call whose numbers are none') end
  return value
end
local function names(ref)
  local read, all = pcall(cjson.decode, ref)
  if not read or type(all) ~= 'table' then return nil end
  for place = 1, 4 do
    if type(all[place]) ~= 'string' then return nil end
  end
  return unpack(all, 1, 4)
end
local function places(caller) return book .. ':places:' .. caller end
local function places_of_one(person, caller)
  return book .. ':places of one:' .. person .. ':' .. caller
end
local function keep(key, last)
  if redis.call('PTTL', key) < last - now then redis.call('PEXPIREAT', key, whole(last)) end
end
local function add(key, score, ref, last)
  redis.call('ZADD', key, whole(score), ref)
  keep(key, last)
end
local function leave(ref)
  local _, caller, model, person = names(ref)
  redis.call('ZREM', book .. ':due', ref)
  redis.call('ZREM', book .. ':leased', ref)
  local lived = redis.call('ZREM', book .. ':live', ref)
  if not caller then return end
  redis.call('ZREM', book .. ':live:' .. caller, ref)
  redis.call('ZREM', places(caller), ref)
  if person ~= '' then redis.call('ZREM', places_of_one(person, caller), ref) end
  if lived == 0 then return end
  local pair = cjson.encode({{caller, model}})
  if redis.call('HINCRBY', book .. ':count', pair, -1) <= 0 then
    redis.call('HDEL', book .. ':count', pair)
  end
end
local function forget(ref)
  leave(ref)
  redis.call('ZREM', book .. ':ended', ref)
  redis.call('ZREM', book .. ':forget', ref)
  local id, caller = names(ref)
  if not id then return end
  redis.call('ZREM', book .. ':ended:' .. caller, ref)
  redis.call('DEL', call(id))
end
local function sweep(at_most)
  local over = redis.call('ZRANGEBYSCORE', book .. ':forget', '-inf', now, 'LIMIT', 0, at_most)
  for _, ref in ipairs(over) do forget(ref) end
end
local function tell(kind, caller, id, body)
  local feed = book .. ':feed'
  local event = {{'kind', kind, 'caller', caller, 'call', id, 'body', body}}
  redis.call('XADD', feed, 'MAXLEN', {FEED_EVENTS}, '*', unpack(event))
  redis.call('XTRIM', feed, 'MINID', whole(now - {FEED_SECONDS * 1000}))
  redis.call('PEXPIRE', feed, {FEED_SECONDS * 1000})
end
local function take_place(ref, ends, last)
  local _, caller, _, person = names(ref)
  add(places(caller), ends, ref, last)
  if person ~= '' then add(places_of_one(person, caller), ends, ref, last) end
end
local function ends_of(began_at, ends_by)
  return now + (tonumber(ends_by) - tonumber(began_at)) * 1000
end
local function last_of(ends, ends_by)
  -- The version before this one wrote no `ends`.
  return (ends and number(ends) or number(ends_by) * 1000) + {LIVE_SECONDS * 1000}
end
local function write(ref, began_at, ends_by, facts)
  local id, caller, model = names(ref)
  local known = tonumber(redis.call('GET', book .. ':moment') or 0) or 0
  local moment = whole(math.max(time[1] * 1000000 + time[2], known + 1))
  local ends = ends_of(began_at, ends_by)
  local last = last_of(ends)
  redis.call('HSET', call(id), 'ref', ref, 'began_at', began_at, 'ends_by', ends_by,
    'ends', whole(ends), 'facts', facts, 'moment', moment)
  redis.call('PEXPIREAT', call(id), whole(last))
  redis.call('SET', book .. ':moment', moment, 'PXAT', whole(last))
  add(book .. ':live', moment, ref, last)
  add(book .. ':live:' .. caller, moment, ref, last)
  take_place(ref, ends, last)
  add(book .. ':due', ends, ref, last)
  redis.call('HINCRBY', book .. ':count', cjson.encode({{caller, model}}), 1)
  keep(book .. ':count', last)
end
"""

BEGIN = Script(f"""{_BOOK}
local ref, began_at, ends_by, facts, at_most, of_one = unpack(ARGV)
local id, caller, _, person = names(ref)
if redis.call('EXISTS', call(id)) == 1 then return -1 end
local function full(key, most)
  local later = '(' .. whole(now)
  if most < 0 or redis.call('ZCOUNT', key, later, '+inf') < most then return nil end
  local first = redis.call('ZRANGEBYSCORE', key, later, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return tonumber(first[2] or now) - now
end
local wait = full(places(caller), tonumber(at_most))
if not wait and person ~= '' then
  wait = full(places_of_one(person, caller), tonumber(of_one))
end
if wait then return wait end
write(ref, began_at, ends_by, facts)
redis.call('ZREMRANGEBYSCORE', places(caller), '-inf', now)
if person ~= '' then
  redis.call('ZREMRANGEBYSCORE', places_of_one(person, caller), '-inf', now)
end
sweep({SWEPT_BY_CALL})
return -1
""")
"""ARGV: a call's ref, began_at, ends_by, facts, how many of the ref's caller may be live, and how
many of its person (-1: any number). -1 if it is written, or was before; otherwise the milliseconds
until one may be."""

ANSWERED = Script(f"""{_BOOK}
local ref, began_at, ends_by, facts, event, heir = unpack(ARGV)
local id, caller = names(ref)
local known = fields(id, 'ref', 'answered', 'ended', 'attempts', 'owner')
if not known[1] then
  write(ref, began_at, ends_by, facts)
elseif known[3] then
  redis.call('HSET', call(id), 'facts', facts)
  return 0
end
must()
local ends = ends_of(began_at, ends_by)
local last = last_of(ends)
redis.call('HSET', call(id), 'began_at', began_at, 'ends_by', ends_by, 'ends', whole(ends),
  'facts', facts, 'answered', 1)
redis.call('PEXPIREAT', call(id), whole(last))
for _, index in ipairs({{':live', ':live:' .. caller, ':count'}}) do keep(book .. index, last) end
take_place(ref, ends, last)
if not known[4] then add(book .. ':due', ends, ref, last) end
if not known[5] and tonumber(heir) >= 0 then
  add(book .. ':leased', now + tonumber(heir), ref, last)
end
if not known[2] then tell('call.started', caller, id, event) end
return 1
""")
"""ARGV: as for `BEGIN` up to the facts, an event, and in how many milliseconds somebody else is to
watch it if nobody does by then (-1: never). 1; 0 if it has ended."""

WITHDRAW = Script(f"""{_BOOK}
forget(ARGV[1])
return 1
""")
"""ARGV: a call's ref."""

END = Script(f"""{_BOOK}
local id, state, kept_seconds, event = unpack(ARGV)
local known = fields(id, 'ref', 'ended', 'state', 'moment')
local ref, last = known[1], now + tonumber(kept_seconds) * 1000
if not ref then return 0 end
if known[2] then return known[3] == state and 1 or 0 end
local _, caller = names(ref)
local moment = number(known[4])
if not caller then return redis.error_reply('CORRUPT a call without a ref') end
leave(ref)
redis.call('HSET', call(id), 'state', state, 'ended', 1)
add(book .. ':ended', moment, ref, last)
add(book .. ':ended:' .. caller, moment, ref, last)
add(book .. ':forget', last, ref, last)
redis.call('PEXPIREAT', call(id), whole(last))
tell('call.ended', caller, id, event)
return 1
""")
"""ARGV: a call's id, how it has ended, for how many seconds that is kept, an event. 1 if this is
how it has ended."""

# A turn that lies further ahead than one of these lasts, or than any pause, was given by the clock
# of another Redis.
BEGIN_ENDING = Script(f"""{_BOOK}
local id, state, busy = ARGV[1], ARGV[2], tonumber(ARGV[3])
local known = fields(id, 'ref', 'ended', 'attempts', 'turn_until', 'ends', 'ends_by')
if not known[1] or known[2] then return {{0, -1}} end
local attempt, left = number(known[3]) + 1, number(known[4]) - now
local last = last_of(known[5], known[6])
if left > 0 and left <= math.max(busy, {MAX_PAUSE_SECONDS * 1000}) then return {{0, left}} end
must()
redis.call('HSET', call(id), 'attempts', whole(attempt), 'turn_until', whole(now + busy))
redis.call('HSETNX', call(id), 'state', state)
add(book .. ':due', now + busy, known[1], last)
return {{attempt, 0}}
""")
"""ARGV: a call's id, who asks for its end, how long a turn lasts at the most (ms). The number of
the attempt and 0; or 0, and in how many milliseconds it is another's turn, -1 for never."""

PAUSE_ENDING = Script(f"""{_BOOK}
local id, ends = ARGV[1], now + tonumber(ARGV[2])
local known = fields(id, 'ref', 'ended', 'ends', 'ends_by')
if not known[1] or known[2] then return 0 end
local last = last_of(known[3], known[4])
must()
redis.call('HSET', call(id), 'turn_until', whole(ends))
add(book .. ':due', ends, known[1], last)
return 1
""")
"""ARGV: a call's id, how long nobody may ask for its end (ms)."""

DUE = Script(f"""{_BOOK}
local busy, at_most = tonumber(ARGV[1]), tonumber(ARGV[2])
local due, found = book .. ':due', {{}}
must()
sweep({SWEPT_BY_CLOCK})
for _, ref in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, at_most)) do
  local id = names(ref)
  local kept = id and redis.call('TYPE', call(id))['ok'] == 'hash' and parts(id)
  if not kept or not kept[1] or kept[{len(PARTS)}] then
    leave(ref)
  else
    redis.call('ZADD', due, whole(now + busy), ref)
    found[#found + 1] = kept
  end
end
return {{now, found}}
""")
"""ARGV: for how long they are whose they are now (ms), how many. Now, and their parts."""

LIST = Script(f"""{_BOOK}
local which, after, limit, one = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local below = '+inf'
sweep({SWEPT_BY_CLOCK})
if after ~= '' then
  local known = fields(after, 'ref', 'moment')
  local _, caller = names(known[1] or '')
  if not caller or one and caller ~= one then return false end
  below = '(' .. whole(number(known[2]))
end
local found = {{}}
local function newest(index)
  local from, many = below, 0
  if one then index = index .. ':' .. one end
  for _ = 1, {PAGES} do
    local page = redis.call('ZREVRANGEBYSCORE', index, from, '-inf', 'WITHSCORES',
      'LIMIT', 0, limit)
    for place = 1, #page, 2 do
      local id, moment = names(page[place]), page[place + 1]
      local kept = id and parts(id)
      if kept and kept[1] then
        found[#found + 1] = {{tonumber(moment), kept}}
        many = many + 1
      else
        forget(page[place])
      end
      from = '(' .. moment
    end
    if many >= limit or #page < 2 * limit then return end
  end
end
if which ~= 'ended' then newest(book .. ':live') end
if which ~= 'live' then newest(book .. ':ended') end
table.sort(found, function(one, other) return one[1] > other[1] end)
local first = {{}}
for place = 1, math.min(limit, #found) do first[place] = found[place][2] end
return first
""")
"""ARGV: `live`, `ended` or `both`, the id of a call or nothing, how many, and a caller if it is for
one. Their parts; nil where there is no such call."""

# A lease that lies further ahead than any may was given by the clock of another Redis.
_TOO_FAR = MAX_LEASE_SECONDS * 1000

LEASE = Script(f"""{_BOOK}
local id, owner, busy = ARGV[1], ARGV[2], tonumber(ARGV[3])
local known = fields(id, 'ref', 'ended', 'owner', 'fence', 'leased_until', 'ends', 'ends_by')
if not known[1] or known[2] then return 0 end
local fence, left = number(known[4]), number(known[5]) - now
local last = last_of(known[6], known[7])
if known[3] ~= owner then
  if left > 0 and left <= {_TOO_FAR} then return 0 end
  fence = fence + 1
end
must()
redis.call('HSET', call(id), 'owner', owner, 'fence', whole(fence),
  'leased_until', whole(now + busy))
add(book .. ':leased', now + busy, known[1], last)
return fence
""")
"""ARGV: a call's id, who wants to watch it, for how long (ms). Its number; 0 if it may not."""

RELEASE = Script(f"""{_BOOK}
local id, owner = ARGV[1], ARGV[2]
local known = fields(id, 'ref', 'ended', 'owner')
if not known[1] or known[2] or known[3] ~= owner then return 0 end
must()
redis.call('HSET', call(id), 'leased_until', whole(now))
redis.call('ZADD', book .. ':leased', 'XX', whole(now), known[1])
return 1
""")
"""ARGV: a call's id, who watches it no more."""

ORPHANS = Script(f"""{_BOOK}
local at_most, found = tonumber(ARGV[1]), {{}}
local function find(from, to)
  local refs = redis.call('ZRANGEBYSCORE', book .. ':leased', from, to, 'LIMIT', 0, at_most)
  for _, ref in ipairs(refs) do
    local id = names(ref)
    local kept = id and redis.call('TYPE', call(id))['ok'] == 'hash' and parts(id)
    if not kept or not kept[1] or kept[{len(PARTS)}] then
      leave(ref)
    elseif #found < at_most then
      found[#found + 1] = kept
    end
  end
end
find('-inf', now)
find('(' .. whole(now + {_TOO_FAR}), '+inf')
return {{now, found}}
""")
"""ARGV: how many. Now, and the parts of calls that were leased, or were to be, and are no more."""

SAW = Script(f"""{_BOOK}
local id, seen, fence, ended, event = unpack(ARGV)
local known = fields(id, 'ref', 'fence', 'seen', 'ended')
local _, caller = names(known[1] or '')
if not caller or known[2] ~= fence then return 0 end
if known[3] == seen then return 1 end
if known[4] and ended == '0' then return 0 end
redis.call('HSET', call(id), 'seen', seen)
if event then tell('call.updated', caller, id, event) end
return 1
""")
"""ARGV: a call's id, what was seen of it, the number of whoever saw it, 1 if that one knows that
the call may have ended (or 0), and an event if there is one to tell. 0 if that number is not the
last one, or the call has ended unknown to whoever saw it."""
