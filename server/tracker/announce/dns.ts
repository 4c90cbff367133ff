import { lookup } from "node:dns/promises";
import { setTimeout } from "node:timers/promises";
import { FairSlots } from "./fair-slots.ts";

/** The addresses of a host name, none if it has none or nobody says in time. Never fails. */
export type ResolveHost = (name: string) => Promise<readonly string[]>;

const ANSWER_MS = 1_500;
/** The system's resolver takes one of Node's four threads for each name, and files need them too. */
const AT_ONCE = 2;

const slots = new FairSlots(AT_ONCE);

/** Asks the system, which knows of DNS and of its own files. */
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
