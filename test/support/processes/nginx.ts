import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { freePort } from "../free-port.ts";

export interface Nginx {
  readonly url: string;
  /** Ends the process and removes its folder. */
  stop(): Promise<void>;
}

/**
 * Starts Debian's nginx on a free loopback port. `server` has directives of its `server` block, `http` those of the
 * block around it; `folder` in both is nginx's own folder.
 */
export async function startNginx(parts: {
  server: (folder: string) => string;
  http?: (folder: string) => string;
}): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), "pieza-nginx-"));
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const configuration = `
    daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
    events {}
    http {
      access_log off;
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
      ${parts.http?.(folder) ?? ""}
      server { listen 127.0.0.1:${port}; ${parts.server(folder)} }
    }`;
  await writeFile(join(folder, "nginx.conf"), configuration);
  const flags = ["-p", folder, "-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`];
  const nginx = spawn("/usr/sbin/nginx", flags);
  const gone = once(nginx, "exit");
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    nginx.kill("SIGKILL");
    await gone;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await vi.waitFor(() => fetch(url), { timeout: 10_000 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}
