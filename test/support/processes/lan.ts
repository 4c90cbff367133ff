import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { PiezaProcess } from "./pieza-process.ts";

const run = promisify(execFile);

/** What the machines' servers take as their token instead of one that they make themselves. */
const token = "a-token-for-tests-only";

/** One machine of a Lan. */
export interface LanHost {
  readonly address: string;
  /** Where its processes start. */
  readonly folder: string;
  /** The name of its network namespace. */
  readonly namespace: string;
}

/**
 * Machines at one switch, 10.77.0.1 and so on: each a network namespace of this machine with an interface, a loopback
 * and ports of its own. They share the disk, but each has its own data folder. Needs root and iproute2.
 */
export class Lan {
  readonly hosts: readonly LanHost[];
  /** Removed by `stop`. */
  readonly #folder: string;
  readonly #switch: string;
  readonly #processes: PiezaProcess[] = [];

  private constructor(folder: string, size: number) {
    this.#folder = folder;
    this.#switch = `pieza-${process.pid}-switch`;
    this.hosts = Array.from({ length: size }, (_, n) => ({
      address: `10.77.0.${n + 1}`,
      folder: join(folder, `host-${n + 1}`),
      namespace: `pieza-${process.pid}-${n + 1}`,
    }));
  }

  /** Fails with the line to type where this machine does not allow it. */
  static async start(size: number): Promise<Lan> {
    const lan = new Lan(await mkdtemp(join(tmpdir(), "pieza-lan-")), size);
    try {
      await lan.#plug();
    } catch (cause) {
      await lan.stop();
      const type = "apt-get install iproute2, then: sudo npx vitest run --project e2e test/e2e/lan.test.ts";
      throw new Error(`no network namespaces here; as root on Debian or Ubuntu, ${type}`, { cause });
    }
    return lan;
  }

  /** Starts any verb on a machine. */
  run(host: LanHost, args: readonly string[]): PiezaProcess {
    const process = new PiezaProcess([...args, "--json", "--data", join(host.folder, "data")], {
      cwd: host.folder,
      env: { PIEZA_TOKEN: token, PIEZA_LOG_REQUESTS: "1" },
      within: ["ip", "netns", "exec", host.namespace],
    });
    this.#processes.push(process);
    return process;
  }

  /** Ends every process, takes the network down and removes the folder. */
  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
    for (const name of [this.#switch, ...this.hosts.map(({ namespace }) => namespace)]) {
      await run("ip", ["netns", "delete", name]).catch(() => {});
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #plug(): Promise<void> {
    await ip("netns", "add", this.#switch);
    await ip("-n", this.#switch, "link", "add", "bridge", "type", "bridge");
    await ip("-n", this.#switch, "link", "set", "bridge", "up");
    for (const [n, { address, folder, namespace }] of this.hosts.entries()) {
      await mkdir(folder);
      const port = `port${n}`;
      await ip("netns", "add", namespace);
      await ip(
        "-n",
        namespace,
        "link",
        "add",
        "eth0",
        "type",
        "veth",
        "peer",
        "name",
        port,
        "netns",
        this.#switch,
      );
      await ip("-n", this.#switch, "link", "set", port, "master", "bridge", "up");
      await ip("-n", namespace, "address", "add", `${address}/24`, "dev", "eth0");
      for (const link of ["lo", "eth0"]) await ip("-n", namespace, "link", "set", link, "up");
    }
  }
}

async function ip(...args: string[]): Promise<void> {
  await run("ip", args);
}
