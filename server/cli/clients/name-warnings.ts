import { windowsProblem } from "#core/base/file-name.ts";
import type { Torrent } from "#core/torrent/torrent.ts";
import type { Output } from "../line/output.ts";
import { plural } from "../line/units.ts";

/** Names that are printed; further ones are only counted. */
const MAX_NAMES = 5;

/** Warns of files of a new torrent that people on Windows cannot download. */
export function warnOfNames({ fileName, files = [] }: Torrent, out: Output): void {
  const problems = [fileName, ...files.map(({ path }) => path)].flatMap((path) => {
    const problem = windowsProblem(path);
    return problem ? [`Windows cannot write ${path}, whose name ${problem}`] : [];
  });
  for (const problem of problems.slice(0, MAX_NAMES)) out.warn(problem);
  const more = problems.length - MAX_NAMES;
  if (more > 0) out.warn(`Windows cannot write ${plural(more, "more file")} of it`);
}
