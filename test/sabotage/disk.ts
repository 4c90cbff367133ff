import type { Sabotage } from "./sabotage.ts";

/** Of the order in which things get onto a disk, of what a next run makes of them, and of what they are read into. */
export const sabotagesOfTheDisk: readonly Sabotage[] = [
  {
    what: "the folders inside a folder are on the disk at the end only",
    file: "server/peer/open-work.ts",
    find: "    await files.syncFolders();\n",
    replace: "",
    test: "test/server/peer/flushed.test.ts",
    name: "is on the disk with all folders inside before a piece in it is called durable",
  },
  {
    what: "a journal's torn tail stays behind its end",
    file: "server/peer/journal.ts",
    find: "      disk.truncate(file, state.endBytes);\n",
    replace: "",
    test: "test/server/peer/journal-file.test.ts",
    name: "records behind the tear do not come back",
  },
  {
    what: "a record that was written in half counts as written",
    file: "server/peer/journal.ts",
    find: "    this.#disk.write(this.#file, records, this.#endBytes);\n    this.#endBytes += records.length;",
    replace:
      "    this.#endBytes += records.length;\n    this.#disk.write(this.#file, records, this.#endBytes - records.length);",
    test: "test/server/peer/journal-file.test.ts",
    name: "goes on where the last whole record ended",
  },
  {
    what: "a file of the target's name and size is taken for finished",
    file: "server/peer/open-work.ts",
    find: "whole = await holdsAll(job, files);",
    replace: "whole = files.sizesRight();",
    test: "test/server/peer/file-piece-store.test.ts",
    name: "takes no other file of its name and size for finished",
  },
  {
    what: "two torrents of one name share their working files",
    file: "server/peer/store-paths.ts",
    find: "infoHash.slice(0, 8)",
    replace: "infoHash.slice(0, 0)",
    test: "test/server/peer/file-piece-store.test.ts",
    name: "keeps two torrents of one name apart",
  },
  {
    what: "of two that find a dead one's lock both take it",
    file: "server/peer/lock.ts",
    find: "if (taken && lives(taken)) {",
    replace: 'if (taken && lives(taken) && path === "") {',
    test: "test/server/peer/lock.test.ts",
    name: "that somebody else takes over a moment earlier is theirs",
  },
  {
    what: "a buffer is given back before its answer has left",
    file: "server/peer/uploads.ts",
    find: "      return { bytes, done, waitMs",
    replace: "      this.#buffers.give(taken.buffer);\n      return { bytes, done, waitMs",
    test: "test/server/peer/uploads.test.ts",
    name: "an answer's buffer is nobody else's",
  },
  {
    what: "a read that failed stays on the budget",
    file: "server/peer/uploads.ts",
    find: "      done();\n      this.#report(request, error);",
    replace: "      this.#report(request, error);",
    test: "test/server/peer/uploads.test.ts",
    name: "a read that failed gives its room back",
  },
  {
    what: "a file that changes while it is read counts as read",
    file: "server/peer/stamped-read.ts",
    find: "return after === stampOf(before) && isSettled(before, nowMs) ? after : undefined;",
    replace: "return isSettled(before, nowMs) ? after : undefined;",
    test: "test/server/peer/stamped-read.test.ts",
    name: "has none if the file changes while it is read",
  },
];
