import { choice, flag, list, matching, type OptionValue, parsed, text, wholeNumber } from "./option-value.ts";
import { roles } from "./roles.ts";
import { parseDuration, parsePieceRanges, parseSize } from "./units.ts";

/** One flag: how it is written, what it does, and what its text has to be. */
export interface OptionSpec {
  /** As help shows it: "-o, --out <path>". */
  readonly flags: string;
  readonly help: string;
  readonly value: OptionValue<unknown>;
  /** May be given more than once; in the environment, separated by commas or spaces. */
  readonly repeatable?: true;
}

const optionalText = text.optional();
const texts = list(text);
const url = parsed(parseUrl);

/** A server's URL without the slash at its end, because that is how peers and trackers are named. */
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
 * Every flag of every verb. The key is the name in code; `PIEZA_` and the flag in capitals is its environment
 * variable, so `--public-url` is PIEZA_PUBLIC_URL. The command line wins over the environment.
 */
export const options = {
  // Everywhere
  json: { flags: "--json", help: "print events, one JSON object a line", value: flag },
  noProgress: { flags: "--no-progress", help: "no progress on the terminal", value: flag },
  quiet: { flags: "-q, --quiet", help: "print errors and asked-for results only", value: flag },
  verbose: { flags: "-v, --verbose", help: "say more: every peer, every log line, causes", value: flag },
  data: { flags: "--data <dir>", help: "where all state is kept", value: optionalText },
  token: { flags: "--token <token>", help: "bearer token for publishing and deleting", value: optionalText },
  ca: { flags: "--ca <file>", help: "trust the certificates in this PEM file too", value: optionalText },

  // Servers
  host: { flags: "--host <host>", help: "address to listen on (default 127.0.0.1)", value: optionalText },
  trackerPort: portOption("--port <port>", 50_050),
  catalogPort: portOption("--port <port>", 8080),
  peerPort: portOption("--port <port>", 50_051),
  getPort: {
    ...portOption("--port <port>", 0),
    help: "where it serves what it has so far (default: any free port)",
  },
  publicUrl: {
    flags: "--public-url <url>",
    help: "the URL under which others reach this server",
    value: url.optional(),
  },
  tlsCert: { flags: "--tls-cert <file>", help: "certificate chain (PEM): serve TLS", value: optionalText },
  tlsKey: { flags: "--tls-key <file>", help: "the certificate's key (PEM)", value: optionalText },
  allowedHost: {
    flags: "--allowed-host <name>",
    help: "a host name that a server on loopback answers to (repeatable)",
    value: texts,
    repeatable: true,
  },
  allowOrigin: {
    flags: "--allow-origin <origin>",
    help: "an origin whose pages may change something here (repeatable)",
    value: texts,
    repeatable: true,
  },
  open: { flags: "--open", help: "no token: anyone who reaches this server may change it", value: flag },
  noRateLimit: {
    flags: "--no-rate-limit",
    help: "no bound on requests and leases per address",
    value: flag,
  },
  allowNetwork: {
    flags: "--allow-network <cidr>",
    help: "peers may have addresses in this network too (repeatable)",
    value: texts,
    repeatable: true,
  },
  trustedProxy: {
    flags: "--trusted-proxy <cidr>",
    help: "proxies in this network say who calls, by X-Forwarded-For (repeatable)",
    value: texts,
    repeatable: true,
  },
  store: {
    flags: "--store <url>",
    help: "keep the state in this Redis (7.0 or later) or Valkey, shared with other trackers there: redis://host:6379",
    value: matching(/^rediss?:\/\/\S+$/, "a URL such as redis://127.0.0.1:6379").optional(),
  },
  memory: {
    flags: "--memory <size>",
    help: "what the tracker may take; peers that do not fit are refused (default: half of the machine or container)",
    value: size,
  },
  logRequests: {
    flags: "--log-requests",
    help: "log every piece given out, a JSON object a line",
    value: flag,
  },
  page: {
    flags: "--page <dir>",
    help: "serve this built page instead of the one that comes along",
    value: optionalText,
  },

  acceptUploads: {
    flags: "--accept-uploads <size>",
    help: "let publishers with the token store so much here, of what --catalog has (default: nothing)",
    value: size,
  },
  uploadExpiry: {
    flags: "--upload-expiry <time>",
    help: "delete what was stored so long after its last piece came (default 30d)",
    value: parsed(parseDuration).default(30 * 86_400_000),
  },
  uploadPeer: {
    flags: "--upload-peer <url>",
    help: "a peer that takes uploads with this catalog's token (repeatable)",
    value: list(url),
    repeatable: true,
  },

  volunteer: {
    flags: "--volunteer <size>",
    help: "lend so much to copies of what --catalog has, where a tracker finds too few (default: nothing)",
    value: size,
  },
  limitCopies: rateOption("--limit-copies <rate>", "spend no more than so much a second on such copies"),
  zone: {
    flags: "--zone <name>",
    help: "a name that peers near each other share, such as a rack's: copies are spread over zones",
    value: optionalText,
  },
  role: {
    flags: "--role <part>",
    help: `be only one part of a peer: ${roles.join(", ")}; the others are processes over the same --data and --port`,
    value: choice(roles).optional(),
  },
  drainTimeout: {
    flags: "--drain-timeout <time>",
    help: "when told to stop, serve on for so long while others copy what only this peer has (default 60s)",
    value: parsed(parseDuration).default(60_000),
  },
  scrubEvery: {
    flags: "--scrub-every <time>",
    help: "hash everything held again so often, if this peer keeps anything for others (default 1d)",
    value: parsed(parseDuration).default(86_400_000),
  },
  limitScrub: {
    flags: "--limit-scrub <rate>",
    help: "read no more than so much a second for that (default 4MiB)",
    value: parsed(parseRate).default(4 << 20),
  },

  // up
  upTrackerPort: portOption("--tracker-port <port>", 50_050),
  upCatalogPort: portOption("--catalog-port <port>", 8080),
  upPeerPort: {
    ...portOption("--peer-port <port>", 50_051),
    help: "the first peer's port, the others follow; 0 = any free ones (default 50051)",
  },

  // Torrents
  torrents: {
    flags: "--torrent <file>",
    help: "the torrent of a PATH; default: PATH.json beside it (repeatable)",
    value: texts,
    repeatable: true,
  },
  createdTorrents: {
    flags: "--torrent <file>",
    help: "seed PATH under this torrent instead of making one (repeatable)",
    value: texts,
    repeatable: true,
  },
  inventory: {
    flags: "--inventory <file>",
    help: "hold only the pieces that this JSON lists",
    value: optionalText,
  },
  pieces: {
    flags: "--pieces <numbers>",
    help: "hold only these pieces of the one PATH, such as 1-40,60",
    value: parsed(parsePieceRanges).optional(),
  },
  pieceLength: {
    flags: "--piece-length <size>",
    help: "a power of two, 16KiB to 16MiB (default: by size)",
    value: size,
  },
  comment: { flags: "--comment <text>", help: "a sentence for people", value: optionalText },
  replicationTarget: {
    flags: "--replication-target <n>",
    help: "copies of every piece that the swarm should keep",
    value: wholeNumber(1, 1_000, "a whole number, 1 to 1000").optional(),
  },
  trackerTarget: {
    flags: "--replication-target <n>",
    help: "copies of every piece that volunteers keep of torrents that do not say (default 0: none)",
    value: wholeNumber(0, 10, "a whole number, 0 to 10").default(0),
  },
  upTarget: {
    flags: "--replication-target <n>",
    help: "copies of every piece that volunteers keep of torrents that do not say (default 2)",
    value: wholeNumber(0, 10, "a whole number, 0 to 10").default(2),
  },
  createOut: {
    flags: "-o, --out <file>",
    help: "where the torrent goes, - for standard output (default <file_name>.json)",
    value: optionalText,
  },
  name: {
    flags: "--name <name>",
    help: "the torrent's name in the catalog (default: the file's name)",
    value: optionalText,
  },
  replace: {
    flags: "--replace",
    help: "take the name even if it points to another torrent",
    value: flag,
  },

  // Where to look
  catalog: {
    flags: "--catalog <url>",
    help: "the catalog (default http://127.0.0.1:8080)",
    value: url.default("http://127.0.0.1:8080"),
  },
  tracker: {
    flags: "--tracker <url>",
    help: "a tracker besides the torrent's (repeatable)",
    value: list(url),
    repeatable: true,
  },

  namedTrackers: {
    flags: "--tracker <url>",
    help: "a tracker that clients should ask (repeatable; default http://127.0.0.1:50050)",
    value: list(url),
    repeatable: true,
  },

  // Downloads
  out: {
    flags: "-o, --out <path>",
    help: "the finished file or folder; - for standard output",
    value: optionalText,
  },
  dir: {
    flags: "-d, --dir <dir>",
    help: "the folder that gets the file (default .)",
    value: text.default("."),
  },
  select: {
    flags: "--select <files>",
    help: "of a folder, only these: numbers as info shows them (1,3-5) or a pattern such as '*.pdf' (repeatable)",
    value: texts,
    repeatable: true,
  },
  jobs: {
    flags: "-j, --jobs <n>",
    help: "torrents at once (default 3)",
    value: wholeNumber(1, 64, "a whole number, 1 to 64").default(3),
  },
  overwrite: { flags: "--replace", help: "replace a file that is already there", value: flag },
  sync: {
    flags: "--sync <when>",
    help: "what reaches the disk when: piece, batch or none (default batch)",
    value: choice(["piece", "batch", "none"]).default("batch"),
  },
  transport: {
    flags: "--transport <kind>",
    help: "how pieces come: auto (the fastest way that a peer speaks), grpc or connect (default auto)",
    value: choice(["auto", "grpc", "connect"]).default("auto"),
  },
  sequential: { flags: "--sequential", help: "pieces in order instead of rarest first", value: flag },
  giveUpAfter: {
    flags: "--give-up-after <time>",
    help: "end with code 4 when nobody had the missing pieces for so long (default: wait)",
    value: durationMs,
  },
  limitDownload: rateOption("--limit-download <rate>", "ask for no more than so much a second, such as 2MiB"),
  limitUpload: rateOption("--limit-upload <rate>", "give out no more than so much a second, such as 2MiB"),
  seedAfter: {
    flags: "--seed-after <time>",
    help: "go on serving for so long when done (default: stop)",
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

/** The checked values of some flags. */
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
