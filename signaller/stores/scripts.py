"""The steps that Redis must run as one: on grants, warm secrets and rates.

A grant's record is one string: `<uses left>:<JSON>`, then a line for each call begun with it and
a line `!` once it was replayed, and a line `~` for each time that a use was given back and
counted. Without uses left there is no JSON: the record is a tombstone.
No more calls begin than the grant has uses, so the record stays small.
It is one key, because a Cluster that moves a slot refuses a script on two (TRYAGAIN), and because
a trail that is evicted before its grant would hide a replay.
"""

from dataclasses import dataclass, field
from hashlib import sha1

from signaller.stores.rates import WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest that EVALSHA knows it by."""

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


# Every write below keeps the key's TTL, comes last, and is one that a Redis at its maxmemory
# refuses (DEL it would not): a script that fails has changed nothing.
_PARSED = r"""
local uses, body, trail = string.match(record, '^(%d+):([^\n]*)(.*)$')
if not uses then return redis.error_reply('CORRUPT a grant without a count of uses') end
uses = tonumber(uses)
local function has(line) return string.find(trail .. '\n', '\n' .. line .. '\n', 1, true) end
"""

REDEEM = Script(rf"""
local record = redis.call('GET', KEYS[1])
if not record then return false end
{_PARSED}
if uses == 0 then
  if not has('!') then redis.call('APPEND', KEYS[1], '\n!') end
  return {{trail}}
end
if uses <= tonumber(ARGV[1]) then return {{trail}} end
local kept = uses > 1 and body or ''
redis.call('SET', KEYS[1], string.format('%d:', uses - 1) .. kept .. trail, 'KEEPTTL')
return body
""")
"""KEYS: the grant; ARGV: how many of its uses are withheld. Takes one of the others: nil, the
grant's JSON, or an array with the trail where there is none."""

GIVE_BACK = Script(rf"""
local record = redis.call('GET', KEYS[1])
if not record then return {{0, 0}} end
{_PARSED}
local at_most = tonumber(ARGV[3])
local begun = string.gsub(trail, '\n!', '')
if at_most >= 0 then
  local _, returns = string.gsub(begun, '\n~', '')
  if returns >= at_most then return {{0, uses}} end
  begun = begun .. '\n~'
end
local left = math.min(uses + 1, tonumber(ARGV[2]))
redis.call('SET', KEYS[1], string.format('%d:', left) .. ARGV[1] .. begun, 'KEEPTTL')
return {{1, left}}
""")
"""KEYS: the grant; ARGV: its JSON, the uses it was minted with, how often this may be done (-1:
uncounted). Adds one use to what is there, and clears the replay mark: an attempt while the token
was out must not end its next call. 1 if it did, otherwise 0; and how many uses are left."""

LINK = Script(rf"""
local record = redis.call('GET', KEYS[1])
if not record then return 1 end
{_PARSED}
if has('!') then return 0 end
if not has(ARGV[1]) then redis.call('APPEND', KEYS[1], '\n' .. ARGV[1]) end
return 1
""")
"""KEYS: the grant; ARGV: a call's id. 0 if the grant was replayed, otherwise 1."""

