import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { Firefox } from "../../support/page/firefox.ts";
import { redPart } from "../../support/page/red-part.ts";
import { makeFilm, makeMedia, makePdf } from "../../support/page/samples.ts";
import type { PiezaProcess } from "../../support/processes/pieza-process.ts";
import { LocalSwarm, metric, sha256sum, writeRandomFile } from "../../support/swarms/local-swarm.ts";
import { piecesHeld, UploadSwarm, uploadToken } from "../../support/swarms/upload-swarm.ts";

const run = promisify(execFile);

const MiB = 1 << 20;
const name = "half.bin";
const FILM_S = 40;

async function piecesAskedOf(peer: PiezaProcess): Promise<number> {
  return metric(await peer.url(), "pieza_piece_requests_total");
}

/** In the page: what the first download's card says of its state. */
function shownState(): string {
  return document.querySelector("article .state")?.textContent ?? "";
}

/** In the page: presses the button of this label or text. Says whether there is one. */
function press(label: string): boolean {
  const buttons = [...document.querySelectorAll("button")];
  const button = buttons.find((one) => (one.ariaLabel ?? one.textContent.trim()) === label);
  button?.click();
  return button !== undefined;
}

/** In the page: mutes the player and moves it, if it is told where. Says where it plays, and -1 while there is none. */
function playerAt(seconds: number | null): number {
  const media = document.querySelector("video");
  if (media && seconds !== null) {
    media.muted = true;
    media.currentTime = seconds;
    void media.play();
  }
  return media ? media.currentTime : -1;
}

/** In the page: what the preview shows, in words. */
function shownInPreview(): string {
  const shown = document.querySelector(".preview :is(img, textarea)");
  if (shown instanceof HTMLImageElement) return `${shown.naturalWidth} pixels wide`;
  if (shown instanceof HTMLTextAreaElement) return shown.value;
  return "nothing";
}

