import workerUrl from "./worker/download.worker.ts?worker&url";

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): {
    createScriptURL(url: string): string;
  };
}

/**
 * The one script that the page starts besides itself. Under `require-trusted-types-for 'script'` a worker's URL has to
 * come out of a policy that the header names: ours is "pieza", and it knows a single URL.
 */
export function startWorker(): Worker {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy("pieza", {
    createScriptURL(url) {
      if (url !== workerUrl) throw new TypeError("not a script of this page");
      return url;
    },
  });
  return new Worker(policy?.createScriptURL(workerUrl) ?? workerUrl, { type: "module" });
}
