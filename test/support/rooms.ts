/** One rule for each room: what it is for, and which rooms its files may import. */
export interface Room {
  /** The folder; the files directly in it, not those in folders below. */
  readonly path: string;
  /** What the room does, as CONTRIBUTING.md prints it. */
  readonly does: string;
  /** The rooms that its files may import beside its own. `core/*` means every room of core/. */
  readonly uses: readonly string[];
  /** The packages that its files may import, `node:` modules included. */
  readonly packages: RegExp;
}

/** The packages that a house may import. The first pattern that fits the room's path counts. */
const packages: readonly [room: RegExp, allowed: RegExp][] = [
  [/^core\/rpc$/, /^@(connectrpc\/connect|bufbuild\/protobuf)(\/|$)/],
  [/^core\/content$/, /^mime$/],
  [/^core\//, /^$/],
  [/^web\//, /^(?!node:|@connectrpc\/connect-node)/],
  [/^/, /^/],
];

function room(path: string, does: string, uses: string): Room {
  const [, allowed] = packages.find(([pattern]) => pattern.test(path))!;
  return { path, does, uses: uses.split(" ").filter(Boolean), packages: allowed };
}

/** Top to bottom: a room uses only rooms above it, so there is no circle. */
export const rooms: readonly Room[] = [
  room("gen", "code that `buf generate` makes of proto/", ""),
  room("core/base", "clock, hash, bitfield, errors, rates", ""),
  room("core/torrent", "the torrent: its JSON, pieces, files, info hash", "core/base"),
  room("core/ports", "interfaces of peer, store, tracker and catalog", "core/base core/torrent"),
  room("core/download", "the engine: picker, swarm, receiver", "core/base core/torrent core/ports"),
  room("core/announce", "keeps a peer announced to its trackers", "core/base core/torrent core/ports"),
  room("core/upload", "publishes a file to peers that store it", "core/base core/torrent core/ports"),
  room("core/replication", "plans which volunteer copies which piece", "core/base core/torrent core/ports"),
  room("core/content", "content URLs: paths, conditions, ranges, lists", "core/base core/torrent"),
  room("core/rpc", "the ports over Connect", "core/base core/torrent core/ports gen"),
  room(
    "server/base",
    "Node's clock and hasher, file writes, long work in slices",
    "core/base core/torrent core/rpc",
  ),
  room("server/http/base", "types, addresses, errors, log", "core/base"),
  room(
    "server/http/guards",
    "what a call has to pass before it is answered",
    "core/base core/rpc server/base server/http/base",
  ),
  room(
    "server/http/direct",
    "fast answers to plain calls, without the RPC library",
    "core/base core/torrent core/rpc server/base server/http/base server/http/guards",
  ),
  room(
    "server/http/handling",
    "Connect's handlers, health, reflection",
    "core/base core/rpc gen server/base server/http/base server/http/guards server/http/direct",
  ),
  room(
    "server/http/listening",
    "one port for HTTP/1.1, HTTP/2 and TLS",
    "core/base gen server/http/base server/http/guards server/http/direct server/http/handling",
  ),
  room("server/http/client", "transports to other servers, proxies", "core/base core/rpc server/http/base"),
  room(
    "server/tracker/store",
    "contracts of the swarm's state, limits, checks",
    "core/base core/torrent core/ports server/http/base",
  ),
  room(
    "server/tracker/store/rules",
    "rules of the state that every store keeps",
    "core/base core/ports core/replication server/tracker/store",
  ),
  room(
    "server/tracker/store/memory",
    "the state in this process",
    "core/base core/ports server/tracker/store server/tracker/store/rules",
  ),
  room(
    "server/tracker/store/redis",
    "the state in Redis or Valkey",
    "core/base core/torrent core/ports server/base server/http/base server/http/guards server/tracker/store server/tracker/store/rules",
  ),
  room("server/tracker/metrics", "figures for Prometheus", "core/ports server/tracker/store"),
  room(
    "server/tracker/replication",
    "hands out orders to copy pieces",
    "core/* gen server/http/base server/tracker/store server/tracker/metrics",
  ),
  room(
    "server/tracker/announce",
    "takes announces, dials peers to prove addresses",
    "core/* gen server/base server/http/base server/http/client server/http/direct server/tracker/store server/tracker/metrics server/tracker/replication",
  ),
  room(
    "server/tracker/locate",
    "names the peers that hold each piece, round-robin",
    "core/* gen server/http/direct server/http/guards server/tracker/store server/tracker/metrics server/tracker/announce",
  ),
  room(
    "server/tracker/legacy",
    "the legacy contract: RegisterPeer, GetFilePieces",
    "core/* gen server/base server/http/base server/http/client server/http/direct server/http/guards server/tracker/store server/tracker/announce server/tracker/locate",
  ),
  room(
    "server/tracker",
    "starts a tracker from these rooms",
    "core/* gen server/base server/http/* server/tracker/*",
  ),
  room(
    "server/peer/stores",
    "pieces on disk: what is held, locks, power cuts",
    "core/base core/torrent core/ports server/base",
  ),
  room(
    "server/peer/transports",
    "asks other peers for pieces",
    "core/* gen server/base server/http/base server/http/client",
  ),
  room(
    "server/peer/announcing",
    "keeps the lease, on disk too",
    "core/* server/base server/http/base server/http/client server/peer/stores",
  ),
  room(
    "server/peer/serving",
    "answers with pieces, takes uploads",
    "core/* gen server/base server/http/* server/peer/stores server/peer/transports server/peer/announcing",
  ),
  room(
    "server/peer/volunteer",
    "copies what the tracker orders",
    "core/* server/base server/http/base server/http/client server/peer/stores server/peer/transports server/peer/announcing server/peer/serving",
  ),
  room(
    "server/peer/gateway",
    "fetches, caches and verifies what content URLs ask for",
    "core/* server/base server/http/base server/http/client server/peer/stores server/peer/transports server/peer/serving",
  ),
  room(
    "server/peer",
    "starts a peer from these rooms",
    "core/* server/base server/http/listening server/http/client server/peer/stores server/peer/announcing server/peer/serving server/peer/volunteer server/peer/gateway",
  ),
  room(
    "server/peer/downloading",
    "one download that serves what it has",
    "core/* server/base server/http/client server/peer server/peer/stores server/peer/transports",
  ),
  room(
    "server/peer/roles",
    "the parts of one peer as processes",
    "core/* server/base server/http/base server/http/client server/peer server/peer/*",
  ),
  room("server/catalog", "the web server of the torrents", "core/* gen server/base server/http/*"),
  room(
    "server/cli/line",
    "flags, help, output, progress, units, exit codes",
    "core/base core/torrent core/download server/http/base",
  ),
  room(
    "server/cli/clients",
    "reads torrents and asks servers",
    "core/* server/base server/http/client server/http/guards server/cli/line",
  ),
  room(
    "server/cli/doctor",
    "finds what is wrong and what to do",
    "core/* server/base server/http/guards server/http/client server/cli/line server/cli/clients",
  ),
  room(
    "server/cli/records",
    "what `explain` reads and prints",
    "core/* server/base server/cli/line server/cli/clients",
  ),
  room("server/cli/demo", "files and peers of `pieza up`", "core/torrent server/base server/cli/line"),
  room(
    "server/cli/servers",
    "starts servers from flags",
    "core/* server/base server/http/* server/cli/line server/cli/clients server/cli/records",
  ),
  room("server/cli/verbs", "one file for each verb", "core/* server/base server/http/base server/cli/*"),
  room("server/cli", "the program: the list of verbs", "server/base server/cli/line server/cli/verbs"),
  room(
    "web/src/base",
    "words, formats, messages to the worker",
    "core/base core/torrent core/ports core/content core/download core/upload",
  ),
  room("web/src/service", "the service worker: content URLs of the page's origin", "web/src/base"),
  room("web/src/swarm", "the map and the table of peers", "core/base core/ports core/download web/src/base"),
  room("web/src/preview", "shows files while they are downloaded", "core/content web/src/base"),
  room(
    "web/src/downloads",
    "cards of downloads, saving",
    "core/torrent core/ports core/download web/src/base web/src/swarm web/src/preview",
  ),
  room(
    "web/src/catalog",
    "the list of torrents, opening one",
    "core/ports web/src/base web/src/swarm web/src/downloads",
  ),
  room(
    "web/src/publishing",
    "drop, publish, share",
    "core/base core/upload web/src/base web/src/downloads web/src/catalog",
  ),
  room(
    "web/src/worker/storage",
    "pieces in the tab's storage",
    "core/base core/torrent core/ports web/src/base",
  ),
  room("web/src/worker", "the engine in a worker", "core/* web/src/base web/src/worker/storage"),
  room(
    "web/src",
    "puts the page together",
    "web/src/base web/src/preview web/src/downloads web/src/catalog web/src/publishing web/src/worker",
  ),
];

/**
 * The files of a house that another house may import: the command line starts servers and reads torrents by them, and
 * reaches no further inside. `server/http` and `server/base` are for every house.
 */
export const doors: Readonly<Record<string, readonly string[]>> = {
  "server/tracker": ["tracker.ts"],
  "server/catalog": ["catalog.ts"],
  "server/peer": [
    "peer.ts",
    "downloading/get.ts",
    "gateway/gateway.ts",
    "downloading/patience.ts",
    "downloading/shared-peer.ts",
    "roles/announce-role.ts",
    "roles/replicate-role.ts",
    "roles/serve-role.ts",
    "serving/inventory.ts",
    "serving/stored-torrents.ts",
    "stores/disk.ts",
    "stores/file-map.ts",
    "stores/in-place-files.ts",
    "stores/in-place-store.ts",
    "stores/source.ts",
    "stores/stale-parts.ts",
    "transports/plain-calls.ts",
    "transports/unusual-answer.ts",
    "volunteer/volunteer.ts",
  ],
};

/** The room of a file, undefined for one that lies in none. Everything generated is one room. */
export function roomOf(path: string): Room | undefined {
  const folder = path.startsWith("gen/") ? "gen" : path.slice(0, path.lastIndexOf("/"));
  return rooms.find((room) => room.path === folder);
}

/** Whether files of `from` may import files of `to`, by the rules alone. */
export function mayUse(from: Room, to: Room): boolean {
  const fits = (use: string) => (use.endsWith("/*") ? to.path.startsWith(use.slice(0, -1)) : to.path === use);
  return from === to || from.uses.some(fits);
}

/** The house of a room: the rooms of one server or of the page share it. */
export function houseOf(path: string): string {
  return /^(server\/[^/]+|[^/]+)/.exec(path)![0];
}

/** The rooms as CONTRIBUTING.md prints them, one line each. */
export function picture(): string {
  return rooms.map(({ path, does }) => `${path.padEnd(28)}${does}`).join("\n");
}
