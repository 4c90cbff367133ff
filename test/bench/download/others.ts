import { dirname } from "node:path";
import { runCommand } from "../../../scripts/run-command.ts";
import { isExecutable, program, type SystemPackage } from "../../../scripts/system-packages.ts";
import type { Contender, Prepared } from "./contender.ts";
import { MANY, nameOf, type Sources, type TorrentSource } from "./sources.ts";

const nginx: SystemPackage = { name: "nginx-light", isPresent: () => isExecutable("/usr/sbin/nginx") };
const libtorrentForPython: SystemPackage = {
  name: "python3-libtorrent",
  isPresent: async () => (await runCommand("/usr/bin/python3", ["-c", "import libtorrent"])).ok,
};

/** Something that takes the file's URLs at nginx. */
function overHttp(
  name: string,
  packages: readonly SystemPackage[],
  command: (urls: readonly string[], output: string) => readonly string[],
): Contender {
  const prepare = async (sources: Sources): Promise<Prepared> => {
    const { ports, pids } = await sources.nginx();
    const urls = ports.map((port) => `http://127.0.0.1:${port}/${nameOf(sources.file)}`);
    return { command: (output) => command(urls, output), pids };
  };
  return { name, packages: [nginx, ...packages], prepare };
}

/** curl, and then a step that takes the file. */
const curlThen = (name: string, then: string, ...packages: SystemPackage[]) =>
  overHttp(name, [program("curl", "curl"), ...packages], ([url = ""], output) => [
    "sh",
    "-c",
    `curl -sfo "$2" "$1" && ${then} "$2"`,
    "sh",
    url,
    output,
  ]);

export const curl = overHttp("curl", [program("curl", "curl")], ([url = ""], output) => [
  "curl",
  "-sfo",
  output,
  url,
]);

export const curlThenOpenssl = curlThen(
  "curl, then openssl dgst",
  "openssl dgst -sha256",
  program("openssl", "openssl"),
);

export const curlThenSync = curlThen("curl, then sync", "sync");

const aria2c = (name: string, servers: number) =>
  overHttp(name, [program("aria2", "aria2c")], (urls, output) => [
    "aria2c",
    "-q",
    "-x8",
    "-s8",
    "-k1M",
    "--file-allocation=none",
    "-d",
    dirname(output),
    ...urls.slice(0, servers),
  ]);

export const aria2 = aria2c("aria2c -x8 -s8", 1);
export const aria2Many = aria2c(`aria2c -x8 -s8, ${MANY} servers`, MANY);

/** A BitTorrent client against seeders of its own kind. */
function bitTorrent(
  name: string,
  source: (sources: Sources) => Promise<TorrentSource>,
  seeders: number,
  packages: readonly SystemPackage[],
): Contender {
  const prepare = async (sources: Sources): Promise<Prepared> => {
    const { program, torrent, ports, pids } = await source(sources);
    const from = ports.slice(0, seeders).map(String);
    return {
      command: (output) => [...program, "get", torrent, dirname(output), ...from],
      pids: pids.slice(0, seeders),
    };
  };
  return { name: seeders === 1 ? name : `${name}, ${seeders} seeders`, packages, prepare };
}

const libtorrentFrom = (seeders: number) =>
  bitTorrent("libtorrent", ({ libtorrent }) => libtorrent(), seeders, [libtorrentForPython]);
export const libtorrent = libtorrentFrom(1);
export const libtorrentMany = libtorrentFrom(MANY);

const webtorrentFrom = (seeders: number) =>
  bitTorrent("webtorrent", ({ webtorrent }) => webtorrent(), seeders, []);
export const webtorrent = webtorrentFrom(1);
export const webtorrentMany = webtorrentFrom(MANY);
