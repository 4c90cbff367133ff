import { InvalidField } from "#core/base/errors.ts";
import { findTorrent } from "../clients/torrent-source.ts";
import { verifyFiles, type WrongPieceFound } from "../clients/verify-files.ts";
import { CliError, ExitCode } from "../line/exit-code.ts";
import { plural } from "../line/units.ts";
import type { VerbInvocation } from "../line/verb-options.ts";

/** Wrong pieces that are printed; --json prints all of them. */
const MAX_SHOWN = 20;

export async function runVerify({ args, flags, out, signal }: VerbInvocation<"verify">): Promise<void> {
  const { torrent } = await findTorrent(args[0]!, flags, signal);
  const path = args[1] ?? torrent.fileName;
  let shown = 0;
  const onWrong = (piece: WrongPieceFound) => {
    if (out.json) out.event("mismatch", { ...piece });
    else if (++shown <= MAX_SHOWN) out.text(`piece ${piece.number}: ${verdict(piece)}`);
  };
  const result = await verifyFiles(torrent, path, signal, onWrong).catch((cause) => {
    if (!(cause instanceof InvalidField)) throw cause;
    throw new CliError(ExitCode.VERIFY_FAILED, cause.message, { cause });
  });
  const { totalPieces, wrongPieces, wrongFiles } = result;
  for (const problem of wrongFiles) out.warn(problem);
  if (wrongPieces > 0 || wrongFiles.length > 0) {
    const found = `${plural(wrongPieces, "piece")} of ${totalPieces} wrong`;
    throw new CliError(ExitCode.VERIFY_FAILED, `${path} is not ${torrent.fileName}: ${found}`);
  }
  out.event(
    "done",
    { path, total_pieces: totalPieces },
    `${path}: all ${plural(totalPieces, "piece")} correct`,
  );
}

function verdict({ expected, found }: WrongPieceFound): string {
  return found === null ? "missing" : `${found.slice(0, 12)}... instead of ${expected.slice(0, 12)}...`;
}
