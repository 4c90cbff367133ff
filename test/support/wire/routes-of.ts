import type { ConnectRouter } from "@connectrpc/connect";
import { implementationOf, type ServedService } from "../../../server/http/handling/served-service.ts";

/** The services for a router of the library, with nothing of ours around them. */
export function routesOf(services: readonly ServedService[]): (router: ConnectRouter) => void {
  return (router) => {
    for (const served of services) {
      for (const method of served.service.methods) router.rpc(method, implementationOf(served, method));
    }
  };
}
