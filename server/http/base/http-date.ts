let latest = { ms: 0, text: "" };

/** The current time as an HTTP date (RFC 9110, 5.6.7). The text is made once a second. */
export function httpDate(): string {
  const ms = Math.floor(Date.now() / 1_000) * 1_000;
  if (ms !== latest.ms) latest = { ms, text: new Date(ms).toUTCString() };
  return latest.text;
}
