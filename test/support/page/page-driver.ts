import { mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type BrowserContext, chromium, type Locator, type Page } from "playwright-core";
import { pictures } from "./pictures.ts";

/** Debian's Chromium; it looks nothing up on the outside and needs no sandbox in a container. */
const executablePath = process.env.PIEZA_TEST_CHROMIUM ?? "/usr/bin/chromium";
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  // Sound would go to PulseAudio, which leaves a folder for temporary files.
  "--disable-audio-output",
];

/** How long what a page should show is waited for. Where a test is wanted to fail, nobody has to wait so long for it. */
const PATIENCE_MS = Number(process.env.PIEZA_TEST_PATIENCE_MS ?? 60_000);

export interface PageDriverOptions {
  /** Host names that mean this machine, besides localhost. */
  readonly hosts?: readonly string[];
  /** BCP 47. Default "en-US". */
  readonly locale?: string;
  /** Takes certificates of authorities that nobody knows. Default false. */
  readonly anyCertificate?: boolean;
  /** Ports of this machine that the browser takes for servers elsewhere, which need leave to reach local ones. */
  readonly publicPorts?: readonly (number | string)[];
}

/** A Chromium with a profile on the disk, so that its storage outlives a crash. */
export class PageDriver {
  /** What the page's policy forbade, and what its scripts threw. */
  readonly problems: string[] = [];
  readonly #profile: string;
  readonly #options: PageDriverOptions;
  #context: BrowserContext;

  private constructor(profile: string, options: PageDriverOptions, context: BrowserContext) {
    this.#profile = profile;
    this.#options = options;
    this.#context = context;
  }

  static async start(options: PageDriverOptions = {}): Promise<PageDriver> {
    const profile = await mkdtemp(join(tmpdir(), "pieza-chromium-"));
    return new PageDriver(profile, options, await launch(profile, options));
  }

  /** A new tab at `url`. Saving goes through the browser's downloads, as where there are no pickers. */
  async open(url: string): Promise<Page> {
    const page = await this.#context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.problems.push(`thrown: ${error.message}`));
    page.on("console", (message) => {
      if (/content security policy|trusted ?type|uncaught/i.test(message.text()))
        this.problems.push(message.text());
    });
    await page.addInitScript(() => {
      Reflect.deleteProperty(window, "showSaveFilePicker");
      Reflect.deleteProperty(window, "showDirectoryPicker");
    });
    await page.goto(url);
    return page;
  }

