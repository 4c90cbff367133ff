import workerUrl from "./worker/download.worker.ts?worker&url";

interface ScriptUrls {
  createScriptURL(url: string): string;
}

interface TrustedTypes {
  createPolicy(name: string, rules: ScriptUrls): ScriptUrls;
}

/**
 * Starts the worker, the only script that the page loads besides its own. Under `require-trusted-types-for 'script'`
 * the URL of a worker has to come from a policy that the header names. The policy "pieza" accepts this one URL.
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
