import { type ErrorCode, PeerFailed } from "#core/base/errors.ts";
import type { PeerSnapshot } from "#core/download/snapshot.ts";
import type { RemotePeer } from "#core/ports/peer.ts";
import type { FailureKind, FailureReport } from "#core/ports/tracker.ts";

/** The failures that are reported to trackers, by error code. A peer may refuse with any other code. */
const KINDS: Partial<Record<ErrorCode, FailureKind>> = {
  unavailable: "unreachable",
  deadline_exceeded: "unreachable",
  internal: "unreachable",
  not_found: "missing-piece",
  out_of_range: "missing-piece",
  data_loss: "missing-piece",
};

/** Reports failures of the peers of one download. */
export class PeerFailures {
  readonly #infoHash: string;
  readonly #report: (failure: FailureReport) => void;
  readonly #banned = new Set<string>();

  constructor(infoHash: string, report: (failure: FailureReport) => void) {
    this.#infoHash = infoHash;
    this.#report = report;
  }

  /** The same peer; calls that fail are reported. */
  watch(peer: RemotePeer): RemotePeer {
    const { url, transport } = peer;
    return {
      url,
      transport,
      getBitfield: (signal) => this.#listen(url, signal, peer.getBitfield(signal)),
      getPiece: (index, sink, signal) => this.#listen(url, signal, peer.getPiece(index, sink, signal)),
      close: () => peer.close(),
    };
  }

  /** Reports each peer once that the download has banned, which means that it sent wrong bytes. */
  look(peers: readonly PeerSnapshot[]): void {
    for (const { url, state } of peers) {
      if (state !== "banned" || this.#banned.has(url)) continue;
      this.#banned.add(url);
      this.#report({ url, infoHash: this.#infoHash, kind: "wrong-piece" });
    }
  }

  #listen<T>(url: string, signal: AbortSignal, call: Promise<T>): Promise<T> {
    call.catch((error: unknown) => {
      // A failure that is also the signal's reason is a stall, which the download found.
      const itsFault = error instanceof PeerFailed && (!signal.aborted || error === signal.reason);
      const kind = itsFault ? KINDS[error.code] : undefined;
      if (kind) this.#report({ url, infoHash: this.#infoHash, kind });
    });
    return call;
  }
}