  /** Ends the browser as a power cut would end it, and starts it again on the same profile. */
  async crash(): Promise<void> {
    const socket = await readlink(join(this.#profile, "SingletonSocket"));
    const session = await this.#context.browser()?.newBrowserCDPSession();
    const closed = new Promise<void>((resolve) => this.#context.once("close", () => resolve()));
    session?.send("Browser.crash").catch(() => undefined);
    await closed;
    // A folder of its own for temporary files, which it had no time to take away.
    await rm(dirname(socket), { recursive: true, force: true });
    this.#context = await launch(this.#profile, this.#options);
  }

  /** Memory of all of the browser's processes, pages that they share counted once. */
  async memoryBytes(): Promise<number> {
    const session = await this.#context.browser()!.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    await session.detach();
    const sizes = processInfo.map(async ({ id }) => {
      // One that has just ended has no memory.
      const rollup = await readFile(`/proc/${id}/smaps_rollup`, "utf8").catch(() => "");
      return Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024;
    });
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * Records the tasks of all tabs from now on. The result ends that, and gives the processor time of the longest one on a
   * page's own thread, in ms: unlike its duration, that does not grow with what else the machine does.
   */
  async recordTasks(): Promise<() => Promise<number>> {
    const session = await this.#context.browser()!.newBrowserCDPSession();
    const events: TraceEvent[] = [];
    session.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
    await session.send("Tracing.start", {
      transferMode: "ReportEvents",
      traceConfig: { includedCategories: ["toplevel"], recordMode: "recordUntilFull" },
    });
    return async () => {
      const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
      await session.send("Tracing.end");
      await complete;
      await session.detach();
      return longestTaskMs(events);
    };
  }

  /** `test` is the one that ends with it; if it failed, its tabs are kept as pictures. */
  async stop(test?: { readonly name: string; readonly result?: { readonly state: string } }): Promise<void> {
    if (test?.result?.state === "fail") await this.#picture(test.name);
    await this.#context.close();
    await rm(this.#profile, { recursive: true, force: true });
  }

  /** A tab that hangs has no picture. */
  async #picture(name: string): Promise<void> {
    for (const [n, page] of this.#context.pages().entries()) {
      const path = join(pictures, `failed-${fileNameOf(name)}-${n}.png`);
      await page.screenshot({ path, fullPage: true, timeout: 5_000 }).catch(() => undefined);
    }
  }
}

/** What is used of Chromium's trace events; `tdur`: processor time in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

function longestTaskMs(events: readonly TraceEvent[]): number {
  const keyOf = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const named = events.filter(({ ph, name }) => ph === "M" && name === "thread_name");
  const pages = new Set(named.filter(({ args }) => args.name === "CrRendererMain").map(keyOf));
  const tasks = events.filter((event) => event.name.endsWith("RunTask") && pages.has(keyOf(event)));
  if (tasks.length === 0) throw new Error("no task was recorded");
  return tasks.reduce((longest, { tdur = 0 }) => Math.max(longest, tdur), 0) / 1_000;
}

/** What a file may be called everywhere. */
function fileNameOf(text: string): string {
  return text.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 80);
}

function launch(profile: string, options: PageDriverOptions) {
  const {
    hosts = [],
    locale = "en-US",
    anyCertificate: ignoreHTTPSErrors = false,
    publicPorts = [],
  } = options;
  const rules = hosts.map((host) => `MAP ${host} 127.0.0.1`).join(",");
  const elsewhere = publicPorts.map((port) => `127.0.0.1:${port}=public`).join(",");
  const flags = [
    ...args,
    ...(rules ? [`--host-resolver-rules=${rules}`] : []),
    ...(elsewhere ? [`--ip-address-space-overrides=${elsewhere}`] : []),
  ];
  return chromium.launchPersistentContext(profile, {
    executablePath,
    args: flags,
    locale,
    ignoreHTTPSErrors,
  });
}

/** One download on the page, by the name of its file. */
export class DownloadOnPage {
  readonly card: Locator;
  readonly #page: Page;
  readonly #name: string;

  constructor(page: Page, name: string) {
    this.#page = page;
    this.#name = name;
    this.card = page.getByRole("article", { name, exact: true });
  }

  /** Presses "Download" in the catalog's list. */
  async start(): Promise<this> {
    await this.#page.getByRole("button", { name: `Download ${this.#name}`, exact: true }).click();
    return this;
  }

  press(button: string): Promise<void> {
    return this.card.getByRole("button", { name: button, exact: true }).click();
  }

  /** Resolves once the card says so, in the page's words: "Complete", "Paused". */
  async becomes(state: string, timeoutMs = PATIENCE_MS): Promise<void> {
    const shown = this.card.locator(".state").getByText(state, { exact: true });
    await shown
      .first()
      .waitFor({ timeout: timeoutMs })
      .catch(async (cause) => {
        const text = await this.card.textContent({ timeout: 1_000 }).catch(() => "no such card");
        throw new Error(`${this.#name} did not become ${state} in ${timeoutMs} ms. The card says:\n${text}`, {
          cause,
        });
      });
  }

  /** What the bar says while it is under way, 0 to 100. */
  async heldPercent(): Promise<number> {
    const [fraction = 0] = await this.card
      .locator(".status progress")
      .evaluateAll((bars) => bars.map((bar) => (bar as HTMLProgressElement).value));
    return 100 * fraction;
  }

  /** Pieces by peer's address, as the table of peers has them. */
  async piecesByPeer(): Promise<Record<string, number>> {
    const rows = await this.card.locator("tbody tr").all();
    const pieces: Record<string, number> = {};
    for (const row of rows) {
      const address = await row.getByRole("rowheader").textContent();
      const count = await row.getByRole("cell").last().textContent();
      pieces[address!.trim()] = Number(count!.replaceAll(",", ""));
    }
    return pieces;
  }

  /** Saves through the browser's downloads; returns where the file is and what it was to be called. */
  async save(): Promise<{ path: string; suggestedName: string }> {
    const [download] = await Promise.all([this.#page.waitForEvent("download"), this.press("Save")]);
    return { path: await download.path(), suggestedName: download.suggestedFilename() };
  }
}
