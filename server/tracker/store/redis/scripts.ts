import { createHash } from "node:crypto";

/** A script that Redis runs atomically. Its text is constant: keys and values reach it only as KEYS and ARGV. */
export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

export function script(text: string): RedisScript {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/** Redis' own time in microseconds since 1970. */
const TIME = `
local function microseconds()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
`;

/**
 * ARGV[1] is the time in ms, or empty for Redis' own time, which all replicas share. KEYS[1] is the sorted set of
 * leases: a positive score is the time at which the lease ends, a negative one the time at which a tracker began to
 * remove it.
 */
const LEASES = `${TIME}
local now = tonumber(ARGV[1]) or math.floor(microseconds() / 1000)
local function live(lease)
  local score = redis.call('ZSCORE', KEYS[1], lease)
  return score and tonumber(score) > now
end
`;

/**
 * KEYS[1] is a table: a hash of rows by field, with its version at 'v' and its bytes at 'b'. The version begins with
 * the time in microseconds, so that a table that went and came back never has a version that it had before. A row is
 * revision (16 digits), place (16 digits), bytes (8 digits) and rest. A new row's place is the table's version.
 */
const TABLE = `${TIME}
local function nextVersion(bytes)
  if redis.call('HEXISTS', KEYS[1], 'v') == 1 then return redis.call('HINCRBY', KEYS[1], 'v', 1) end
  local version = microseconds()
  redis.call('HSET', KEYS[1], 'v', string.format('%.0f', version), 'b', bytes)
  return version
end
local function placeOf(row, version)
  return row and #row >= 40 and string.sub(row, 17, 32) or string.format('%016.0f', version)
end
`;

/**
 * Opens a lease. KEYS: leases, lease, address, source. ARGV: now, digest, value, time to live, cap on leases, cap on
 * leases of one source (-1: none), whether it has an address (1), expiry of the keys. Returns "ok", or what prevents
 * it: "held" (address), "remains" (an ended lease of this id), "source" or "leases" (a cap).
 */
export const openLease = script(`${LEASES}
local lease = ARGV[2]
if ARGV[7] == '1' then
  local holder = redis.call('GET', KEYS[3])
  if holder and live(holder) then return 'held' end
end
if redis.call('ZSCORE', KEYS[1], lease) then return 'remains' end
if tonumber(ARGV[6]) >= 0 then
  local count = 0
  for _, other in ipairs(redis.call('SMEMBERS', KEYS[4])) do
    if live(other) then count = count + 1 else redis.call('SREM', KEYS[4], other) end
  end
  if count >= tonumber(ARGV[6]) then return 'source' end
end
if redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now), '+inf') >= tonumber(ARGV[5]) then return 'leases' end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[4])), lease)
redis.call('PEXPIRE', KEYS[1], ARGV[8])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[8])
if ARGV[7] == '1' then redis.call('SET', KEYS[3], lease, 'PX', ARGV[8]) end
redis.call('SADD', KEYS[4], lease)
redis.call('PEXPIRE', KEYS[4], ARGV[8])
return 'ok'
`);

/** Finds a lease. KEYS: leases, lease. ARGV: now, digest. Returns the value of a live lease. */
export const findLease = script(`${LEASES}
if not live(ARGV[2]) then return false end
return redis.call('GET', KEYS[2])
`);

/**
 * Renews a lease. KEYS: leases, lease. ARGV: now, digest, time to live, value before, value after, expiry of the
 * keys. Empty values: no change. Returns nothing if the lease has ended, "changed" if its value is not the one
 * before, else the value and whether the expiry of the lease's keys is to be renewed (1).
 */
export const renewLease = script(`${LEASES}
local value = redis.call('GET', KEYS[2])
if not value or not live(ARGV[2]) then return false end
if ARGV[4] ~= '' then
  if value ~= ARGV[4] then return 'changed' end
  value = ARGV[5]
  redis.call('SET', KEYS[2], value, 'KEEPTTL')
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[3])), ARGV[2])
local due = redis.call('PTTL', KEYS[2]) < tonumber(ARGV[6]) * 3 / 4
return { value, due and 1 or 0 }
`);

/**
 * Claims a lease for removal. KEYS: leases. ARGV: now, digest, whether to end a live lease too (1). Returns 1 if the
 * caller has to remove the lease: no other tracker has claimed it in the last 5 s.
 */
export const claimLease = script(`${LEASES}
local score = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[2]) or '')
if not score then return 0 end
if ARGV[3] ~= '1' then
  if score > now then return 0 end
  if score <= 0 and -score > now - 5000 then return 0 end
end
redis.call('ZADD', KEYS[1], string.format('%.0f', -now), ARGV[2])
return 1
`);

/** The last step of removing a lease. KEYS: leases, lease, joined, declared, address, source. ARGV: digest. */
export const purgeLease = script(`
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) > 0 then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
if redis.call('GET', KEYS[5]) == ARGV[1] then redis.call('DEL', KEYS[5]) end
redis.call('SREM', KEYS[6], ARGV[1])
return 1
`);

/**
 * Notes that a lease takes part in a swarm. KEYS: leases, joined. ARGV: now, digest, info hash, total pieces, cap on
 * torrents, expiry of the keys. Returns "ended", "full", or the number of pieces noted before.
 */
export const noteJoined = script(`${LEASES}
if not live(ARGV[2]) then return 'ended' end
local before = redis.call('HGET', KEYS[2], ARGV[3])
if not before and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5]) then return 'full' end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return before or ''
`);

/**
 * Writes one row. KEYS: a table. ARGV: field, revision, bytes, rest, whether it replaces a newer row (1), bytes of a
 * new table without rows, expiry of the table, and the version that the table must have, if not empty. Returns the
 * bytes of the whole table, or -1 if the row there is at least as new or the table has changed.
 */
export const putRow = script(`${TABLE}
if ARGV[8] ~= '' and redis.call('HGET', KEYS[1], 'v') ~= ARGV[8] then return -1 end
local row = redis.call('HGET', KEYS[1], ARGV[1])
if row and ARGV[5] ~= '1' and string.sub(row, 1, 16) >= ARGV[2] then return -1 end
local place = placeOf(row, nextVersion(ARGV[6]))
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. place .. ARGV[3] .. ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return redis.call('HINCRBY', KEYS[1], 'b', tonumber(ARGV[3]) - (row and tonumber(string.sub(row, 33, 40)) or 0))
`);

/**
 * Changes several rows, all or none. KEYS: a table. ARGV: the version that the table must have (empty: there is no
 * table), its expiry, and pairs of a field and the rest of its row; an empty rest removes the row. Returns 1, or 0 if
 * the table has another version.
 */
export const changeRows = script(`${TABLE}
if (redis.call('HGET', KEYS[1], 'v') or '') ~= ARGV[1] then return 0 end
local version = nextVersion(0)
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    local place = placeOf(redis.call('HGET', KEYS[1], ARGV[i]), version)
    redis.call('HSET', KEYS[1], ARGV[i], string.rep('0', 16) .. place .. string.rep('0', 8) .. ARGV[i + 1])
  end
end
if redis.call('HLEN', KEYS[1]) <= 2 then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
`);

/**
 * Counts a change of a swarm. KEYS: changes, changed. ARGV: swarm, expiry of both. The time of the first change is
 * kept, so that readers notice when Redis has lost the count.
 */
export const noteChange = script(`${TIME}
if redis.call('HEXISTS', KEYS[1], 'since') == 0 then
  redis.call('HSET', KEYS[1], 'since', string.format('%.0f', microseconds()), 'count', 0)
end
redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'count', 1), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
`);

/**
 * Appends votes. KEYS: votes. ARGV: how many the stream keeps, for how long in ms, and pairs of a network and a URL.
 * The ids that Redis gives to entries are the times at which they were appended.
 */
export const tellVotes = script(`${TIME}
for i = 3, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'network', ARGV[i], 'url', ARGV[i + 1])
end
redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', microseconds() / 1000 - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

/**
 * Reads votes. KEYS: votes. ARGV: the id of the last entry read (empty: none), for how long entries count in ms, and
 * how many to return. Returns the time in ms and the entries after that id.
 */
export const readVotes = script(`${TIME}
local now = math.floor(microseconds() / 1000)
local from = ARGV[1] ~= '' and '(' .. ARGV[1] or string.format('%.0f', now - ARGV[2])
return { now, redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[3]) }
`);

/** Removes one row. KEYS: a table. ARGV: field. Returns the bytes left, 0 without rows, -1 if there was no row. */
export const removeRow = script(`
local row = redis.call('HGET', KEYS[1], ARGV[1])
if not row then return -1 end
redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('HLEN', KEYS[1]) <= 2 then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('HINCRBY', KEYS[1], 'v', 1)
-- 0 - x and not -x: Redis takes -0 for no integer.
return redis.call('HINCRBY', KEYS[1], 'b', 0 - (tonumber(string.sub(row, 33, 40)) or 0))
`);

/** Gives a table a new version if it has the row. KEYS: a table. ARGV: field. */
export const touchRow = script(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HINCRBY', KEYS[1], 'v', 1) end
`);

/** Books bytes. KEYS: sorted set, sum of the set. ARGV: member, its bytes (0: it is gone), expiry of both. */
export const account = script(`
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
if ARGV[2] == '0' then redis.call('ZREM', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
redis.call('INCRBY', KEYS[2], string.format('%.0f', tonumber(ARGV[2]) - before))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
`);
