import type { CommonOption, Flags } from "../line/options.ts";
import { readTextFile } from "./read-text-file.ts";

/** The flags of whoever talks to a server. */
export type ClientFlags = Pick<Flags<CommonOption>, "data" | "token" | "ca">;

/** More than any certificate file. */
const MAX_CA_BYTES = 4 << 20;

/** The PEM that --ca names. Fails with UsageError. */
export async function readCa(flags: ClientFlags): Promise<string | undefined> {
  return flags.ca === undefined ? undefined : readTextFile(flags.ca, MAX_CA_BYTES);
}
