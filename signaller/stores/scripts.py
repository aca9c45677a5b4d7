"""The steps on a grant that Redis must run as one.

A grant's record is one string: `<uses left>:<JSON>`, then a line for each call begun with it and
a line `!` once it was replayed. Without uses left there is no JSON: the record is a tombstone.
No more calls begin than the grant has uses, so the record stays small.
It is one key, because a Cluster that moves a slot refuses a script on two (TRYAGAIN), and because
a trail that is evicted before its grant would hide a replay.
"""

from dataclasses import dataclass, field
from hashlib import sha1


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
local kept = uses > 1 and body or ''
redis.call('SET', KEYS[1], string.format('%d:', uses - 1) .. kept .. trail, 'KEEPTTL')
return body
""")
"""KEYS: the grant. Takes one use: nil, the grant's JSON, or an array with a tombstone's trail."""

GIVE_BACK = Script(rf"""
local record = redis.call('GET', KEYS[1])
if not record then return 0 end
{_PARSED}
local left = math.min(uses + 1, tonumber(ARGV[2]))
local begun = string.gsub(trail, '\n!', '')
redis.call('SET', KEYS[1], string.format('%d:', left) .. ARGV[1] .. begun, 'KEEPTTL')
return left
""")
"""KEYS: the grant; ARGV: its JSON, the uses it was minted with. Adds one use to what is there, and
takes back the mark: what was tried in vain meanwhile must not end the next good call."""

LINK = Script(rf"""
local record = redis.call('GET', KEYS[1])
if not record then return 1 end
{_PARSED}
if has('!') then return 0 end
if not has(ARGV[1]) then redis.call('APPEND', KEYS[1], '\n' .. ARGV[1]) end
return 1
""")
"""KEYS: the grant; ARGV: a call's id. 0 if the grant was replayed, otherwise 1."""
