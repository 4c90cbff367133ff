/**
 * The Content-Security-Policy of the page. `connect-src` allows any host, because peers and trackers may be anywhere,
 * and so do images and media, which a page without a service worker plays from a peer. Frames show PDFs of this
 * origin. Everything else comes from this server. Of the trusted-types policies, Svelte creates the first for its templates
 * and the page the second for the URL of its worker.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data: blob: http: https:",
  "media-src 'self' blob: http: https:",
  "frame-src 'self'",
  "font-src 'self'",
  "worker-src 'self'",
  "connect-src 'self' http: https:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types svelte-trusted-html pieza",
].join("; ");

/** Headers of every plain HTTP answer of a catalog: the page, its files, and JSON that may be opened in a browser. */
export const pageHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};
