import type { Breathe } from "#core/base/breathe.ts";
import { InvalidField } from "#core/base/errors.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import { MAX_PIECES } from "#core/torrent/piece.ts";
import type { FileInfo, RegisterPeerRequest } from "#gen/tracker_pb.ts";
import { breathing } from "../../base/long-work.ts";
import { checkCount, checkString } from "../store/checks.ts";
import type { DeclaredFile, DeclaredPiece } from "../store/swarm-store.ts";

/** Files in one registration. */
const MAX_FILES = 1_024;

/** Pieces that are checked between two looks at the time. */
const PIECES_AT_ONCE = 1_024;

/** A checked registration of a legacy peer. The host that the peer declares is ignored. */
export interface LegacyRegistration {
  readonly port: number;
  /** Each name once. */
  readonly files: readonly DeclaredFile[];
}

/**
 * Checks a registration, and lets other calls in meanwhile. Fails with InvalidField. Ignores `total`, because the list of pieces already tells the number.
 */
export async function parseRegistration(request: RegisterPeerRequest): Promise<LegacyRegistration> {
  const breathe = breathing();
  const port = parsePort(request.peerAddress);
  checkCount("file_info", request.fileInfo, MAX_FILES);
  const byName = new Map<string, DeclaredFile>();
  for (const [at, file] of request.fileInfo.entries()) {
    const fileName = parseFileName(file.fileName, `file_info[${at}].file_name`);
    byName.set(fileName, { fileName, pieces: await parsePieces(file, `file_info[${at}]`, breathe) });
  }
  return { port, files: [...byName.values()] };
}

/** The port of "host:port"; the host may be an IPv6 address or missing. Throws InvalidField. */
export function parsePort(address: string): number {
  checkString("peer_address", address);
  const port = Number(/(?:^|:)(\d{1,5})$/.exec(address)?.[1]);
  if (!(port >= 1 && port <= 65_535)) throw new InvalidField("peer_address", "must be a host and a port");
  return port;
}

/** Returns the name. Throws InvalidField unless it has 1 to 255 bytes. */
export function parseFileName(name: string, field = "file_name"): string {
  if (name === "") throw new InvalidField(field, "must not be empty");
  return checkString(field, name);
}

/** The pieces in the order of their numbers. If a number is declared twice, the last declaration counts. */
async function parsePieces(
  { pieces }: FileInfo,
  field: string,
  breathe: Breathe,
): Promise<readonly DeclaredPiece[]> {
  const byNumber = new Map<number, DeclaredPiece>();
  for (const [at, { number, hash }] of pieces.entries()) {
    if (at % PIECES_AT_ONCE === 0) await breathe();
    if (number < 1 || number > MAX_PIECES) {
      throw new InvalidField(`${field}.pieces[${at}].number`, `must be 1 to ${MAX_PIECES}`);
    }
    checkString(`${field}.pieces[${at}].hash`, hash);
    byNumber.set(number, { number, hash: isSha256Hex(hash) ? hash.toLowerCase() : hash });
  }
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}
