import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { within } from "../deadline.ts";

const executable = process.env.PIEZA_TEST_FIREFOX ?? "/usr/bin/firefox-esr";
const START_MS = 60_000;
const COMMAND_MS = 60_000;

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: string;
  readonly message?: string;
}

/**
 * A Firefox with one tab and a profile of its own, driven by WebDriver BiDi over a plain socket: the protocol that every
 * Firefox speaks by itself, where the drivers of npm want one of their own making, or a newer one than Debian's.
 */
export class Firefox {
  /** Where the browser saves what is downloaded. */
  readonly downloads: string;
  readonly #profile: string;
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #tab = "";

  private constructor(profile: string, process: ChildProcess, socket: WebSocket) {
    this.#profile = profile;
    this.downloads = join(profile, "downloads");
    this.#process = process;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer;
      this.#waiting.get(answer.id ?? 0)?.(answer);
    });
  }

  static async start(): Promise<Firefox> {
    const profile = await mkdtemp(join(tmpdir(), "pieza-firefox-"));
    await writeFile(join(profile, "user.js"), preferences(join(profile, "downloads")));
    const args = [
      "--headless",
      "--no-remote",
      "--profile",
      profile,
      "--remote-debugging-port",
      "0",
      "about:blank",
    ];
    const process = spawn(executable, args, { stdio: ["ignore", "ignore", "pipe"] });
    try {
      const url = await within(START_MS, "Firefox says where it listens", listening(process));
      const socket = new WebSocket(`${url}/session`);
      await within(START_MS, "Firefox takes the connection", once(socket, "open"));
      const firefox = new Firefox(profile, process, socket);
      await firefox.#send("session.new", { capabilities: {} });
      const { contexts } = await firefox.#send("browsingContext.getTree", {});
      firefox.#tab = (contexts as { context: string }[])[0]!.context;
      return firefox;
    } catch (error) {
      process.kill("SIGKILL");
      await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
      throw error;
    }
  }

  /** Resolves when the page has loaded. */
  async open(url: string): Promise<void> {
    await this.#send("browsingContext.navigate", { context: this.#tab, url, wait: "complete" });
  }

  async reload(): Promise<void> {
    await this.#send("browsingContext.reload", { context: this.#tab, wait: "complete" });
  }

  /** Calls `fn` in the page, where it sees nothing of its file; what goes in and comes out is JSON. */
  async evaluate<A, R>(fn: (argument: A) => R | Promise<R>, argument: A): Promise<R> {
    const { result, exceptionDetails } = await this.#send("script.callFunction", {
      functionDeclaration: `async () => JSON.stringify((await (${fn})(${JSON.stringify(argument)})) ?? null)`,
      target: { context: this.#tab },
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error((exceptionDetails as { text: string }).text);
    return JSON.parse((result as { value: string }).value) as R;
  }

  /** What the tab shows, as a PNG in base64. */
  async picture(): Promise<string> {
    const { data } = await this.#send("browsingContext.captureScreenshot", { context: this.#tab });
    return data as string;
  }

  /** Gives files to the input that `selector` finds, as a person chooses them. */
  async chooseFiles(selector: string, files: readonly string[]): Promise<void> {
    const expression = `document.querySelector(${JSON.stringify(selector)})`;
    const target = { context: this.#tab };
    const { result } = await this.#send("script.evaluate", { expression, target, awaitPromise: false });
    const { sharedId } = result as { sharedId: string };
    await this.#send("input.setFiles", { ...target, element: { sharedId }, files });
  }

  async stop(): Promise<void> {
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
    this.#socket.close();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  async #send(method: string, params: object): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error, message } = await within(COMMAND_MS, method, answered);
    this.#waiting.delete(id);
    if (!result) throw new Error(`${method}: ${error}: ${message}`);
    return result;
  }
}

/** The address of its WebDriver, once it says so; fails when it ends before. */
async function listening(process: ChildProcess): Promise<string> {
  const said: string[] = [];
  for await (const line of createInterface({ input: process.stderr! })) {
    said.push(line);
    const [, url] = /^WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? [];
    if (!url) continue;
    // What it still says must not fill the pipe.
    process.stderr!.resume();
    return url;
  }
  throw new Error(`${executable} ended\n${said.join("\n")}`);
}

/** Saves without asking, and calls nobody. */
function preferences(downloads: string): string {
  const values: Record<string, string | number | boolean> = {
    "browser.download.folderList": 2,
    "browser.download.dir": downloads,
    "browser.download.useDownloadDir": true,
    "browser.download.always_ask_before_handling_new_types": false,
    "browser.shell.checkDefaultBrowser": false,
    "app.update.auto": false,
    "app.normandy.enabled": false,
    "browser.safebrowsing.downloads.enabled": false,
    "browser.safebrowsing.malware.enabled": false,
    "browser.safebrowsing.phishing.enabled": false,
    "datareporting.policy.dataSubmissionEnabled": false,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "services.settings.server": "http://127.0.0.1:9/",
    "intl.locale.requested": "en-US",
    "intl.accept_languages": "en-US",
  };
  return Object.entries(values)
    .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
    .join("");
}
