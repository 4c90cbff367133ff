import { createHash } from "node:crypto";

/** A script that Redis runs as one step. Its text is constant: keys and values reach it as KEYS and ARGV alone. */
export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

export function script(text: string): RedisScript {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/**
 * ARGV[1] is the time in ms, or empty for the server's own: replicas of one tracker share that clock. KEYS[1] is the
 * sorted set of leases: a positive score is when the lease ends, a negative one when somebody began to take it away.
 */
const LEASES = `
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function live(lease)
  local score = redis.call('ZSCORE', KEYS[1], lease)
  return score and tonumber(score) > now
end
`;

/**
 * KEYS: leases, lease, address, source. ARGV: now, digest, value, time to live, cap on leases, cap on leases of one
 * source (-1: none), whether it has an address, net. Returns what hindered it, or "ok".
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

/** KEYS: leases, lease. ARGV: now, digest. Returns the value of a live lease. */
export const findLease = script(`${LEASES}
if not live(ARGV[2]) then return false end
return redis.call('GET', KEYS[2])
`);

/**
 * KEYS: leases, lease. ARGV: now, digest, time to live, value before, value after, net. Empty values: no change.
 * Returns nothing if the lease has ended, "changed" if its value is another than before, else the value and whether
 * the net below everything of this lease is to be renewed.
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
 * KEYS: leases. ARGV: now, digest, whether it ends although its time is not over. Returns 1 if the caller is to take
 * the lease away: nobody else has begun to in the last 5 s.
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

/** KEYS: leases, lease, joined, declared, address, source. ARGV: digest. The last step of taking a lease away. */
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
 * KEYS: leases, joined. ARGV: now, digest, info hash, total pieces, cap on torrents, net. Notes what the lease takes
 * part in. Returns "ended", "full", or the number of pieces noted before.
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
 * KEYS: a table. ARGV: field, revision (16 digits), bytes (8 digits), rest, whether it replaces a newer one, bytes of
 * the table itself, net, and the version that the table has to have, if not empty. A row is revision, place (16 digits), bytes, rest. A new row's place is the table's version,
 * which begins with the time in us, so that a table that went and came back never has a version that it had before.
 * Returns the bytes of the whole table, or -1 if the row there is as new or the table has changed.
 */
export const putRow = script(`
if ARGV[8] ~= '' and redis.call('HGET', KEYS[1], 'v') ~= ARGV[8] then return -1 end
local row = redis.call('HGET', KEYS[1], ARGV[1])
if row and ARGV[5] ~= '1' and string.sub(row, 1, 16) >= ARGV[2] then return -1 end
local version
if redis.call('HEXISTS', KEYS[1], 'v') == 1 then
  version = redis.call('HINCRBY', KEYS[1], 'v', 1)
else
  local time = redis.call('TIME')
  version = time[1] * 1000000 + time[2]
  redis.call('HSET', KEYS[1], 'v', string.format('%.0f', version), 'b', ARGV[6])
end
local place = row and #row >= 40 and string.sub(row, 17, 32) or string.format('%016.0f', version)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. place .. ARGV[3] .. ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return redis.call('HINCRBY', KEYS[1], 'b', tonumber(ARGV[3]) - (row and tonumber(string.sub(row, 33, 40)) or 0))
`);

/**
 * KEYS: a table. ARGV: the version that it has to have (empty: there is no table), net, and pairs of a field and what
 * its row is to say, or nothing: then it goes. All of it or nothing. Returns 1, or 0 if the table has another version.
 */
export const changeRows = script(`
if (redis.call('HGET', KEYS[1], 'v') or '') ~= ARGV[1] then return 0 end
local version
if ARGV[1] ~= '' then
  version = redis.call('HINCRBY', KEYS[1], 'v', 1)
else
  local time = redis.call('TIME')
  version = time[1] * 1000000 + time[2]
  redis.call('HSET', KEYS[1], 'v', string.format('%.0f', version), 'b', 0)
end
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    local row = redis.call('HGET', KEYS[1], ARGV[i])
    local place = row and #row >= 40 and string.sub(row, 17, 32) or string.format('%016.0f', version)
    redis.call('HSET', KEYS[1], ARGV[i], string.rep('0', 16) .. place .. string.rep('0', 8) .. ARGV[i + 1])
  end
end
if redis.call('HLEN', KEYS[1]) <= 2 then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
`);

/** KEYS: changes, changed. ARGV: swarm, net. Counts a change from when there was nothing, so that a loss shows. */
export const noteChange = script(`
if redis.call('HEXISTS', KEYS[1], 'since') == 0 then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'since', string.format('%.0f', time[1] * 1000000 + time[2]), 'count', 0)
end
redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'count', 1), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
`);

/**
 * KEYS: votes. ARGV: how many are kept, how long in ms, and pairs of a network and a URL. The stream's own ids are the
 * times at which they were told.
 */
export const tellVotes = script(`
for i = 3, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'network', ARGV[i], 'url', ARGV[i + 1])
end
local time = redis.call('TIME')
redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', time[1] * 1000 + time[2] / 1000 - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

/**
 * KEYS: votes. ARGV: the id of the last one read, or empty, how long they are kept in ms, and how many to return.
 * Returns the time in ms and the entries behind.
 */
export const readVotes = script(`
local time = redis.call('TIME')
local now = math.floor(time[1] * 1000 + time[2] / 1000)
local from = ARGV[1] ~= '' and '(' .. ARGV[1] or string.format('%.0f', now - ARGV[2])
return { now, redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[3]) }
`);

/** KEYS: a table. ARGV: field. Returns the bytes of what is left of the table, 0 if nothing, -1 if it was not there. */
export const removeRow = script(`
local row = redis.call('HGET', KEYS[1], ARGV[1])
if not row then return -1 end
redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('HLEN', KEYS[1]) <= 2 then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('HINCRBY', KEYS[1], 'v', 1)
-- 0 - 0 is 0, but -(0) is -0, which is no integer for Redis.
return redis.call('HINCRBY', KEYS[1], 'b', 0 - (tonumber(string.sub(row, 33, 40)) or 0))
`);

/** KEYS: a table. ARGV: field. Something that the row stands for has changed. */
export const touchRow = script(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HINCRBY', KEYS[1], 'v', 1) end
`);

/** KEYS: sorted set, sum. ARGV: member, its bytes (0: it is gone), net. Keeps the sum that of the set. */
export const account = script(`
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
if ARGV[2] == '0' then redis.call('ZREM', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
redis.call('INCRBY', KEYS[2], string.format('%.0f', tonumber(ARGV[2]) - before))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
`);
