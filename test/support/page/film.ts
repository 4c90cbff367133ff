import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Makes a file of a source that ffmpeg draws or sounds by itself: a film, a picture, a tone. */
export async function makeMedia(path: string, source: string, ...flags: string[]): Promise<void> {
  await run("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", source, ...flags, path]);
}

/** Makes a film that does not compress well, so that it takes about 100 KB a second. */
export async function makeFilm(path: string, seconds: number): Promise<void> {
  const source = `testsrc2=duration=${seconds}:size=240x136:rate=3,noise=alls=40:allf=t`;
  const quality = ["-c:v", "libvpx", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8"];
  await makeMedia(path, source, ...quality, "-g", "6");
}
