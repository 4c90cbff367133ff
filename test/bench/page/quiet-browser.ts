import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import type { Running, Workspace } from "../support/workspace.ts";
import { Devtools } from "./devtools.ts";
import { QuietTab } from "./quiet-tab.ts";

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--lang=en-US",
  "--disable-background-networking",
  "--remote-debugging-port=0",
];

/**
 * A Chromium with a profile on the disk, in which nobody listens to the network: a browser that is driven in the usual
 * way keeps up to 200 MB of what every tab has received, in base64, for whoever may ask. That is a third of a download's
 * memory, and some of its time.
 */
export class QuietBrowser {
  readonly #process: Running;
  readonly #devtools: Devtools;
  readonly #folder: string;

  private constructor(process: Running, devtools: Devtools, folder: string) {
    this.#process = process;
    this.#devtools = devtools;
    this.#folder = folder;
  }

  /** Profile and downloads are in the workspace, whose end is the browser's too. */
  static async start(workspace: Workspace): Promise<QuietBrowser> {
    const folder = workspace.path(`chromium-${crypto.randomUUID()}`);
    const program = process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium";
    const running = workspace.start([program, ...flags, `--user-data-dir=${folder}`, "about:blank"]);
    const [, url = ""] = await running.nextLine(/DevTools listening on (ws:\S+)/);
    const devtools = await Devtools.connect(url);
    await devtools.browser.send("Browser.setDownloadBehavior", {
      behavior: "allowAndName",
      downloadPath: folder,
      eventsEnabled: true,
    });
    return new QuietBrowser(running, devtools, folder);
  }

  /** A new tab at `url`, once it has loaded and come to rest. */
  async open(url: string, restMs: number): Promise<QuietTab> {
    const { targetId } = await this.#devtools.browser.send("Target.createTarget", { url });
    const { sessionId } = await this.#devtools.browser.send("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    const tab = new QuietTab(this.#devtools, this.#devtools.session(sessionId), targetId, this.#folder);
    await tab.start();
    await setTimeout(restMs);
    return tab;
  }

  /** Of all of its processes. */
  async pids(): Promise<number[]> {
    const { processInfo } = await this.#devtools.browser.send("SystemInfo.getProcessInfo");
    return processInfo.map(({ id }: { id: number }) => id);
  }

  /** Memory of all of its processes, pages that they share counted once. */
  async memoryBytes(): Promise<number> {
    const sizes = (await this.pids()).map(async (pid) => {
      // One that has just ended has no memory.
      const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
      return Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024;
    });
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  }

  async stop(): Promise<void> {
    this.#devtools.close();
    await this.#process.stop();
  }
}
