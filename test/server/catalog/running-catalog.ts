import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type CatalogOptions, startCatalog } from "../../../server/catalog/catalog.ts";

export const token = "the-catalog-s-token";

/** A catalog on a free port with a directory of its own, both gone after the test. */
export async function runningCatalog(options: Partial<CatalogOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), "pieza-catalog-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const catalog = await startCatalog({ port: 0, directory, trackers: [], token, ...options });
  // Runs before the one above.
  onTestFinished(() => catalog.close({ graceMs: 0 }));
  const rpc = (method: string) => `${catalog.url}/pieza.v1.CatalogService/${method}`;
  return {
    ...catalog,
    directory,
    /** A call as curl makes it. */
    async call(method: string, message: unknown, bearer: string | undefined = token) {
      const answer = await fetch(rpc(method), {
        method: "POST",
        headers: { "content-type": "application/json", ...(bearer && { authorization: `Bearer ${bearer}` }) },
        body: typeof message === "string" ? message : JSON.stringify(message),
      });
      return { status: answer.status, headers: answer.headers, body: await answer.json() };
    },
    /** The same as GET, for methods that change nothing. */
    async read(method: string, message: unknown) {
      const query = new URLSearchParams({
        connect: "v1",
        encoding: "json",
        message: JSON.stringify(message),
      });
      const answer = await fetch(`${rpc(method)}?${query}`);
      return { status: answer.status, headers: answer.headers, body: await answer.json() };
    },
  };
}
