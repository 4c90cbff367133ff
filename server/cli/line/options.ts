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

const optionalText = text.optional();
const texts = list(text);
const url = parsed(parseUrl);

/** A server's URL without a final slash, the form in which peers and trackers are named. */
function parseUrl(value: string): string {
  const parsedUrl = URL.canParse(value) ? new URL(value) : undefined;
  if (!parsedUrl || !/^https?:$/.test(parsedUrl.protocol)) {
    throw new RangeError(`expected a URL such as http://127.0.0.1:50050, got "${value}"`);
  }
  return value.replace(/\/+$/, "");
}

function port(value: number) {
  return wholeNumber(0, 65_535, "a port, 0 to 65535").default(value);
}

const size = parsed(parseSize).optional();
const durationMs = parsed(parseDuration).optional();

/**
 * Every flag of every verb by its name in code. The environment variable of `--public-url` is PIEZA_PUBLIC_URL; the
 * command line takes precedence.
 */
export const options = {
  // Common
  json: { flags: "--json", help: "print events, one JSON object on each line", value: flag },
  noProgress: { flags: "--no-progress", help: "do not show progress", value: flag },
  quiet: { flags: "-q, --quiet", help: "print only errors and requested results", value: flag },
  verbose: {
    flags: "-v, --verbose",
    help: "print more: every peer, every log line, causes of errors",
    value: flag,
  },
  data: { flags: "--data <dir>", help: "folder for all state", value: optionalText },
  token: {
    flags: "--token <token>",
    help: "bearer token for publishing, uploading and deleting",
    value: optionalText,
  },
  ca: { flags: "--ca <file>", help: "also trust the certificates in this PEM file", value: optionalText },

  // Servers
  host: { flags: "--host <host>", help: "address to listen on (default 127.0.0.1)", value: optionalText },
  trackerPort: portOption("--port <port>", 50_050),
  catalogPort: portOption("--port <port>", 8080),
  peerPort: portOption("--port <port>", 50_051),
  getPort: {
    ...portOption("--port <port>", 0),
    help: "port to serve the downloaded pieces on (default: any free one)",
  },
  publicUrl: {
    flags: "--public-url <url>",
    help: "URL at which others reach this server",
    value: url.optional(),
  },
  tlsCert: {
    flags: "--tls-cert <file>",
    help: "serve TLS with this certificate chain (PEM)",
    value: optionalText,
  },
  tlsKey: { flags: "--tls-key <file>", help: "private key of the certificate (PEM)", value: optionalText },
  allowedHost: {
    flags: "--allowed-host <name>",
    help: "host name that a server on loopback also accepts in requests (repeatable)",
    value: texts,
    repeatable: true,
  },
  allowOrigin: {
    flags: "--allow-origin <origin>",
    help: "web origin whose pages may publish or upload here (repeatable)",
    value: texts,
    repeatable: true,
  },
  open: {
    flags: "--open",
    help: "require no token: anyone who reaches this server may change it",
    value: flag,
  },
  noRateLimit: {
    flags: "--no-rate-limit",
    help: "do not limit the requests and leases of each address",
    value: flag,
  },
  allowNetwork: {
    flags: "--allow-network <cidr>",
    help: "network in which peers may also have addresses (repeatable)",
    value: texts,
    repeatable: true,
  },
  trustedProxy: {
    flags: "--trusted-proxy <cidr>",
    help: "network whose proxies give the client's address in X-Forwarded-For (repeatable)",
    value: texts,
    repeatable: true,
  },
  store: {
    flags: "--store <url>",
    help: "keep the state in this Redis (7.0 or later) or Valkey, to share it with other trackers: redis://host:6379",
    value: matching(/^rediss?:\/\/\S+$/, "a URL such as redis://127.0.0.1:6379").optional(),
  },
  memory: {
    flags: "--memory <size>",
    help: "memory for the tracker, which refuses peers beyond that (default: half of the machine's or container's)",
    value: size,
  },
  logRequests: {
    flags: "--log-requests",
    help: "log every served piece, one JSON object on each line",
    value: flag,
  },
  page: {
    flags: "--page <dir>",
    help: "serve the built page in this folder instead of the included one",
    value: optionalText,
  },

  acceptUploads: {
    flags: "--accept-uploads <size>",
    help: "space for uploads of torrents of --catalog by publishers with the token (default: none)",
    value: size,
  },
  uploadExpiry: {
    flags: "--upload-expiry <time>",
    help: "delete an upload this long after its last piece arrived (default 30d)",
    value: parsed(parseDuration).default(30 * 86_400_000),
  },
  uploadPeer: {
    flags: "--upload-peer <url>",
    help: "peer that accepts uploads with this catalog's token (repeatable)",
    value: list(url),
    repeatable: true,
  },

  volunteer: {
    flags: "--volunteer <size>",
    help: "space for copies of torrents of --catalog that a tracker orders (default: none)",
    value: size,
  },
  limitCopies: rateOption(
    "--limit-copies <rate>",
    "limit the bytes per second of copying for --volunteer, such as 2MiB",
  ),
  zone: {
    flags: "--zone <name>",
    help: "name of a group of near machines, such as a rack: its peers are asked first, copies spread over zones",
    value: optionalText,
  },
  role: {
    flags: "--role <part>",
    help: `run one part of a peer: ${roles.join(", ")}; run the others with the same --data and --port`,
    value: choice(roles).optional(),
  },
  drainTimeout: {
    flags: "--drain-timeout <time>",
    help: "at SIGTERM, serve for at most this long while others copy what only this peer has (default 60s)",
    value: parsed(parseDuration).default(60_000),
  },
  scrubEvery: {
    flags: "--scrub-every <time>",
    help: "how often to hash every held piece again, with uploads or copies (default 1d)",
    value: parsed(parseDuration).default(86_400_000),
  },
  limitScrub: {
    flags: "--limit-scrub <rate>",
    help: "limit the bytes per second that are read for that (default 4MiB)",
    value: parsed(parseRate).default(4 << 20),
  },

  // up
  upTrackerPort: portOption("--tracker-port <port>", 50_050),
  upCatalogPort: portOption("--catalog-port <port>", 8080),
  upPeerPort: {
    ...portOption("--peer-port <port>", 50_051),
    help: "port of the first peer, followed by those of the others; 0 = any free ones (default 50051)",
  },

  // Torrents
  torrents: {
    flags: "--torrent <file>",
    help: "torrent of a PATH (repeatable; default: PATH.json)",
    value: texts,
    repeatable: true,
  },
  createdTorrents: {
    flags: "--torrent <file>",
    help: "existing torrent to use for a PATH instead of a new one (repeatable)",
    value: texts,
    repeatable: true,
  },
  inventory: {
    flags: "--inventory <file>",
    help: "serve only the pieces that this JSON file lists",
    value: optionalText,
  },
  pieces: {
    flags: "--pieces <numbers>",
    help: "serve only these pieces of the one PATH, such as 1-40,60",
    value: parsed(parsePieceRanges).optional(),
  },
  pieceLength: {
    flags: "--piece-length <size>",
    help: "a power of two from 16KiB to 16MiB (default: chosen by the size)",
    value: size,
  },
  comment: { flags: "--comment <text>", help: "comment that people see", value: optionalText },
  replicationTarget: {
    flags: "--replication-target <n>",
    help: "copies of each piece that volunteers keep",
    value: wholeNumber(1, 1_000, "a whole number, 1 to 1000").optional(),
  },
  trackerTarget: {
    flags: "--replication-target <n>",
    help: "copies of each piece that volunteers keep, for torrents without a target (default 0)",
    value: wholeNumber(0, 10, "a whole number, 0 to 10").default(0),
  },
  upTarget: {
    flags: "--replication-target <n>",
    help: "copies of each piece that volunteers keep, for torrents without a target (default 2)",
    value: wholeNumber(0, 10, "a whole number, 0 to 10").default(2),
  },
  createOut: {
    flags: "-o, --out <file>",
    help: "file for the torrent, - for standard output (default NAME.json)",
    value: optionalText,
  },
  name: {
    flags: "--name <name>",
    help: "name in the catalog (default: the file's name without .json)",
    value: optionalText,
  },
  replace: {
    flags: "--replace",
    help: "replace another torrent that has this name",
    value: flag,
  },

  // Where to look
  catalog: {
    flags: "--catalog <url>",
    help: "URL of the catalog (default http://127.0.0.1:8080)",
    value: url.default("http://127.0.0.1:8080"),
  },
  tracker: {
    flags: "--tracker <url>",
    help: "tracker in addition to those of the torrent (repeatable)",
    value: list(url),
    repeatable: true,
  },

  namedTrackers: {
    flags: "--tracker <url>",
    help: "tracker that clients should use (repeatable; default http://127.0.0.1:50050)",
    value: list(url),
    repeatable: true,
  },

  // Downloads
  out: {
    flags: "-o, --out <path>",
    help: "path of the finished file or folder, - for standard output",
    value: optionalText,
  },
  dir: {
    flags: "-d, --dir <dir>",
    help: "folder for the file (default: the current one)",
    value: text.default("."),
  },
  select: {
    flags: "--select <files>",
    help: "files of a folder: numbers from `pieza info`, such as 1,3-5, or a pattern such as '*.pdf' (repeatable)",
    value: texts,
    repeatable: true,
  },
  jobs: {
    flags: "-j, --jobs <n>",
    help: "torrents to download at a time (default 3)",
    value: wholeNumber(1, 64, "a whole number, 1 to 64").default(3),
  },
  overwrite: { flags: "--replace", help: "replace an existing file", value: flag },
  sync: {
    flags: "--sync <when>",
    help: "flush to disk after each piece, in batches, or never: piece, batch or none (default batch)",
    value: choice(["piece", "batch", "none"]).default("batch"),
  },
  transport: {
    flags: "--transport <kind>",
    help: "protocol to peers: auto (the fastest that a peer speaks), grpc or connect (default auto)",
    value: choice(["auto", "grpc", "connect"]).default("auto"),
  },
  sequential: {
    flags: "--sequential",
    help: "download pieces in order instead of rarest first",
    value: flag,
  },
  giveUpAfter: {
    flags: "--give-up-after <time>",
    help: "exit with code 4 after this long without a peer that has the missing pieces (default: wait)",
    value: durationMs,
  },
  limitDownload: rateOption(
    "--limit-download <rate>",
    "limit the bytes per second of downloads, such as 2MiB",
  ),
  limitUpload: rateOption("--limit-upload <rate>", "limit the bytes per second of uploads, such as 2MiB"),
  seedAfter: {
    flags: "--seed-after <time>",
    help: "seed for this long after the download (default: stop)",
    value: durationMs,
  },
} as const satisfies Record<string, OptionSpec>;

function rateOption(flags: string, help: string) {
  return { flags, help, value: parsed(parseRate).optional() };
}

function parseRate(value: string): number {
  const rate = parseSize(value.replace(/\/s$/, ""));
  if (rate === 0) throw new RangeError("must be more than 0");
  return rate;
}

function portOption(flags: string, value: number) {
  return { flags, help: `port, 0 = any free one (default ${value})`, value: port(value) };
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
