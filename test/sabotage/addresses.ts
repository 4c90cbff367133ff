import type { Sabotage } from "./sabotage.ts";

export const sabotagesOfAddresses: readonly Sabotage[] = [
  {
    what: "a tracker on the internet may name servers of this machine",
    file: "server/http/client/reach.ts",
    find: 'if (place !== "none" && DISTANCE[place] >= DISTANCE[from]) return undefined;',
    replace: 'if (place !== "none") return undefined;',
    test: "test/server/http/client/reach.test.ts",
    name: "http://8.8.8.8:1 names loopback addresses",
  },
  {
    what: "a download dials 0.0.0.0",
    file: "server/http/client/reach.ts",
    find: 'if (place !== "none" && DISTANCE[place] >= DISTANCE[from]) return undefined;',
    replace: "if (DISTANCE[place] >= DISTANCE[from]) return undefined;",
    test: "test/server/cli/verbs/addresses.test.ts",
    name: "0.0.0.0 and link-local addresses, whoever names them",
  },
  {
    what: "a tracker whose name leads to this machine later may name its servers",
    file: "server/http/client/reach.ts",
    find: "[...places, ...(known ? [known] : [])]",
    replace: "places",
    test: "test/server/http/client/reach.test.ts",
    name: "gives a server no more than its farthest address",
  },
  {
    what: "a volunteer calls any address that an order names",
    file: "server/peer/volunteer/volunteer-sources.ts",
    find: "await reach.named(by.url, sources);",
    replace: 'await reach.named("http://127.0.0.1", sources);',
    test: "test/server/peer/volunteer/volunteer-sources.test.ts",
    name: "no volunteer call an address nearer than the tracker",
  },
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
