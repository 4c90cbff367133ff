import { PiezaError } from "#core/base/errors.ts";
import type { Handlers } from "../base/messages.ts";
import type { HostPorts } from "./host-ports.ts";
import { Publication } from "./publication.ts";

export type PublishingCalls = "publish" | "goOn" | "stopPublishing" | "unpublish";

/** The publications of this tab, and the handlers of the page's calls about them. */
export class PublicationHost {
  readonly #ports: HostPorts;
  readonly #publications = new Map<number, Publication>();
  #lastId = 0;

  readonly handlers: Handlers<PublishingCalls> = {
    publish: async (ask) => {
      const publication = new Publication(++this.#lastId, ask, this.#ports);
      this.#publications.set(publication.id, publication);
      void publication.run();
    },
    goOn: async ({ id, ...more }) => void this.#publications.get(id)?.run(more),
    stopPublishing: async ({ id }) => {
      this.#publications.get(id)?.stop();
      this.#publications.delete(id);
    },
    unpublish: (ask) => this.#unpublish(ask),
  };

  constructor(ports: HostPorts) {
    this.#ports = ports;
  }

  /**
   * Removes a torrent from the catalog, if the catalog has it under this name. Its peers then drop it by themselves.
   */
  async #unpublish(ask: { name: string; infoHash: string; token?: string }): Promise<undefined> {
    const catalog = this.#ports.catalogFor(ask.token);
    const { torrents } = await catalog.list({ search: ask.infoHash });
    const there = torrents.some(({ infoHash, name }) => infoHash === ask.infoHash && name === ask.name);
    if (!there) return;
    await catalog.delete(ask.name).catch((error: unknown) => {
      if (!(error instanceof PiezaError && error.code === "not_found")) throw error;
    });
  }
}
