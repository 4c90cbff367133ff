import { messageOf, PeerFailed } from "#core/base/errors.ts";
import type { PieceSink, RemotePeer } from "#core/ports/peer.ts";
import type { PieceIndex } from "#core/torrent/piece.ts";

/** A peer whose client is loaded by its first call. */
export class LatePeer implements RemotePeer {
  readonly url: string;
  readonly transport: string;
  readonly #load: () => Promise<RemotePeer>;
  #loading: Promise<RemotePeer> | undefined;
  #closed = false;

  constructor(url: string, transport: string, load: () => Promise<RemotePeer>) {
    this.url = url;
    this.transport = transport;
    this.#load = load;
  }

  async getBitfield(signal: AbortSignal) {
    return (await this.#loaded()).getBitfield(signal);
  }

  async getPiece(index: PieceIndex, sink: PieceSink, signal: AbortSignal): Promise<void> {
    return (await this.#loaded()).getPiece(index, sink, signal);
  }

  close(): void {
    this.#closed = true;
    this.#loading?.then(
      (peer) => peer.close(),
      () => {},
    );
  }

  async #loaded(): Promise<RemotePeer> {
    if (this.#closed) throw new PeerFailed("unavailable", `the connection to ${this.url} was closed`);
    this.#loading ??= this.#load().catch((cause: unknown) => {
      throw new PeerFailed("unavailable", messageOf(cause), { cause });
    });
    return this.#loading;
  }
}
