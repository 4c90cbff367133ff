import { flushSync, mount, unmount } from "svelte";
import { afterEach, describe, expect, it } from "vitest";
import { webCryptoHasher } from "#core/base/hash.ts";
import type { DownloadSnapshot } from "#core/download/snapshot.ts";
import type { TorrentSummary } from "#core/ports/catalog.ts";
import { Engine } from "../../web/src/base/engine.ts";
import type {
  CallMessage,
  CallName,
  PublicationRecord,
  Stage,
  TabDownload,
  WorkerMessage,
} from "../../web/src/base/messages.ts";
import OpenedTorrent from "../../web/src/catalog/OpenedTorrent.svelte";
import { Torrents } from "../../web/src/catalog/torrents.svelte.ts";
import DownloadCard from "../../web/src/downloads/DownloadCard.svelte";
import { Downloads } from "../../web/src/downloads/downloads.svelte.ts";
import { ContentService } from "../../web/src/preview/content-service.ts";
import { Publications } from "../../web/src/publishing/publications.svelte.ts";
import type { HostPorts } from "../../web/src/worker/host-ports.ts";
import { HostedDownload } from "../../web/src/worker/hosted-download.ts";

/** Downloads of a page that shows no file. */
function downloadsOf(engine: Engine): Downloads {
  return new Downloads(engine, new ContentService(engine, async () => {}));
}

const infoHash = "ab".repeat(32);
const torrent: TorrentSummary = {
  name: "folder",
  infoHash,
  fileName: "folder",
  totalPieces: 3,
  length: 3,
  pieceLength: 1,
  fileCount: 3,
  comment: "",
  createdAt: "",
};
const files = ["a", "b", "c"].map((path) => ({ path, length: 1 }));
const tooLarge: Stage = { kind: "too large", neededBytes: 3, availableBytes: 2, memory: false };

/** A worker whose every message is told by hand; it answers the calls of `answers` in the next turn. */
class WorkerByHand extends EventTarget {
  readonly asked: CallMessage[] = [];
  readonly answers: Partial<Record<CallName, unknown>> = { start: { kind: "disk" }, files, look: torrent };

  postMessage(message: CallMessage): void {
    this.asked.push(message);
    if (message.call in this.answers) queueMicrotask(() => this.answer(message, this.answers[message.call]));
  }

  say(data: WorkerMessage): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
    flushSync();
  }

  answer({ id }: CallMessage, answer?: unknown): void {
    this.say({ type: "answer", id, answer });
  }

  record(stage: Stage, selected: readonly number[] | undefined): void {
    const record = { torrent, stage, selected, wanted: undefined, earlier: [], handedOver: false };
    this.say({ type: "record", record } satisfies { type: "record"; record: TabDownload });
  }

  asks(call: CallName): CallMessage[] {
    return this.asked.filter((message) => message.call === call);
  }
}

const snapshot = {
  state: "waiting",
  reason: "",
  trouble: undefined,
  totalPieces: 3,
  heldPieces: 0,
  totalBytes: 3,
  heldBytes: 0,
  downloadedBytes: 0,
  rate: 0,
  etaMs: undefined,
  elapsedMs: 0,
  peers: [],
  pieceMap: new Uint16Array(3),
} as unknown as DownloadSnapshot;