describe("a tab of Firefox", () => {
  let swarm: LocalSwarm;
  let uploads: UploadSwarm | undefined;
  let firefox: Firefox;

  afterEach(async () => {
    await firefox?.stop();
    await swarm?.stop();
    await uploads?.stop();
  });

  const becomes = (state: string) =>
    expect.poll(() => firefox.evaluate(shownState, undefined), { timeout: 60_000 }).toBe(state);
  const shows = (what: string) =>
    expect.poll(() => firefox.evaluate(shownInPreview, undefined), { timeout: 60_000 }).toBe(what);
  const presses = (label: string) =>
    expect.poll(() => firefox.evaluate(press, label), { timeout: 60_000 }).toBe(true);

  it("downloads, goes on after a reload with what it had, and saves the right bytes", async () => {
    swarm = await LocalSwarm.start();
    firefox = await Firefox.start();
    await writeRandomFile(swarm.path(name), 24 * MiB);
    await swarm.publish(name);
    const first = await swarm.peer("first", name, "1-10");
    await firefox.open(swarm.catalogUrl);
    await presses(`Download ${name}`);
    await becomes("Waiting for peers");
    expect(await piecesAskedOf(first)).toBe(10);

    await firefox.reload();
    await becomes("Waiting for peers");
    const second = await swarm.peer("second", name);
    await becomes("Complete");
    expect(await piecesAskedOf(first), "requests to the first peer").toBe(10);
    expect(await piecesAskedOf(second), "requests to the second peer").toBe(14);

    await presses("Save");
    const saved = () => sha256sum(join(firefox.downloads, name)).catch(() => "not there yet");
    await expect.poll(saved, { timeout: 60_000 }).toBe(await sha256sum(swarm.path(name)));
  });

  it("saves a folder as a zip that others read, and keeps its copy until the person frees it", async () => {
    swarm = await LocalSwarm.start();
    firefox = await Firefox.start();
    await mkdir(join(swarm.path("folder"), "año"), { recursive: true });
    await writeRandomFile(swarm.path("folder/año/a?.bin"), 3 * MiB);
    await writeRandomFile(swarm.path("folder/b.bin"), 100);
    await swarm.publish("folder");
    await swarm.peer("seed", "folder");
    await firefox.open(swarm.catalogUrl);
    await presses("Download folder");
    await becomes("Complete");
    await presses("Save");
    const zip = join(firefox.downloads, "folder.zip");
    await expect
      .poll(
        () =>
          run("7z", ["t", zip]).then(
            () => "whole",
            () => "not yet",
          ),
        { timeout: 60_000 },
      )
      .toBe("whole");
    await run("unzip", ["-q", zip, "-d", swarm.path("unzipped")]);
    await run("diff", ["-r", swarm.path("folder"), swarm.path("unzipped/folder")]);

    await firefox.reload();
    await becomes("Complete");
    await presses("Free 3.1 MB");
    await becomes("");
    await firefox.reload();
    await presses("Download folder");
  });

  it("plays a film while it downloads, after a jump, and when all of it is there", async () => {
    swarm = await LocalSwarm.start();
    firefox = await Firefox.start();
    await makeFilm(swarm.path("film.webm"), FILM_S);
    await swarm.publish("film.webm", "--piece-length", "64KiB");
    // Slower than the browser would read, so that the film plays while most of it is missing.
    await swarm.peer("slow", "film.webm", undefined, "0", "--limit-upload", "240KiB");
    await firefox.open(swarm.catalogUrl);
    await presses("Download film.webm");
    await presses("Play");
    const plays = (from: number) =>
      expect.poll(() => firefox.evaluate(playerAt, null), { timeout: 60_000 }).toBeGreaterThan(from);
    await plays(-1);
    await firefox.evaluate(playerAt, 0);
    await plays(1);
    expect(await firefox.evaluate(shownState, undefined)).not.toBe("Complete");

    await firefox.evaluate(playerAt, 0.8 * FILM_S);
    await plays(0.8 * FILM_S + 1);
    expect(await firefox.evaluate(shownState, undefined)).not.toBe("Complete");
    await becomes("Complete");

    await firefox.reload();
    await presses("Play");
    await plays(-1);
    await firefox.evaluate(playerAt, 20);
    await plays(21);
  });

  it("shows a PDF, a picture and a text of a folder", async () => {
    swarm = await LocalSwarm.start();
    firefox = await Firefox.start();
    await mkdir(swarm.path("papers"));
    await makePdf(swarm.path("papers/red.pdf"));
    await makeMedia(swarm.path("papers/cover.png"), "testsrc=size=320x200", "-frames:v", "1");
    await writeFile(swarm.path("papers/notes.txt"), "a line of text\n");
    await swarm.publish("papers");
    await swarm.peer("papers", "papers");
    await firefox.open(swarm.catalogUrl);
    await presses("Download papers");
    await becomes("Complete");
    await firefox.evaluate(() => {
      for (const details of document.querySelectorAll("details")) details.open = true;
    }, undefined);
    await presses("Show cover.png");
    await shows("320 pixels wide");
    await presses("Read notes.txt");
    await shows("a line of text\n");
    await presses("Read red.pdf");
    const drawn = async () => firefox.evaluate(redPart, await firefox.picture());
    await expect.poll(drawn, { timeout: 60_000 }).toBeGreaterThan(0.05);
  });

  it("publishes a file with the token of its link, and downloads what it published", async () => {
    uploads = await UploadSwarm.start(1);
    firefox = await Firefox.start();
    const peer = await uploads.peer(0);
    const path = uploads.swarm.path(name);
    await writeRandomFile(path, 3 * MiB);
    await firefox.open(`${uploads.catalogUrl}/#token=${uploadToken}`);
    await firefox.chooseFiles('input[type="file"][multiple]', [path]);
    await becomes("Shared");
    expect(await piecesHeld(peer)).toBe(3);
    await firefox.reload();
    await presses(`Download ${name}`);
    await becomes("Complete");
    await presses("Save");
    const saved = () => sha256sum(join(firefox.downloads, name)).catch(() => "not there yet");
    await expect.poll(saved, { timeout: 60_000 }).toBe(await sha256sum(path));
  });
});
