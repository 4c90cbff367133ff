import type { VerbInvocation } from "../line/verb-options.ts";
import { startGateway } from "../servers/gateway.ts";
import { sayListening, serveUntilSignalled } from "../servers/serve.ts";

export async function runGateway({ flags, out, signal }: VerbInvocation<"gateway">): Promise<void> {
  const own = { ...flags, peerPort: flags.gatewayPort };
  const { drainTimeout: drainMs, zone, allowNetwork: allowNetworks } = flags;
  const forOthers = { drainMs, zone, allowNetworks, portOption: "gatewayPort" } as const;
  const gateway = await startGateway(own, out, signal, forOthers);
  sayListening("gateway", gateway.url, out);
  out.note(`A file of the catalog: curl -O ${gateway.url}/content/<info hash>/<file name>`);
  await serveUntilSignalled(signal, gateway);
}
