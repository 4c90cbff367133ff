import type { Invocation } from "./line/invocation.ts";
import { type CommonOption, type OptionName, serverOptions } from "./line/options.ts";
import type { VerbSpec } from "./line/verb-spec.ts";

interface VerbModule<Name extends OptionName> {
  run(invocation: Invocation<Name>): Promise<void>;
}

function verb<const Own extends OptionName>(
  usage: string,
  summary: string,
  own: readonly Own[],
  load: () => Promise<VerbModule<Own | CommonOption>>,
  ...examples: string[]
): VerbSpec {
  const [name, ...args] = usage.split(" ");
  return {
    name: name!,
    args: args.join(" "),
    summary,
    options: own,
    serves: serverOptions.every((option) => (own as readonly string[]).includes(option)),
    examples,
    run: async (invocation) => (await load()).run(invocation as Invocation<Own | CommonOption>),
  };
}

const createOptions = ["pieceLength", "comment", "replicationTarget"] as const;

/** Every verb, in the order of help. */
export const verbs: readonly VerbSpec[] = [
  verb(
    "up",
    "tracker, catalog, page and four demo peers; Ctrl-C ends them all",
    [
      "upTrackerPort",
      "upCatalogPort",
      "upPeerPort",
      "host",
      "tlsCert",
      "tlsKey",
      "allowedHost",
      "allowOrigin",
      "upTarget",
      "allowNetwork",
      "noRateLimit",
      "page",
      "open",
    ],
    () => import("./verbs/up.ts"),
  ),
  verb(
    "tracker",
    "run a tracker in the foreground",
    ["trackerPort", "store", "memory", "trackerTarget", "allowNetwork", "trustedProxy", ...serverOptions],
    () => import("./verbs/tracker.ts"),
  ),
  verb(
    "catalog",
    "run a catalog, and the page with it, in the foreground",
    ["catalogPort", "namedTrackers", "uploadPeer", "page", "open", ...serverOptions],
    () => import("./verbs/catalog.ts"),
  ),
  verb(
    "peer [path...]",
    "serve files or folders whose torrents exist, what publishers store here, and copies for the swarm",
    [
      "peerPort",
      "torrents",
      "inventory",
      "pieces",
      "acceptUploads",
      "uploadExpiry",
      "volunteer",
      "limitCopies",
      "zone",
      "role",
      "drainTimeout",
      "scrubEvery",
      "limitScrub",
      "open",
      "tracker",
      "catalog",
      "limitUpload",
      "logRequests",
      ...serverOptions,
    ],
    () => import("./verbs/peer.ts"),
    "pieza peer movie.mkv --torrent movie.mkv.json --pieces 1-40,60",
    "pieza peer shakira.mp3 --torrent shakira.json --inventory peer-1.json",
    "pieza peer --volunteer 50GB --zone rack-7 --tracker http://tracker.example:50050 --catalog https://catalog.example",
    "pieza peer --accept-uploads 50GB --allow-origin https://catalog.example --catalog https://catalog.example",
  ),
  verb(
    "create <path>",
    "cut a file or a folder into pieces and write its torrent",
    ["createOut", ...createOptions, "tracker"],
    () => import("./verbs/create.ts"),
    "pieza create lectures -o lectures.json --comment 'Spring term'",
  ),
  verb(
    "seed <path...>",
    "create a torrent, publish it, and serve the file in place",
    [
      "peerPort",
      "createdTorrents",
      "inventory",
      "pieces",
      "replace",
      ...createOptions,
      "tracker",
      "catalog",
      "zone",
      "drainTimeout",
      "limitUpload",
      "logRequests",
      ...serverOptions,
    ],
    () => import("./verbs/seed.ts"),
    "pieza seed model.safetensors --catalog https://catalog.example",
  ),
  verb(
    "publish <torrent>",
    "put a torrent into a catalog",
    ["name", "replace", "catalog"],
    () => import("./verbs/publish.ts"),
  ),
  verb("rm <name>", "take a name out of a catalog", ["catalog"], () => import("./verbs/rm.ts")),
  verb(
    "get [torrent...]",
    "download: names, info hashes, torrents' files or their URLs",
    [
      "out",
      "dir",
      "select",
      "jobs",
      "overwrite",
      "sequential",
      "giveUpAfter",
      "seedAfter",
      "limitDownload",
      "limitUpload",
      "sync",
      "transport",
      "zone",
      "tracker",
      "catalog",
      "host",
      "getPort",
    ],
    () => import("./verbs/get.ts"),
    "pieza get shakira",
    "pieza get https://catalog.example/files/model.json -d models --give-up-after 1m",
    "pieza get notes.txt -o - | less",
    "pieza get lectures --select '*.pdf' --select 1,3-5",
  ),
  verb(
    "verify <torrent> [path]",
    "check a file or a folder against its torrent",
    ["catalog"],
    () => import("./verbs/verify.ts"),
  ),
  verb("info <torrent>", "show a torrent", ["catalog"], () => import("./verbs/info.ts")),
  verb("ls [search]", "list a catalog", ["catalog"], () => import("./verbs/ls.ts")),
  verb(
    "peers <torrent>",
    "who has which pieces of a torrent now",
    ["tracker", "catalog"],
    () => import("./verbs/peers.ts"),
  ),
  verb(
    "status [torrent]",
    "list downloads, running and past; or the copies of a torrent's pieces, and what is being done about them",
    ["tracker", "catalog"],
    () => import("./verbs/status.ts"),
  ),
  verb(
    "explain <download>",
    "who served what in a download, who did not and why, and where the time went",
    ["catalog"],
    () => import("./verbs/explain.ts"),
    "pieza explain ocean-64MiB.bin",
  ),
  verb(
    "doctor <what>",
    "what is wrong with a server (its URL) or with getting a torrent, and what to do about it",
    ["dir", "tracker", "catalog"],
    () => import("./verbs/doctor.ts"),
    "pieza doctor https://catalog.example",
    "pieza doctor shakira",
  ),
  verb(
    "completions <shell>",
    "print what makes bash, zsh or fish complete verbs and flags",
    [],
    async () => (await import("./verbs/completions.ts")).completionsOf(() => verbs),
    "source <(pieza completions bash)",
  ),
];
