import { choice, flag, list, matching, type OptionValue, parsed, text, wholeNumber } from "./option-value.ts";
import { parseDuration, parsePieceRanges, parseSize } from "./units.ts";

/** One flag: its form, its help and the check of its value. */
export interface OptionSpec {
  /** The form that help shows, such as "-o, --out <path>". */
  readonly flags: string;
  readonly help: string;
  readonly value: OptionValue<unknown>;
  /** The flag may be given more than once; its variable separates values by commas or spaces. */
  readonly repeatable?: true;
}

/** The parts of a peer that can run as separate processes over one folder. */
const roles = ["serve", "announce", "replicate"] as const;

const url = parsed(parseUrl);

/** A server's URL without a final slash, the form in which peers and trackers are named. */
function parseUrl(value: string): string {
  const parsedUrl = URL.canParse(value) ? new URL(value) : undefined;
  if (!parsedUrl || !/^https?:$/.test(parsedUrl.protocol)) {
    throw new RangeError(`expected a URL such as http://127.0.0.1:50050, got "${value}"`);
  }
  return value.replace(/\/+$/, "");
}

const durationMs = parsed(parseDuration).optional();

/**
 * Every flag of every verb by its name in code. The environment variable of `--public-url` is PIEZA_PUBLIC_URL; the
 * command line takes precedence.
 */
