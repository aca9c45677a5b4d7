"""The two steps that Redis must run as one: a grant's record is `<uses left>:<JSON>`."""

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


REDEEM = Script("""\
local record = redis.call('GET', KEYS[1])
if not record then return false end
local uses, body = string.match(record, '^(%d+):(.*)$')
if not uses then return redis.error_reply('CORRUPT a grant without a count of uses') end
if tonumber(uses) > 1 then
  redis.call('SET', KEYS[1], string.format('%d:', tonumber(uses) - 1) .. body, 'KEEPTTL')
else
  redis.call('DEL', KEYS[1])
end
return body
""")
"""KEYS: the grant. Takes one use; the grant's JSON, or nil."""

GIVE_BACK = Script("""\
local record = redis.call('GET', KEYS[1])
if not record then
  redis.call('SET', KEYS[1], '1:' .. ARGV[1], 'EXAT', ARGV[2])
  return 1
end
local uses = tonumber(string.match(record, '^(%d+):'))
if not uses then return redis.error_reply('CORRUPT a grant without a count of uses') end
local left = math.min(uses + 1, tonumber(ARGV[3]))
redis.call('SET', KEYS[1], string.format('%d:', left) .. ARGV[1], 'KEEPTTL')
return left
""")
"""KEYS: the grant; ARGV: its JSON, start_by, the uses it was minted with. Adds one use."""