describe("a click on the page", () => {
  let mounted: object | undefined;
  afterEach(async () => {
    if (mounted) await unmount(mounted);
    mounted = undefined;
  });

  const engineOf = (worker: WorkerByHand) => new Engine(worker as unknown as Worker);
  const box = (path: string) =>
    [...document.querySelectorAll("label")]
      .find((label) => label.textContent.trim() === path)
      ?.querySelector("input");
  const checked = () => files.filter(({ path }) => box(path)!.checked).map(({ path }) => path);
  const button = (text: string) =>
    [...document.querySelectorAll("button")].find((one) => one.textContent.trim() === text);

  async function openFiles(): Promise<void> {
    await expect.poll(() => document.querySelector("summary")).not.toBeNull();
    document.querySelector("summary")!.click();
    await expect.poll(() => box("a")).toBeDefined();
  }

  /** The card of a download that wants the first file, with its list of files open. */
  async function openedCard(): Promise<WorkerByHand> {
    const worker = new WorkerByHand();
    const downloads = downloadsOf(engineOf(worker));
    worker.record({ kind: "open" }, [0]);
    worker.say({ type: "snapshot", infoHash, snapshot });
    mounted = mount(DownloadCard, {
      target: document.body,
      props: { downloads, view: downloads.find({ infoHash })! },
    });
    await openFiles();
    return worker;
  }

  it("on a file stays, and its list stays open, whatever the stage of the download becomes", async () => {
    const worker = await openedCard();
    const clicked = box("b")!;
    clicked.click();
    worker.record({ kind: "opening" }, [0, 1]);
    worker.record(tooLarge, [0, 1]);
    worker.answer(worker.asks("select")[0]!);
    expect(checked()).toEqual(["a", "b"]);
    clicked.click();
    worker.record({ kind: "opening" }, [0]);
    worker.record({ kind: "open" }, [0]);
    worker.record({ kind: "broken", reason: "", trouble: "internal" }, [0]);
    expect(checked()).toEqual(["a"]);
    expect(box("b")).toBe(clicked);
  });

  it("on a file is not undone by what the worker said of the click before", async () => {
    const worker = await openedCard();
    box("b")!.click();
    flushSync();
    box("b")!.click();
    flushSync();
    worker.record({ kind: "open" }, [0, 1]);
    expect(checked()).toEqual(["a"]);
    box("c")!.click();
    expect(worker.asks("select").at(-1)!.ask).toEqual({ infoHash, selected: [0, 2] });
  });

  it("on None keeps Download from starting until a file is chosen", async () => {
    const worker = new WorkerByHand();
    const props = {
      downloads: downloadsOf(engineOf(worker)),
      key: { infoHash },
      onStarted: () => undefined,
    };
    mounted = mount(OpenedTorrent, { target: document.body, props });
    await openFiles();
    button("None")!.click();
    flushSync();
    button("Download")!.click();
    expect(worker.asks("add")).toEqual([]);
    box("b")!.click();
    flushSync();
    button("Download")!.click();
    expect(worker.asks("add").map(({ ask }) => ask)).toEqual([{ infoHash, selected: [1] }]);
  });

  it("on Cancel ends a publication, although news of it were on their way", async () => {
    const worker = new WorkerByHand();
    const publications = new Publications(engineOf(worker));
    const record = { id: 1, fileName: "a", length: 1, fileCount: 0, name: "", published: false };
    const tell = (bytes: number) => {
      const told: PublicationRecord = { ...record, stage: { kind: "hashing", bytes } };
      worker.say({ type: "publication", record: told });
    };
    tell(0);
    const [shown] = publications.list;
    void publications.stop(shown!);
    tell(1);
    expect(publications.list).toEqual([]);
  });

  it("on Pause counts while the download is still being opened", async () => {
    const trackers = Promise.withResolvers<[]>();
    const states: (string | undefined)[] = [];
    const ports = {
      storage: { kind: "memory", capBytes: 100 },
      hasher: webCryptoHasher,
      random: Math.random,
      trackersOf: () => trackers.promise,
      post: (message: WorkerMessage) =>
        message.type === "snapshot" ? void states.push(message.snapshot.state) : undefined,
    } as unknown as HostPorts;
    const single = {
      ...torrent,
      files: undefined,
      pieces: [infoHash],
      lengths: { length: 1, pieceLength: 1 },
    };
    const download = hosted(single, ports);
    const opened = download.open();
    await download.pause();
    trackers.resolve([]);
    await opened;
    expect(states.at(-1)).toBe("paused");
    await download.remove();
  });

  it("on Cancel removes a download for good, although Try again was pressed just before", async () => {
    const said: string[] = [];
    const ports = {
      storage: { kind: "memory", capBytes: 0 },
      trackersOf: async () => [],
      post: (message: WorkerMessage) => void said.push(message.type),
    } as unknown as HostPorts;
    const single = {
      ...torrent,
      files: undefined,
      pieces: [infoHash],
      lengths: { length: 1, pieceLength: 1 },
    };
    const download = hosted(single, ports);
    await download.open();
    await Promise.all([download.resume(), download.remove()]);
    await download.handOver();
    expect(said.at(-1)).toBe("removed");
  });

  it("on Search stays, although the catalog changed while it was looked for", async () => {
    const worker = new WorkerByHand();
    const torrents = new Torrents(engineOf(worker));
    void torrents.look("typed");
    void torrents.again();
    const page = { torrents: [torrent], totalSize: 1, nextPageToken: "" };
    for (const asked of worker.asks("list")) worker.answer(asked, page);
    await expect.poll(() => torrents.total).toBe(1);
    expect(torrents.search).toBe("typed");
  });
});

function hosted(torrent: unknown, ports: HostPorts): HostedDownload {
  return new HostedDownload({
    torrent: torrent as never,
    name: "one",
    ports,
    kept: false,
    onGone: () => undefined,
  });
}
