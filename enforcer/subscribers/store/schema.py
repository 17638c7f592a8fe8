"""What is in the store: keys, values, lifetimes, and the script that keeps older news from undoing newer.

    enforcer:1:<namespace>:r:<name>   a record: sealed events, each behind 2 octets of length (network order)
    enforcer:1:<namespace>:events     a stream of what happened: o, who wrote it; e, the sealed event

docs/shared-store.md describes it for operators.
"""

from __future__ import annotations

import struct

from enforcer.subscribers.store.encoding import TRAIL_BYTES, Role

KEEP = 1.0
"""Times the sessions' time to live that a record is kept after its latest event. After one a session is stale, and
its end is forgotten by the tables: to read of either again would only raise doubts."""

STREAM_LENGTH = 200_000
"""Events in the stream, about: 40 s of 5,000 a second. Who was away for longer reads every record anew."""

NEWS, PASSING, OFFER = b"n", b"p", b"o"
"""How an event comes: as news; as news too odd to be kept; or as what a gateway knows and the store may not."""

SHORTEST = TRAIL_BYTES + 11
"""Octets that every sealed event has, and more."""

_LENGTH = struct.Struct(">H")


def record_prefix(namespace: str) -> str:
    """What the keys of records begin with."""
    return f"enforcer:1:{namespace}:r:"


def stream_key(namespace: str) -> str:
    """The key of the stream."""
    return f"enforcer:1:{namespace}:events"


def split_record(value: bytes) -> list[bytes]:
    """The sealed events of a record. What is cut short is left out; never raises."""
    events: list[bytes] = []
    position = 0
    while position + _LENGTH.size <= len(value):
        (length,) = _LENGTH.unpack_from(value, position)
        position += _LENGTH.size
        if position + length > len(value):
            break
        events.append(value[position : position + length])
        position += length
    return events


PUT = f"""
-- KEYS: a record for each event, then the stream.
-- ARGV: who writes; length of the stream; ms to keep; then each event and how it comes.
-- A record keeps the latest event in each role, and the earliest that names addresses of a family, so that a
-- gateway that reads it learns since when. On equal times the later to arrive wins, unless it is an offer.
-- What is older than a Start was said of an earlier session with the same id, and goes.
local ROLES = {{ {", ".join(str(int(role)) for role in Role)} }}
local FIRST = {{ [{int(Role.IPV4)}] = true, [{int(Role.IPV6)}] = true }}
local stream, origin, length, keep_ms = KEYS[#KEYS], ARGV[1], ARGV[2], tonumber(ARGV[3])
local told = 0

local function has(event, role)
  return bit.band(event:byte(2), role) ~= 0
end

local function time_of(event)
  return (struct.unpack('>d', event, 3))
end

-- The events of a record. What somebody else left there must not keep us from writing: it is not among them.
local function known_of(key)
  local value, events, position = redis.pcall('GET', key), {{}}, 1
  if type(value) ~= 'string' then return events end
  while position + 1 <= #value do
    local size = struct.unpack('>I2', value, position)
    local event = value:sub(position + 2, position + 1 + size)
    if #event < {SHORTEST} then break end
    if math.abs(time_of(event)) < 1e11 then events[#events + 1] = event end
    position = position + 2 + size
  end
  return events
end

local function keep(key, event, offered)
  local events = known_of(key)
  for _, known in ipairs(events) do
    if known:sub(1, -{TRAIL_BYTES + 1}) == event:sub(1, -{TRAIL_BYTES + 1}) then return 'same' end
  end
  local new = #events + 1
  events[new] = event
  local at, begun, newest, kept = {{}}, -math.huge, -math.huge, {{}}
  for i, one in ipairs(events) do
    at[i] = time_of(one)
    if has(one, {int(Role.START)}) and at[i] > begun then begun = at[i] end
  end
  for _, role in ipairs(ROLES) do
    local first, last
    for i, one in ipairs(events) do
      if at[i] >= begun and has(one, role) then
        if not last or at[i] > at[last] or (at[i] == at[last] and not offered) then last = i end
        if not first or at[i] < at[first] then first = i end
      end
    end
    if last then kept[last] = true end
    if first and FIRST[role] then kept[first] = true end
  end
  if not kept[new] then return 'older' end
  local parts = {{}}
  for i, one in ipairs(events) do
    if kept[i] then
      parts[#parts + 1] = struct.pack('>I2', #one) .. one
      if at[i] > newest then newest = at[i] end
    end
  end
  redis.call('SET', key, table.concat(parts))
  redis.call('PEXPIREAT', key, string.format('%.0f', newest * 1000 + keep_ms))
  return 'kept'
end

for i = 1, #KEYS - 1 do
  local event, how = ARGV[2 * i + 2], ARGV[2 * i + 3]
  local became = 'passing'
  if how ~= '{PASSING.decode()}' then became = keep(KEYS[i], event, how == '{OFFER.decode()}') end
  if became ~= 'same' and (how ~= '{OFFER.decode()}' or became == 'kept') then
    redis.call('XADD', stream, 'MAXLEN', '~', length, '*', 'o', origin, 'e', event)
    told = told + 1
  end
end
if told > 0 then redis.call('PEXPIRE', stream, keep_ms) end
return told
"""
