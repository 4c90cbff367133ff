import { readTorrentJson } from "../../support/swarms/local-swarm.ts";
import type { PageContender, PreparedPage } from "./contender.ts";
import type { Job } from "./fetched-file.ts";
import { MANY, type PageSources, type PageSwarm } from "./sources.ts";

/** As many as a browser has connections to an origin. */
const REQUESTS_PER_PEER = 6;

type SwarmOf = (sources: PageSources) => Promise<PageSwarm>;
const onePeer: SwarmOf = (sources) => sources.onePeer();
const manyPeers: SwarmOf = (sources) => sources.manyPeers();
const pidsOf = ({ peers }: PageSwarm) => peers.map(({ process }) => process.pid);

/** A bare page with one worker, or several that share the pieces and the connections, that fetch, check and write. */
function bareWorker(name: string, script: string, swarmOf: SwarmOf, workers = 1): PageContender {
  const prepare = async (sources: PageSources): Promise<PreparedPage> => {
    const swarm = await swarmOf(sources);
    const torrent = await readTorrentJson(sources.file.torrent);
    const jobs = Array.from(
      { length: workers },
      (_, first): Job => ({
        peers: swarm.peers.map(({ url }) => url),
        infoHash: torrent.info_hash,
        hashes: torrent.pieces.map(({ hash }) => hash),
        pieceLength: torrent.piece_length,
        requestsPerPeer: REQUESTS_PER_PEER / workers,
        every: [workers, first],
      }),
    );
    return {
      url: await sources.site(),
      pids: pidsOf(swarm),
      download: (tab) => tab.evaluate(runWorkers, { script: `/${script}.js`, jobs }),
      save: (tab) => tab.saved(() => tab.evaluate(saveStoredFile, "source.bin")),
    };
  };
  return { name, prepare };
}

export const fetchFromOne = bareWorker("fetch, verify, OPFS", "fetch", onePeer);
/** Whether a second worker would pay. */
const fetchByTwo: PageContender = {
  ...bareWorker("fetch, verify, OPFS, 2 workers", "fetch", onePeer, 2),
  timesAsFast: [[fetchFromOne]],
};
const fetchFromMany = bareWorker(`fetch, verify, OPFS, ${MANY} peers`, "fetch", manyPeers);
const stockFromOne = bareWorker("connect-web, verify, OPFS", "stock", onePeer);
const stockFromMany = bareWorker(`connect-web, verify, OPFS, ${MANY} peers`, "stock", manyPeers);

/** webtorrent's own bundle, everything as it comes. */
function webtorrent(name: string, torrent: string, options: object): PageContender {
  const prepare = async (sources: PageSources): Promise<PreparedPage> => {
    const { url, pids } = await sources.webtorrent();
    return {
      url,
      pids,
      download: (tab) => tab.evaluate(runWebtorrent, { torrent: `${url}${torrent}.torrent`, options }),
      save: (tab) => tab.saved(() => tab.evaluate(saveWebtorrentFile, undefined)),
    };
  };
  return { name, prepare, rounds: 2 };
}

const webtorrentOverWebRtc = webtorrent("webtorrent, WebRTC seeder", "webrtc", {});
const webtorrentFromWebSeed = webtorrent("webtorrent, web seed", "web-seed", { tracker: false });

/** The page as people have it, from the press of its button to the word "Complete". */
function piezaPage(
  name: string,
  swarmOf: SwarmOf,
  timesAsFast: NonNullable<PageContender["timesAsFast"]>,
): PageContender {
  const prepare = async (sources: PageSources): Promise<PreparedPage> => {
    const swarm = await swarmOf(sources);
    return {
      url: swarm.catalogUrl,
      pids: pidsOf(swarm),
      download: (tab) => tab.evaluate(pressUntilComplete, `Download ${sources.name}`),
      save: (tab) => tab.saved(() => tab.evaluate(pressSave, undefined)),
    };
  };
  return { name, prepare, timesAsFast };
}

export const piezaFromOne = piezaPage("pieza page", onePeer, [
  [fetchFromOne, 0.9],
  [stockFromOne],
  [webtorrentOverWebRtc],
  [webtorrentFromWebSeed],
]);
const piezaFromMany = piezaPage(`pieza page, ${MANY} peers`, manyPeers, [
  [fetchFromMany, 0.9],
  [stockFromMany],
  [piezaFromOne],
]);

/** All of them, in the order of a round. */
export const pageContenders: readonly PageContender[] = [
  fetchFromOne,
  piezaFromOne,
  stockFromOne,
  fetchByTwo,
  fetchFromMany,
  piezaFromMany,
  stockFromMany,
  webtorrentOverWebRtc,
  webtorrentFromWebSeed,
];

// What follows runs in the page: it sees nothing of this file.

async function runWorkers({ script, jobs }: { script: string; jobs: Job[] }): Promise<number> {
  const started = performance.now();
  const problems = await Promise.all(
    jobs.map(async (job) => {
      const worker = new Worker(script, { type: "module" });
      worker.postMessage(job);
      const problem = await new Promise<string>((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => resolve(message || "the worker could not be started");
      });
      worker.terminate();
      return problem;
    }),
  );
  const problem = problems.find((text) => text !== "");
  if (problem) throw new Error(problem);
  return (performance.now() - started) / 1000;
}

async function saveStoredFile(name: string): Promise<void> {
  const handle = await (await navigator.storage.getDirectory()).getFileHandle(name);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await handle.getFile());
  link.download = name;
  link.click();
}

async function runWebtorrent({ torrent, options }: { torrent: string; options: object }): Promise<number> {
  const bundle = "/webtorrent.min.js";
  const { default: WebTorrent } = await import(bundle);
  const started = performance.now();
  const client = new WebTorrent(options);
  const added = client.add(torrent);
  await new Promise((resolve, reject) => {
    client.once("error", reject);
    added.once("error", reject);
    added.once("done", resolve);
  });
  Object.assign(globalThis, { downloaded: added });
  return (performance.now() - started) / 1000;
}

async function saveWebtorrentFile(): Promise<void> {
  const { downloaded } = globalThis as unknown as { downloaded: { files: { blob(): Promise<Blob> }[] } };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await downloaded.files[0]!.blob());
  link.download = "source.bin";
  link.click();
}

/** Waits for the catalog's list, and for "Complete" after the press. */
async function pressUntilComplete(name: string): Promise<number> {
  const until = <T>(look: () => T | undefined | false | null) =>
    new Promise<T>((resolve, reject) => {
      const again = () => {
        try {
          const found = look();
          if (!found) return;
          resolve(found);
        } catch (error) {
          reject(error);
        }
        observer.disconnect();
      };
      const observer = new MutationObserver(again);
      observer.observe(document.body, { subtree: true, childList: true, attributes: true });
      again();
    });
  const button = await until(() => document.querySelector<HTMLElement>(`button[aria-label="${name}"]`));
  const started = performance.now();
  const complete = until(() => {
    const state = document.querySelector("article .state");
    if (/^(Failed|Too large)$/.test(state?.textContent ?? "")) throw new Error(state!.textContent!);
    return state?.classList.contains("complete");
  });
  button.click();
  await complete;
  return (performance.now() - started) / 1000;
}

/** Through the browser's downloads, as where there are no pickers. */
async function pressSave(): Promise<void> {
  Reflect.deleteProperty(window, "showSaveFilePicker");
  const buttons = [...document.querySelectorAll<HTMLElement>("article button")];
  buttons.find(({ textContent }) => textContent?.trim() === "Save")!.click();
}