export const options = {
  // Common
  json: flagOption("--json", "print events, one JSON object on each line"),
  noProgress: flagOption("--no-progress", "do not show progress"),
  quiet: flagOption("-q, --quiet", "print only errors and requested results"),
  verbose: flagOption("-v, --verbose", "print more: every peer, every log line, causes of errors"),
  data: textOption("--data <dir>", "folder for all state"),
  token: textOption("--token <token>", "bearer token for publishing, uploading and deleting"),
  ca: textOption("--ca <file>", "also trust the certificates in this PEM file"),

  // Servers
  host: textOption("--host <host>", "address to listen on (default 127.0.0.1)"),
  trackerPort: portOption("--port <port>", 50_050),
  catalogPort: portOption("--port <port>", 8080),
  peerPort: portOption("--port <port>", 50_051),
  gatewayPort: portOption("--port <port>", 8090),
  getPort: portOption("--port <port>", 0, "port to serve the downloaded pieces on (default: any free one)"),
  publicUrl: option("--public-url <url>", "URL at which others reach this server", url.optional()),
  tlsCert: textOption("--tls-cert <file>", "serve TLS with this certificate chain (PEM)"),
  tlsKey: textOption("--tls-key <file>", "private key of the certificate (PEM)"),
  allowedHost: textsOption(
    "--allowed-host <name>",
    "further host name of this server, for requests to loopback and for its own page (repeatable)",
  ),
  allowOrigin: textsOption(
    "--allow-origin <origin>",
    "web origin whose pages may publish or upload here (repeatable)",
  ),
  open: flagOption("--open", "require no token: anyone who reaches this server may change it"),
  noRateLimit: flagOption("--no-rate-limit", "do not limit the requests and leases of each address"),
  allowNetwork: textsOption(
    "--allow-network <cidr>",
    "network in which peers may also have addresses (repeatable)",
  ),
  trustedProxy: textsOption(
    "--trusted-proxy <cidr>",
    "network whose proxies give the client's address in X-Forwarded-For (repeatable)",
  ),
  store: option(
    "--store <url>",
    "keep the state in this Redis (7.0 or later) or Valkey, to share it with other trackers: redis://host:6379",
    matching(/^rediss?:\/\/\S+$/, "a URL such as redis://127.0.0.1:6379").optional(),
  ),
  memory: sizeOption(
    "--memory <size>",
    "memory for the tracker, which refuses peers beyond that (default: half of the machine's or container's)",
  ),
  logRequests: flagOption("--log-requests", "log every served piece, one JSON object on each line"),
  page: textOption("--page <dir>", "serve the built page in this folder instead of the included one"),

  acceptUploads: sizeOption(
    "--accept-uploads <size>",
    "space for uploads of torrents of --catalog by publishers with the token (default: none)",
  ),
  uploadExpiry: option(
    "--upload-expiry <time>",
    "delete an upload this long after its last piece arrived (default 30d)",
    parsed(parseDuration).default(30 * 86_400_000),
  ),
  uploadPeer: urlsOption(
    "--upload-peer <url>",
    "peer that accepts uploads with this catalog's token (repeatable)",
  ),
  namedGateways: urlsOption(
    "--gateway <url>",
    "gateway to this catalog, whose content URLs its Metalinks have (repeatable)",
  ),

  volunteer: sizeOption(
    "--volunteer <size>",
    "space for copies of torrents of --catalog that a tracker orders (default: none)",
  ),
  limitCopies: rateOption(
    "--limit-copies <rate>",
    "limit the bytes per second of copying for --volunteer, such as 2MiB",
  ),
  gateway: flagOption(
    "--gateway",
    "serve every torrent of --catalog at content URLs; pieces that are missing here are fetched from the swarm",
  ),
  cache: option(
    "--cache <size>",
    "space for the pieces that a gateway fetches (default 10GB)",
    parsed(parseSize).default(10_000_000_000),
  ),
  gatewayGiveUpAfter: option(
    "--give-up-after <time>",
    "answer 504 after this long in which no piece arrives for a reader (default 30s)",
    parsed(parseDuration).default(30_000),
  ),
  zone: textOption(
    "--zone <name>",
    "name of a group of near machines, such as a rack: its peers are asked first, copies spread over zones",
  ),
  role: option(
    "--role <part>",
    `run one part of a peer: ${roles.join(", ")}; run the others with the same --data and --port`,
    choice(roles).optional(),
  ),
  drainTimeout: option(
    "--drain-timeout <time>",
    "at SIGTERM, serve for at most this long while others copy what only this peer has (default 60s)",
    parsed(parseDuration).default(60_000),
  ),
  scrubEvery: option(
    "--scrub-every <time>",
    "how often to hash every held piece again, with uploads or copies (default 1d)",
    parsed(parseDuration).default(86_400_000),
  ),
  limitScrub: option(
    "--limit-scrub <rate>",
    "limit the bytes per second that are read for that (default 4MiB)",
    parsed(parseRate).default(4 << 20),
  ),

  // up
  upTrackerPort: portOption("--tracker-port <port>", 50_050),
  upCatalogPort: portOption("--catalog-port <port>", 8080),
  upGatewayPort: portOption("--gateway-port <port>", 8090),
  upPeerPort: portOption(
    "--peer-port <port>",
    50_051,
    "port of the first peer, followed by those of the others; 0 = any free ones (default 50051)",
  ),

  // Torrents
  torrents: textsOption("--torrent <file>", "torrent of a PATH (repeatable; default: PATH.json)"),
  createdTorrents: textsOption(
    "--torrent <file>",
    "existing torrent to use for a PATH instead of a new one (repeatable)",
  ),
  inventory: textOption("--inventory <file>", "serve only the pieces that this JSON file lists"),
  pieces: option(
    "--pieces <numbers>",
    "serve only these pieces of the one PATH, such as 1-40,60",
    parsed(parsePieceRanges).optional(),
  ),
  exclude: textsOption(
    "--exclude <pattern>",
    "leave out what fits in a folder: *.tmp, .git or cache/** (repeatable)",
  ),
  followLinks: flagOption("--follow-links", "share the files and folders that links in a folder lead to"),
  bittorrent: flagOption("--bittorrent", "also store the SHA-1 of each piece, which BitTorrent clients need"),
  pieceLength: sizeOption(
    "--piece-length <size>",
    "a power of two from 16KiB to 16MiB (default: chosen by the size)",
  ),
  comment: textOption("--comment <text>", "comment that people see"),
  replicationTarget: option(
    "--replication-target <n>",
    "copies of each piece that volunteers keep",
    wholeNumber(1, 1_000, "a whole number, 1 to 1000").optional(),
  ),
  trackerTarget: targetOption(0),
  upTarget: targetOption(2),
  createOut: textOption(
    "-o, --out <file>",
    "file for the torrent, - for standard output (default NAME.json)",
  ),
  name: textOption("--name <name>", "name in the catalog (default: the file's name without .json)"),
  replace: flagOption("--replace", "replace another torrent that has this name"),

  // Where to look
  catalog: option(
    "--catalog <url>",
    "URL of the catalog (default http://127.0.0.1:8080)",
    url.default("http://127.0.0.1:8080"),
  ),
  tracker: urlsOption("--tracker <url>", "tracker in addition to those of the torrent (repeatable)"),

  namedTrackers: urlsOption(
    "--tracker <url>",
    "tracker that clients should use (repeatable; default http://127.0.0.1:50050)",
  ),

  // Downloads
  out: textOption("-o, --out <path>", "path of the finished file or folder, - for standard output"),
  dir: textOption("-d, --dir <dir>", "folder for the file (default: the current one)"),
  select: textsOption(
    "--select <files>",
    "files of a folder: numbers from `pieza info`, such as 1,3-5, or a pattern such as '*.pdf' (repeatable)",
  ),
  jobs: option(
    "-j, --jobs <n>",
    "torrents to download at a time (default 3)",
    wholeNumber(1, 64, "a whole number, 1 to 64").default(3),
  ),
  overwrite: flagOption("--replace", "replace an existing file; in a folder, only the torrent's own files"),
  reuse: textsOption(
    "--reuse <path>",
    "file or folder, such as an older version, whose right pieces are taken and not downloaded (repeatable)",
  ),
  removeStale: flagOption(
    "--remove-stale",
    "afterwards, remove what unfinished downloads of other versions have left beside the file",
  ),
  sync: option(
    "--sync <when>",
    "flush to disk after each piece, in batches, or never: piece, batch or none (default batch)",
    choice(["piece", "batch", "none"]).default("batch"),
  ),
  transport: option(
    "--transport <kind>",
    "protocol to peers: auto (the fastest that a peer speaks), grpc or connect (default auto)",
    choice(["auto", "grpc", "connect"]).default("auto"),
  ),
  sequential: flagOption("--sequential", "download pieces in order instead of rarest first"),
  giveUpAfter: option(
    "--give-up-after <time>",
    "exit with code 4 after this long without hope of a piece; a right piece starts it anew (default: wait)",
    durationMs,
  ),
  limitDownload: rateOption(
    "--limit-download <rate>",
    "limit the bytes per second of downloads, such as 2MiB",
  ),
  limitUpload: rateOption("--limit-upload <rate>", "limit the bytes per second of uploads, such as 2MiB"),
  seedAfter: option(
    "--seed-after <time>",
    "seed for this long after the download (default: stop)",
    durationMs,
  ),
} as const satisfies Record<string, OptionSpec>;

