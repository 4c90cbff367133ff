import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { build } from "vite";
import { root } from "../../../scripts/run-command.ts";
import type { Workspace } from "../support/workspace.ts";

const types: Record<string, string> = { ".js": "text/javascript", ".torrent": "application/x-bittorrent" };

/** An empty page and what its scripts load, from the loopback. Returns its URL. */
export async function serveSite(workspace: Workspace, folders: readonly string[]): Promise<string> {
  const server = createServer(async ({ url = "/" }, response) => {
    const name = new URL(url, "http://site").pathname.slice(1);
    if (name === "")
      return response.setHeader("content-type", "text/html").end("<!doctype html><title>bench</title>");
    for (const folder of folders) {
      const bytes = /^[\w.-]+$/.test(name) && (await readFile(join(folder, name)).catch(() => undefined));
      if (!bytes) continue;
      return response
        .setHeader("content-type", types[extname(name)] ?? "application/octet-stream")
        .end(bytes);
    }
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  workspace.onClose(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** Bundles the workers beside this file, so that each is one script; returns their folder. */
export async function buildWorkers(workspace: Workspace, names: readonly string[]): Promise<string> {
  const outDir = workspace.path("workers");
  await build({
    root,
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2023",
      lib: {
        entry: Object.fromEntries(
          names.map((name) => [name, join(import.meta.dirname, `${name}.worker.ts`)]),
        ),
        formats: ["es"],
        fileName: (_, name) => `${name}.js`,
      },
    },
  });
  return outDir;
}

/** Builds the page as it is in the checkout; returns its folder. */
export async function buildPage(workspace: Workspace): Promise<string> {
  const outDir = workspace.path("page");
  await build({ root: join(root, "web"), logLevel: "warn", build: { outDir, emptyOutDir: true } });
  return outDir;
}
