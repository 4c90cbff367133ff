import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
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

/** Writes a PDF of one page that is all red. */
export async function makePdf(path: string): Promise<void> {
  const drawing = "1 0 0 rg 0 0 600 800 re f";
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>",
    `<< /Length ${drawing.length} >>\nstream\n${drawing}\nendstream`,
  ];
  let text = "%PDF-1.4\n";
  const offsets = objects.map((object, n) => {
    const offset = text.length;
    text += `${n + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(offset).padStart(10, "0")} 00000 n \n`;
  });
  const table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.join("")}`;
  const end = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`;
  await writeFile(path, text + table + end);
}