function option<T>(flags: string, help: string, value: OptionValue<T>) {
  return { flags, help, value };
}

function flagOption(flags: string, help: string) {
  return option(flags, help, flag);
}

function textOption(flags: string, help: string) {
  return option(flags, help, text.optional());
}

function textsOption(flags: string, help: string) {
  return { ...option(flags, help, list(text)), repeatable: true } as const;
}

function urlsOption(flags: string, help: string) {
  return { ...option(flags, help, list(url)), repeatable: true } as const;
}

function sizeOption(flags: string, help: string) {
  return option(flags, help, parsed(parseSize).optional());
}

function rateOption(flags: string, help: string) {
  return option(flags, help, parsed(parseRate).optional());
}

function parseRate(value: string): number {
  const rate = parseSize(value.replace(/\/s$/, ""));
  if (rate === 0) throw new RangeError("must be more than 0");
  return rate;
}

function portOption(flags: string, value: number, help = `port, 0 = any free one (default ${value})`) {
  return option(flags, help, wholeNumber(0, 65_535, "a port, 0 to 65535").default(value));
}

function targetOption(target: number) {
  return option(
    "--replication-target <n>",
    `copies of each piece that volunteers keep, for torrents without a target (default ${target})`,
    wholeNumber(0, 10, "a whole number, 0 to 10").default(target),
  );
}

export type OptionName = keyof typeof options;

/** The checked values of these flags. */
export type Flags<Name extends OptionName> = {
  [N in Name]: ReturnType<(typeof options)[N]["value"]["read"]>;
};

export const commonOptions = ["json", "noProgress", "quiet", "verbose", "data", "token", "ca"] as const;
export type CommonOption = (typeof commonOptions)[number];

export const serverOptions = [
  "host",
  "publicUrl",
  "tlsCert",
  "tlsKey",
  "allowedHost",
  "allowOrigin",
  "noRateLimit",
] as const;
export type ServerOption = (typeof serverOptions)[number];
