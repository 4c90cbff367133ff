/** One place of the code, broken on purpose, and the test that has to notice. */
export interface Sabotage {
  /** In words, as "skips the hash check". */
  readonly what: string;
  readonly file: string;
  /** Text that occurs in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The test's file. */
  readonly test: string;
  /** The test's name, or the part of it that fits no other. */
  readonly name: string;
}

export const sabotages: readonly Sabotage[] = [
  {
    what: "types alone may make a circle of imports",
    file: "test/support/source-tree.ts",
    find: "ts.isImportDeclaration(node) || ts.isExportDeclaration(node)",
    replace: "(ts.isImportDeclaration(node) && !node.importClause?.isTypeOnly)",
    test: "test/layers.test.ts",
    name: "a circle, made of types alone too",
  },
  {
    what: "a piece's hash is not checked",
    file: "core/receiver.ts",
    find: "if (digest !== hash) throw new WrongPiece(this.#whatIsWrong());",
    replace: "",
    test: "test/core/download.test.ts",
    name: "holds nothing of it: not stored, not counted, not told",
  },
  {
    what: "a ban is forgotten",
    file: "core/swarm.ts",
    find: `peer.standing = { kind: "banned", reason };`,
    replace: `peer.standing = { kind: "usable" };`,
    test: "test/core/download.test.ts",
    name: "is banned after its first: a flipped bit",
  },
  {
    what: "a piece is held before it was verified",
    file: "server/peer/file-piece-store.ts",
    find: "this.#files.write(this.geometry.offset(index) + offset, bytes);",
    replace: "this.#files.write(this.geometry.offset(index) + offset, bytes); this.held.set(index);",
    test: "test/server/peer/piece-store.test.ts",
    name: "holds nothing until commit, however much is written",
  },
  {
    what: "the last piece is as long as the others",
    file: "core/piece.ts",
    find: "return index === this.count - 1 ? this.length - this.offset(index) : this.pieceLength;",
    replace: "return this.pieceLength;",
    test: "test/server/peer/piece-store.test.ts",
    name: "keeps a torrent of three pieces and a byte",
  },
  {
    what: "a wrong total_pieces is believed",
    file: "core/torrent-json.ts",
    find: "if (list.length !== total)",
    replace: "if (list.length > total)",
    test: "test/core/torrent-json.test.ts",
    name: "a torrent is refused for",
  },
  {
    what: "a download keeps the whole file in memory",
    file: "core/download.ts",
    find: "this.#inFlightBytes + pieceLength <= this.#options.maxInFlightBytes",
    replace: "true",
    test: "test/core/download.test.ts",
    name: "requests no more bytes than allowed, whatever the window",
  },
  {
    what: "creating a torrent reads the whole file into memory",
    file: "core/create-torrent.ts",
    find: "Array.from({ length: PIECES_IN_FLIGHT }, work)",
    replace: "Array.from({ length: geometry.count }, work)",
    test: "test/core/create-torrent.test.ts",
    name: "holds at most four pieces at a time",
  },
  {
    what: "turn stands still",
    file: "server/tracker/locator.ts",
    find: "this.#turns.set(key, (turn + 1) % 2 ** 32);",
    replace: "this.#turns.set(key, turn);",
    test: "test/server/tracker/service.test.ts",
    name: "grows turn by one an answer",
  },
  {
    what: "the same peer is named first for every piece",
    file: "core/round-robin.ts",
    find: "return (turn + number) % holders;",
    replace: "return number * 0 + turn * 0 + holders * 0;",
    test: "test/core/round-robin.test.ts",
    name: "names each of four holders in exactly a quarter of the calls",
  },
  {
    what: "a lease needs no secret",
    file: "server/tracker/registrar.ts",
    find: "if (lease && !equalBytes(lease.secretHash, hashSecret(secret))) {",
    replace: "if (lease && !equalBytes(hashSecret(secret), hashSecret(secret))) {",
    test: "test/server/tracker/service.test.ts",
    name: "nobody with a wrong secret",
  },
  {
    what: "no lease ends by itself",
    file: "server/tracker/memory-swarm-store.ts",
    find: "(holder) => this.#end(holder),",
    replace: "() => {},",
    test: "test/server/tracker/faults.test.ts",
    name: "a peer that is killed leaves within its lease and a sweep",
  },
  {
    what: "whoever answers at an address is believed to be its peer",
    file: "server/tracker/dial-back.ts",
    find: "return proofs.some((proof) => equalBytes(proof, expected));",
    replace: "return proofs.length >= 0 || equalBytes(expected, expected);",
    test: "test/server/tracker/dial-back.test.ts",
    name: "is not what others say it is",
  },
  {
    what: "a peer's name may lead anywhere",
    file: "server/tracker/address.ts",
    find: "if (!found.every((ip) => ip && this.#allows(ip))) throw forbidden(hostname);",
    replace: "",
    test: "test/server/tracker/address.test.ts",
    name: "a public tracker refuses inside.example",
  },
  {
    what: "anybody says where it calls from",
    file: "server/http/caller.ts",
    find: "while (isProxy(caller) && hops.length > 0) {",
    replace: 'while (typeof isProxy === "function" && hops.length > 0) {',
    test: "test/server/http/caller.test.ts",
    name: "the caller is no proxy",
  },
  {
    what: "only the first fifty peers of a swarm are named",
    file: "server/tracker/table-windows.ts",
    find: "const window = answer % this.count;",
    replace: "const window = 0 * answer;",
    test: "test/server/tracker/table-windows.test.ts",
    name: "inside its table each holder of a piece",
  },
  {
    what: "the first two pieces of a folder are swapped",
    file: "server/peer/file-piece-store.ts",
    find: "this.#files.write(this.geometry.offset(index) + offset, bytes);",
    replace:
      "this.#files.write((index < 2 ? 1 - index : index) * this.geometry.pieceLength + offset, bytes);",
    test: "test/server/peer/file-piece-store.test.ts",
    name: "keeps a thousand small files, empty ones and pieces that span files",
  },
  {
    what: "a peer gives a piece that it does not hold",
    file: "core/store.ts",
    find: "if (!held.has(index)) throw",
    replace: "if (!held) throw",
    test: "test/server/peer/serving.test.ts",
    name: "serves a piece from the moment it is committed",
  },
  {
    what: "a seed gives what its file has become",
    file: "server/peer/seed-store.ts",
    find: "if ((await sha256(this.#hasher, bytes)) !== this.#torrent.pieces[index]) throw this.#withdraw(index);",
    replace: "",
    test: "test/server/peer/seed-store.test.ts",
    name: "withdraws a piece of which one byte flipped",
  },
  {
    what: "a finished file takes the place of another",
    file: "server/peer/file-piece-store.ts",
    find: "if (this.#replace) this.#disk.rename(part, target);",
    replace: "if (part) this.#disk.rename(part, target);",
    test: "test/server/peer/file-piece-store.test.ts",
    name: "never writes over a file that came meanwhile",
  },
  {
    what: "a resumed download believes its journal",
    file: "server/peer/resume.ts",
    find: "if (!trusted.has(index) && !(await check(index))) {",
    replace: "if (!trusted && !(await check(index))) {",
    test: "test/server/peer/file-piece-store.test.ts",
    name: "believes no piece whose bytes are not there any more",
  },
  {
    what: "any token publishes",
    file: "server/http/token.ts",
    find: "if (!checkToken(expected, given))",
    replace: 'if (!checkToken(expected, given) && expected === "")',
    test: "test/server/catalog/service.test.ts",
    name: "is what PublishTorrent needs",
  },
];
