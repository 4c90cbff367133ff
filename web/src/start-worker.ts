import workerUrl from "./worker/download.worker.ts?worker&url";

/** The service worker for content URLs, at the root of the page's origin: see vite.config.ts. */
const contentWorkerUrl = "/content-worker.js";

interface ScriptUrls {
  createScriptURL(url: string): string;
}

interface TrustedTypes {
  createPolicy(name: string, rules: ScriptUrls): ScriptUrls;
}

/**
 * Under `require-trusted-types-for 'script'` the URL of a worker has to come from a policy that the header names. The
 * policy "pieza" accepts the scripts of this page only.
 */
const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy("pieza", {
  createScriptURL(url) {
    if (url !== workerUrl && url !== contentWorkerUrl) throw new TypeError("not a script of this page");
    return url;
  },
});

function trusted(url: string): string {
  return policy?.createScriptURL(url) ?? url;
}

/** Starts the worker thread with the engine. */
export function startWorker(): Worker {
  return new Worker(trusted(workerUrl), { type: "module" });
}

/** Registers the service worker that answers content URLs of this origin. */
export function registerContentWorker(): Promise<ServiceWorkerRegistration> {
  return navigator.serviceWorker.register(trusted(contentWorkerUrl), { updateViaCache: "none" });
}
