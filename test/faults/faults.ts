/** One thing that goes wrong, what holds all the same, and the tests that say so. */
export interface Fault {
  /** What goes wrong. */
  readonly what: string;
  readonly holds: string;
  /** By file, parts of the tests' names that fit one place in it each. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
}

/** Every fault that is survived by promise, so that none loses its test unnoticed. */
export const faults: Readonly<Record<string, Fault>> = {
  F1: {
    what: "a peer is killed in the middle of a piece, all but one are, the last holder is",
    holds:
      "the others take over; only what was in flight comes twice; the last holder is used 2 s after it is back",
    tests: {
      "test/core/download/download.test.ts": [
        "loses only the pieces in flight when one of four peers is killed",
      ],
      "test/faults/swarm-faults.test.ts": [
        "all but one, at four tenths",
        "all but one of %i, without a word: nothing comes for 10 s at most",
        "the last holder: it is waited for",
      ],
      "test/server/tracker/faults.test.ts": ["a peer that is killed leaves within its lease and a sweep"],
      "test/e2e/swarm.test.ts": ["although one is killed with -9 in the middle"],
      "test/e2e/faults.test.ts": ["waits for its last holder, which was killed"],
    },
  },
  F2: {
    what: "a peer is very slow, or alone has what is missing",
    holds: "it costs the others little, few bytes come twice, and it is used where nobody else can be",
    tests: {
      "test/core/download/download-pace.test.ts": [
        "one at 1 % costs the others little, and few bytes twice",
        "one that alone has some pieces is asked for them",
        "twelve that are all alike get the last piece too",
      ],
    },
  },
  F3: {
    what: "half of 32 seeders send wrong pieces or break off now and then",
    holds: "each liar is banned after its first wrong piece, and nobody else; not one wrong byte is kept",
    tests: {
      "test/faults/swarm-faults.test.ts": ["half of 32 seeders send a wrong piece or break off"],
      "test/server/http/client/liars.test.ts": ["bans who sends what is no piece after one"],
    },
  },
  F4: {
    what: "a piece is too short, too long, endless, another one, or of another torrent",
    holds: "reading stops just behind its length, the peer is banned after one, memory stays small",
    tests: {
      "test/core/download/download.test.ts": ["is banned after its first: "],
      "test/contract/remote-peer.ts": [
        "reads no more than a piece and 1 KiB of an answer that is too long",
        "ends an answer without an end, and its connection",
      ],
      "test/server/http/client/hostile-peers.test.ts": [
        "needs little memory for all of them at once",
        "a client of a peer that $does needs no memory for it",
      ],
    },
  },
  F5: {
    what: "a peer that named a piece does not have it",
    holds: "it is asked for its others, not banned, and not asked again for that one within a minute",
    tests: {
      "test/core/download/download.test.ts": ["with a rotten or missing piece is asked for its others"],
      "test/faults/download-faults.test.ts": [
        "is asked for each once a minute, and is never banned",
        "is given a pause after three, and asked for its others",
      ],
    },
  },
  F6: {
    what: "the tracker is away when things start",
    holds: "it is tried again until it is back, at most 12 times in 5 s",
    tests: {
      "test/server/tracker/faults.test.ts": ["a tracker that is down at the start and up after 5 s"],
      "test/core/download/download-pace.test.ts": ["one that is away at the start is asked until it is back"],
      "test/faults/download-faults.test.ts": ["is asked at most 12 times, and pieces come by 10 s"],
      "test/server/peer/peer.test.ts": ["announces to a tracker that was away when it started"],
    },
  },
  F7: {
    what: "the tracker dies for good during a download",
    holds:
      "the download completes with the peers it knows; the tracker is tried for ever, told of once a minute",
    tests: {
      "test/core/download/download-pace.test.ts": ["a lost tracker does not stop a running download"],
      "test/faults/download-faults.test.ts": ["that dies for good costs no piece: each is asked for once"],
      "test/server/tracker/faults.test.ts": ["a tracker that dies for good is tried for ever"],
      "test/e2e/comings-and-goings.test.ts": ["a download goes on without its tracker"],
    },
  },
  F8: {
    what: "the tracker restarts with nothing",
    holds: "it knows all peers again within one heartbeat, downloads do not notice",
    tests: {
      "test/server/tracker/faults.test.ts": [
        "a tracker that restarts with nothing knows all five peers again",
      ],
      "test/faults/swarm-faults.test.ts": ["a tracker that comes back with nothing in the middle"],
      "test/e2e/comings-and-goings.test.ts": ["a tracker restarted empty knows its peers again"],
    },
  },
  F9: {
    what: "the network is cut for 20 s: both ways, one way, link by link",
    holds: "nothing ends; a download goes on within 10 s after it",
    tests: {
      "test/faults/swarm-faults.test.ts": ["ends nothing, and the download goes on within 10 s after it"],
      "test/server/tracker/faults.test.ts": ["a peer that cannot reach its tracker for 20 s keeps its lease"],
      "test/e2e/faults.test.ts": ["goes on without peers that are there and silent"],
    },
  },
  F10: {
    what: "the wall clock jumps or stands still",
    holds: "nothing notices",
    tests: {
      "test/server/base/node-clock.test.ts": ["goes on evenly when the wall clock jumps by"],
      "test/server/tracker/faults.test.ts": ["a jump of the wall clock ends no lease and stops no heartbeat"],
      "test/simulation/simulation.test.ts": ["does not notice that the wall clock jumps"],
      "test/e2e/faults.test.ts": ["processes whose wall clocks jump and stand still do not notice"],
    },
  },
  F11: {
    what: "the disk is full, has a limit, or fails at any call",
    holds: "the download ends in words that say so; later it goes on, and asks for no verified piece again",
    tests: {
      "test/server/peer/stores/full-disk.test.ts": [
        "stops the download with noSpace, and it goes on when there is room",
      ],
      "test/server/peer/stores/failing-disk.test.ts": [
        "for every n (sync",
        "while it opens a finished file says that it fails",
      ],
      "test/e2e/faults.test.ts": [
        "that is full ends the download with 6; when there is room it goes on",
        "that takes no file so large, or none at all",
      ],
    },
  },
  F12: {
    what: "a download is killed with -9, at any moment",
    holds: "only pieces in flight come twice; the name appears at the end only; nothing is left but the file",
    tests: {
      "test/faults/killed-download.test.ts": [
        "moments loses only pieces in flight, and asks its seeder for no recorded piece again",
        "goes on from there",
      ],
      "test/e2e/faults.test.ts": ["that is killed three times asks again only for what was on its way"],
    },
  },
  F13: {
    what: "the power goes, at any moment: what was not flushed is there in part, in another order, or not",
    holds: "no piece is held that is not there, none is lost that was durable, no name is on half a file",
    tests: {
      "test/server/peer/stores/power-cut.test.ts": [
        "leaves no piece held that is not there, and no name on half a file",
        "finds a whole file: what the system only still remembers is not believed",
      ],
      "test/server/peer/stores/flushed.test.ts": [
        "had all of it on the disk before it got its name",
        "has each of them on the disk before it has its place",
      ],
      "test/core/ports/journal.test.ts": ["torn at any byte, keeps every record before the tear"],
    },
  },
  F18: {
    what: "one peer announces itself 1,000 times",
    holds: "it is named once, and has its share of the turns and no more",
    tests: {
      "test/server/tracker/legacy/legacy-bugs.test.ts": ["1,000 duplicate announces are one location"],
    },
  },
  F19: {
    what: "a file changes under its seeder: a byte, its length, another in its place, none",
    holds: "no changed byte leaves; the piece is withdrawn, the others are served, nobody is banned",
    tests: {
      "test/server/peer/stores/in-place-store.test.ts": [
        "withdraws a piece of which one byte flipped, even with the old times put back",
        "withdraws what a truncation took, and only that",
        "notices another file that was renamed into its place",
        "withdraws what it reads after the file was deleted",
      ],
      "test/e2e/faults.test.ts": ["a file that changes under its seeder costs the changed pieces only"],
    },
  },
  F23: {
    what: "it all goes on for very long",
    holds: "memory, files and timers stay what they were",
    tests: {
      "test/faults/swarm-faults.test.ts": ["a day of a swarm with peers that come and go"],
      "test/faults/soak.test.ts": ["comings and goings leave neither memory nor files nor timers behind"],
    },
  },
  F27: {
    what: "a peer says GOAWAY, resets, or sends endless headers",
    holds: "the process lives, the call is the peer's failure",
    tests: {
      "test/server/http/client/transports.test.ts": ["costs some calls at most, never the process"],
      "test/server/http/client/hostile-peers.test.ts": ["is told each by its code, every time"],
    },
  },
  F28: {
    what: "a peer is told to stop while 100 callers read",
    holds: "every answer arrives whole, the tracker knows, the process ends with 0",
    tests: {
      "test/e2e/faults.test.ts": ["a peer told to stop while 100 callers read"],
      "test/server/peer/peer.test.ts": ["drains: named no more, what is under way arrives"],
    },
  },
  F29: {
    what: "two processes want one target; the lock of a dead one is there",
    holds: "the second ends in words that name the first; a dead one's lock is taken over",
    tests: {
      "test/server/peer/roles/role-lock.test.ts": ["one process at a time is the part %s of a peer"],
      "test/e2e/faults.test.ts": ["of which another process has the target ends and names that process"],
      "test/server/peer/stores/lock.test.ts": ["of a process id that was given to another process since"],
      "test/server/peer/stores/killed-writer.test.ts": ["leaves a lock that the next one takes over"],
    },
  },
  F30: {
    what: "few open files, a read-only folder, a catalog that fails, answers a web page, hangs up or says nothing",
    holds: "it works, or ends in words with a code",
    tests: {
      "test/e2e/faults.test.ts": [
        "a process that may have only 64 files open downloads all the same",
        "that takes no file so large, or none at all",
        "is told of in words, with a code for scripts",
      ],
      "test/server/peer/stores/file-piece-store.test.ts": ["keeps few of them open"],
    },
  },
  F31: {
    what: "files of 0 and 1 byte, exactly at a piece's edge and a byte behind it, over 4 GiB, of 65,536 pieces",
    holds: "every byte is at its place",
    tests: {
      "test/contract/piece-store.ts": ["and finishes it, twice"],
      "test/core/torrent/piece.test.ts": [
        "cuts at the edge sizes",
        "reaches beyond 4 GiB without losing a byte",
      ],
      "test/server/peer/stores/file-piece-store.test.ts": ["writes behind 4 GiB, sparsely"],
      "test/core/download/download-pace.test.ts": ["a download of 65,536 pieces"],
    },
  },
};
