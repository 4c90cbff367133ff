/**
 * What the page may do, written once. `connect-src` is wide because peers and trackers are anywhere; everything else
 * comes from this server alone. Of the trusted-types policies, Svelte makes the first for its own templates and the
 * page the second, for the URL of its worker.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "media-src blob:",
  "font-src 'self'",
  "worker-src 'self'",
  "connect-src 'self' http: https:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types svelte-trusted-html pieza",
].join("; ");

/** On every plain answer of a catalog: the page, what it loads, and JSON that somebody may open in a browser. */
export const pageHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};
