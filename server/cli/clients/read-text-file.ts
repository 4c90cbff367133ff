import { readFile, stat } from "node:fs/promises";
import { messageOf } from "#core/base/errors.ts";
import { UsageError } from "../line/exit-code.ts";

/** The text of a file that the user named. Fails with UsageError if it is missing, unreadable or too long. */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new RangeError(`it has ${size} bytes; the limit is ${maxBytes}`);
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new UsageError(`cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}
