/**
 * The same tracker behind the library's own adapter, as its documentation has it: no limits, no direct answers. Says
 * two URLs: HTTP/1.1, and HTTP/2 in clear text.
 */
import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { nodeClock } from "../../../server/base/node-clock.ts";
import { socketAddress } from "../../../server/http/base/caller.ts";
import { kCallerAddress } from "../../../server/http/base/context.ts";
import { composeTracker } from "../../../server/tracker/tracker.ts";
import { trustAllowedNetworks } from "../../support/swarms/trust-allowed-networks.ts";
import { routesOf } from "../../support/wire/routes-of.ts";

const { services } = composeTracker({
  port: 0,
  reachability: trustAllowedNetworks,
  trackerLimits: { leaseMs: 3_600_000 },
  clock: nodeClock,
});
const adapter = connectNodeAdapter({
  routes: routesOf(services),
  jsonOptions: { useProtoFieldName: true },
  contextValues: (request) => createContextValues().set(kCallerAddress, socketAddress(request)),
});
const servers = [createHttp1Server(adapter), createHttp2Server(adapter)];
const urls = servers.map(
  (server) =>
    new Promise<string>((resolve) => {
      server.listen(0, "127.0.0.1", () =>
        resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
      );
    }),
);
console.log(`listening at ${(await Promise.all(urls)).join(" ")}`);
