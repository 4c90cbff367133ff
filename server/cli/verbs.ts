import { serverOptions } from "./line/options.ts";
import { type VerbInvocation, type VerbName, verbOptions } from "./line/verb-options.ts";
import type { VerbSpec } from "./line/verb-spec.ts";

/** Imports the code of a verb, so that a run loads no other verb. */
const code: { [Verb in VerbName]: () => Promise<(invocation: VerbInvocation<Verb>) => Promise<void>> } = {
  up: async () => (await import("./verbs/up.ts")).runUp,
  tracker: async () => (await import("./verbs/tracker.ts")).runTracker,
  catalog: async () => (await import("./verbs/catalog.ts")).runCatalog,
  peer: async () => (await import("./verbs/peer.ts")).runPeer,
  gateway: async () => (await import("./verbs/gateway.ts")).runGateway,
  create: async () => (await import("./verbs/create.ts")).runCreate,
  seed: async () => (await import("./verbs/seed.ts")).runSeed,
  publish: async () => (await import("./verbs/publish.ts")).runPublish,
  rm: async () => (await import("./verbs/rm.ts")).runRm,
  get: async () => (await import("./verbs/get.ts")).runGet,
  verify: async () => (await import("./verbs/verify.ts")).runVerify,
  info: async () => (await import("./verbs/info.ts")).runInfo,
  ls: async () => (await import("./verbs/ls.ts")).runLs,
  peers: async () => (await import("./verbs/peers.ts")).runPeers,
  status: async () => (await import("./verbs/status.ts")).runStatus,
  explain: async () => (await import("./verbs/explain.ts")).runExplain,
  doctor: async () => (await import("./verbs/doctor.ts")).runDoctor,
  completions: async () => (await import("./verbs/completions.ts")).completionsOf(() => verbs),
};

function verb(name: VerbName, args: string, summary: string, ...examples: string[]): VerbSpec {
  const options: VerbSpec["options"] = verbOptions[name];
  const serves = serverOptions.every((option) => options.includes(option));
  const load: () => Promise<VerbSpec["run"]> = code[name];
  return { name, args, summary, options, serves, examples, run: async (given) => (await load())(given) };
}

/** Every verb, in the order of help. */
export const verbs: readonly VerbSpec[] = [
  verb("up", "", "start a tracker, a catalog with its page, and four demo peers; Ctrl-C stops them all"),
  verb("tracker", "", "run a tracker"),
  verb("catalog", "", "run a catalog and its web page"),
  verb(
    "peer",
    "[path...]",
    "serve files or folders that have a torrent, store what publishers upload, and keep copies for swarms",
    "pieza peer movie.mkv --torrent movie.mkv.json --pieces 1-40,60",
    "pieza peer shakira.mp3 --torrent shakira.json --inventory peer-1.json",
    "pieza peer --volunteer 50GB --zone rack-7 --tracker http://tracker.example:50050 --catalog https://catalog.example",
    "pieza peer --accept-uploads 50GB --catalog https://catalog.example --token TOKEN",
  ),
  verb(
    "gateway",
    "",
    "serve every torrent of a catalog at plain URLs, for curl, players and every other program",
    "pieza gateway --catalog https://catalog.example --cache 50GB",
    "curl -O http://127.0.0.1:8090/content/<info hash>/<file name>",
  ),
  verb(
    "create",
    "<path>",
    "hash the pieces of a file or folder and write its torrent",
    "pieza create lectures -o lectures.json --comment 'Spring term'",
  ),
  verb(
    "seed",
    "<path...>",
    "create a torrent, publish it in a catalog, and serve the file in place",
    "pieza seed model.safetensors --catalog https://catalog.example",
  ),
  verb("publish", "<torrent>", "add a torrent file to a catalog"),
  verb("rm", "<name>", "remove a name from a catalog"),
  verb(
    "get",
    "[torrent...]",
    "download torrents, given as catalog names, info hashes, torrent files or URLs",
    "pieza get shakira",
    "pieza get https://catalog.example/files/model.json -d models --give-up-after 1m",
    "pieza get notes.txt -o - | less",
    "pieza get lectures --select '*.pdf' --select 1,3-5",
  ),
  verb("verify", "<torrent> [path]", "check a file or folder against its torrent"),
  verb("info", "<torrent>", "show a torrent"),
  verb("ls", "[search]", "list the torrents of a catalog"),
  verb("peers", "<torrent>", "list the peers of a torrent and how many pieces each has"),
  verb(
    "status",
    "[torrent]",
    "list your downloads; with a torrent, show its copies and the copying in progress",
  ),
  verb(
    "explain",
    "<download>",
    "show which peers served a download, why others did not, and where the time went",
    "pieza explain ocean-64MiB.bin",
  ),
  verb(
    "doctor",
    "<target>",
    "check a server (by its URL) or the swarm of a torrent, and say how to fix problems",
    "pieza doctor https://catalog.example",
    "pieza doctor shakira",
  ),
  verb(
    "completions",
    "<shell>",
    "print a script that completes verbs and flags in bash, zsh or fish",
    "source <(pieza completions bash)",
  ),
];
