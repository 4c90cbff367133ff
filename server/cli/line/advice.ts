import { PiezaError } from "#core/base/errors.ts";
import type { OptionName } from "./options.ts";

/** The flag that helps against an error, as the end of its message, where one of the verb's flags does. */
export function adviceOn(error: unknown, options: readonly OptionName[]): string {
  if (!(error instanceof PiezaError)) return "";
  const { code, message } = error;
  if (code === "already_exists" && !message.includes("--replace")) {
    return options.includes("replace") || options.includes("overwrite") ? "; --replace replaces it" : "";
  }
  if (!/\btoken\b/.test(message)) return "";
  if (code === "unauthenticated") return "; give it with --token or PIEZA_TOKEN";
  return code === "permission_denied" ? "; give another with --token or PIEZA_TOKEN" : "";
}
