import type { CommonOption, Flags } from "../line/options.ts";
import { readTextFile } from "./read-text-file.ts";

/** The flags that every call to a server needs. */
export type ClientFlags = Pick<Flags<CommonOption>, "data" | "token" | "ca">;

/** A file of certificates is shorter: the system's whole list has about 0.2 MiB. */
const MAX_CA_BYTES = 4 << 20;

/** The text of the PEM file of --ca. Fails with UsageError if it cannot be read. */
export async function readCa(flags: ClientFlags): Promise<string | undefined> {
  return flags.ca === undefined ? undefined : readTextFile(flags.ca, MAX_CA_BYTES);
}
