import type { Sabotage } from "./sabotage.ts";

export const sabotagesOfAddresses: readonly Sabotage[] = [
  {
    what: "a tracker's peers are taken whatever their URLs are",
    file: "core/rpc/locate.ts",
    find: "const peers = all.filter(({ url }) => isPeerUrl(url));",
    replace: "const peers = all;",
    test: "test/core/rpc/tracker.test.ts",
    name: "leaves out and counts peers that are no addresses",
  },
  {
    what: "a peer without a client ends the search for a torrent's lengths",
    file: "core/download/learn-lengths.ts",
    find: "    } catch (error) {\n      this.#useless.add(url);",
    replace: "    } catch (error) {\n      throw error;",
    test: "test/core/download/learn-lengths.test.ts",
    name: "when no client can be made for a peer",
  },
];
