import { subnetOf } from "../../http/base/caller.ts";

/** The network of the host in a peer's URL, which consists of scheme, host and port. */
export function subnetOfUrl(url: string): string {
  return subnetOf(url.slice(url.indexOf("//") + 2).replace(/:\d+$/, ""));
}
