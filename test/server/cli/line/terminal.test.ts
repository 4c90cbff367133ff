import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startCatalog } from "../../../../server/catalog/catalog.ts";
import { HOSTILE, printedInTerminal, withoutPictures } from "../../../support/processes/terminal.ts";
import { makeTorrent } from "../../../support/swarms/made-torrent.ts";
import { startToldTracker, type Told } from "../../../support/swarms/told-tracker.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const pathOf = (path: string) => fileURLToPath(new URL(`../../../../${path}`, import.meta.url));
/** Everything that is no text, but ends of lines. */
const NO_TEXT = /[[␛\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Cf}]--[\n\u200c\u200d]]/v;

function expectText(printed: string): void {
  const rest = withoutPictures(printed);
  expect(NO_TEXT.exec(rest)?.[0], rest).toBeUndefined();
}

describe("text from outside reaches a terminal as text", () => {
  it.each(["people", "json"])("in every event, line, log line, picture and error, for %s", async (how) => {
    const child = pathOf("test/support/processes/hostile-output.ts");
    const printed = await printedInTerminal([process.execPath, child, how]);
    expect(printed.split("http://a").length).toBeGreaterThan(60);
    if (how === "people") {
      // The picture was drawn, and drawn over.
      const shown = printed.replaceAll("\u001b", "␛");
      expect(shown).toMatch(/␛\[38;5;\d+m█␛\[39m http:\/\/a\ufffd\[2J/);
      expect(shown).toMatch(/␛\[\d+A␛\[0J/);
    }
    expectText(printed);
  });
});

describe("against servers that answer with hostile text", () => {
  let folder: string;
  let catalog: Awaited<ReturnType<typeof startCatalog>>;
  let tracker: Awaited<ReturnType<typeof startToldTracker>>;
  const told: Told = { peers: [] };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "pieza-terminal-"));
    await mkdir(join(folder, "torrents"));
    tracker = await startToldTracker(told);
    const { torrent } = await makeTorrent({ length: 100_000 });
    const { fileName, pieces, lengths } = torrent;
    const json = {
      ...{ file_name: fileName, total_pieces: pieces.length, comment: HOSTILE },
      ...{ length: lengths!.length, piece_length: lengths!.pieceLength },
      trackers: [tracker.url, HOSTILE],
      pieces: pieces.map((hash, index) => ({ number: index + 1, hash })),
    };
    await writeFile(join(folder, "torrents/hostile.json"), JSON.stringify(json));
    await writeFile(join(folder, "file.json"), await readFile(join(folder, "torrents/hostile.json")));
    const directory = join(folder, "torrents");
    catalog = await startCatalog({ port: 0, directory, trackers: [HOSTILE], open: true });
  });
  afterAll(async () => {
    await catalog?.close();
    await tracker?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]) => {
    const entry = pathOf("server/cli/pieza.js");
    const env = { PIEZA_CATALOG: catalog.url, PIEZA_DATA: join(folder, "data"), PIEZA_GIVE_UP_AFTER: "1s" };
    return printedInTerminal([process.execPath, entry, ...args, "-v"], { cwd: folder, env });
  };
  const verbs = ["ls", "info hostile", "info file.json", "get hostile", "explain hostile", "peers hostile"];
  const more = ["status", "status hostile", "doctor hostile", "doctor hostile --json", "get hostile --json"];

  it.each([...verbs, ...more])("pieza %s prints text", async (verb) => {
    told.peers = [HOSTILE, "http://127.0.0.1:1"];
    told.watched = { peers: [{ url: HOSTILE, zone: HOSTILE, piecesHeld: 1 }] };
    const printed = await run(...verb.split(" "));
    expect(printed.length).toBeGreaterThan(20);
    expectText(printed);
  });

  it.each(["get hostile", "peers hostile", "doctor hostile"])(
    "pieza %s prints an error as text",
    async (verb) => {
      told.error = HOSTILE;
      const printed = await run(...verb.split(" "));
      delete told.error;
      expect(printed).toContain("http://a");
      expectText(printed);
    },
  );
});