# Warm secrets are a cache. One holder's are in one slot, with a list of them (a sorted set) whose
# members are `<name>:<bytes>`, the one that goes first in front, and the sum of these bytes. The
# scripts name keys that they were not given: while a Cluster moves the slot they fail (TRYAGAIN),
# and a mint goes on without. The last quarter of a maxmemory is left to what is no cache.
PUT_WARM = Script(r"""
local list, sum, warm = KEYS[1], KEYS[1] .. ':bytes', KEYS[1] .. ':' .. ARGV[1]
local name, sealed, last_ms = ARGV[1], ARGV[2], ARGV[3]
local max_count, max_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local memory = redis.pcall('INFO', 'memory')
if type(memory) == 'string' then
  local used = tonumber(string.match(memory, 'used_memory:(%d+)') or 0)
  local most = tonumber(string.match(memory, 'maxmemory:(%d+)') or 0)
  if most > 0 and used + #sealed > most * 0.75 then return 0 end
end
if #sealed > max_bytes then return 0 end
local bytes = tonumber(redis.call('GET', sum) or 0)
local function unlist(member)
  local which, size = string.match(member, '^(.*):(%d+)$')
  if redis.call('ZREM', list, member) == 1 then bytes = bytes - size end
  return which
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, member in ipairs(redis.call('ZRANGEBYSCORE', list, '-inf', now)) do unlist(member) end
unlist(name .. ':' .. redis.call('STRLEN', warm))
local count = redis.call('ZCARD', list)
while count > 0 and (count >= max_count or bytes + #sealed > max_bytes) do
  redis.call('DEL', list .. ':' .. unlist(redis.call('ZRANGE', list, 0, 0)[1]))
  count = count - 1
end
redis.call('SET', warm, sealed, 'PXAT', last_ms)
redis.call('ZADD', list, last_ms, name .. ':' .. #sealed)
local last = string.format('%.0f', redis.call('ZREVRANGE', list, 0, 0, 'WITHSCORES')[2])
redis.call('PEXPIREAT', list, last)
redis.call('SET', sum, bytes + #sealed, 'PXAT', last)
redis.call('DEL', warm .. ':lease')
return 1
""")
"""KEYS: the holder's list; ARGV: a name, what is sealed, its last millisecond, how many and how
many bytes a holder may have. 1 if it is kept, for which its holder's next to go make room."""

DROP_WARM = Script(r"""
local list, sum, warm = KEYS[1], KEYS[1] .. ':bytes', KEYS[1] .. ':' .. ARGV[1]
local sealed = redis.call('GET', warm)
if not sealed or redis.sha1hex(sealed) ~= ARGV[2] then return 0 end
redis.call('DEL', warm)
local listed = redis.call('ZREM', list, ARGV[1] .. ':' .. #sealed) == 1
if listed and redis.call('EXISTS', sum) == 1 then redis.call('DECRBY', sum, #sealed) end
return 1
""")
"""KEYS: the holder's list; ARGV: a name, the SHA-1 of what is sealed. Forgets it if it is that."""

# A bucket is a list of times in microseconds, newest first. Redis's own clock, because those of
# replicas differ; it may be another one after a failover, or set back. Hits that lie ahead of it
# count as made just now, once and for all: they must neither be forgotten nor bar the bucket until
# the clock is there again. LPOP comes first, because a full Redis allows a script to push only
# after it has popped.
TAKE_HIT = Script(f"""
local limit, window = tonumber(ARGV[1]), {WINDOW_SECONDS} * 1000000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local stamp, ahead = string.format('%.0f', now), 0
local function hit(number) return tonumber(redis.call('LINDEX', KEYS[1], number - 1) or 0) end
while hit(1) > now do
  redis.call('LPOP', KEYS[1])
  ahead = ahead + 1
end
for _ = 1, ahead do redis.call('LPUSH', KEYS[1], stamp) end
if ahead > 0 then redis.call('PEXPIRE', KEYS[1], window / 1000) end
local first = now - window
local last = limit > 0 and hit(limit) or now
if last > first then return {{0, 0, last - first, now}} end
local count, above = 0, math.min(limit - 1, redis.call('LLEN', KEYS[1]))
while count < above do
  local middle = math.ceil((count + above) / 2)
  if hit(middle) > first then count = middle else above = middle - 1 end
end
if ARGV[2] == '1' then
  redis.call('LPUSH', KEYS[1], stamp)
  redis.call('LTRIM', KEYS[1], 0, count)
  redis.call('PEXPIRE', KEYS[1], window / 1000)
end
return {{1, limit - count - 1, 0, now}}
""")
"""KEYS: the bucket; ARGV: limit, 1 to count a hit and 0 to look only. 1 if one more is
allowed, and how many are left after it; or 0, 0 and the microseconds until one is. Then, in
microseconds, the moment that it was counted at."""
