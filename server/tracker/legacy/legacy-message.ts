import { InvalidField } from "#core/base/errors.ts";
import { isSha256Hex } from "#core/base/hash.ts";
import { MAX_PIECES } from "#core/torrent/piece.ts";
import type { FileInfo, RegisterPeerRequest } from "#gen/tracker_pb.ts";
import { checkString } from "../store/checks.ts";
import type { DeclaredFile, DeclaredPiece } from "../store/swarm-store.ts";

/** Files in one registration. */
const MAX_FILES = 1_024;

/** A seed peer's registration, checked. The host that it declares is nobody's business. */
export interface LegacyRegistration {
  readonly port: number;
  /** Each name once. */
  readonly files: readonly DeclaredFile[];
}

/** Throws InvalidField. `total` may say anything: it counts what the peer holds, and so does the list. */
export function parseRegistration(request: RegisterPeerRequest): LegacyRegistration {
  const port = parsePort(request.peerAddress);
  if (request.fileInfo.length > MAX_FILES)
    throw new InvalidField("file_info", `must be at most ${MAX_FILES}`);
  const byName = new Map<string, DeclaredFile>();
  for (const [at, file] of request.fileInfo.entries()) {
    const fileName = parseFileName(file.fileName, `file_info[${at}].file_name`);
    byName.set(fileName, { fileName, pieces: parsePieces(file, `file_info[${at}]`) });
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

/** Throws InvalidField unless it has 1 to 255 bytes. */
export function parseFileName(name: string, field = "file_name"): string {
  if (name === "") throw new InvalidField(field, "must not be empty");
  return checkString(field, name);
}

/** Of a number that is said twice the last word counts. */
function parsePieces({ pieces }: FileInfo, field: string): readonly DeclaredPiece[] {
  const byNumber = new Map<number, DeclaredPiece>();
  for (const [at, { number, hash }] of pieces.entries()) {
    if (number < 1 || number > MAX_PIECES) {
      throw new InvalidField(`${field}.pieces[${at}].number`, `must be 1 to ${MAX_PIECES}`);
    }
    checkString(`${field}.pieces[${at}].hash`, hash);
    byNumber.set(number, { number, hash: isSha256Hex(hash) ? hash.toLowerCase() : hash });
  }
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}
