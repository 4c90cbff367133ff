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
];
