import { lookup } from "node:dns/promises";
import { setTimeout } from "node:timers/promises";
import { FairSlots } from "./fair-slots.ts";

/** Resolves a host name to its addresses. Empty if it has none or DNS does not answer in time. Never throws. */
export type ResolveHost = (name: string) => Promise<readonly string[]>;

const ANSWER_MS = 1_500;
/**
 * Names resolved at once. The system's resolver blocks one of Node's four threads for each, and files need them too.
 */
const AT_ONCE = 2;

const slots = new FairSlots(AT_ONCE);

/** Asks the system's resolver, which uses DNS and the hosts file. */
export const systemResolveHost: ResolveHost = async (name) => {
  const over = new AbortController();
  const found = slots.run(name, over.signal, () => lookup(name, { all: true }));
  const late = setTimeout(ANSWER_MS, [], { signal: over.signal });
  try {
    return (await Promise.race([found, late])).map(({ address }) => address);
  } catch {
    return [];
  } finally {
    over.abort();
    found.catch(() => {});
    late.catch(() => {});
  }
};
