import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withBrackets } from "#core/base/host.ts";
import { PiezaProcess } from "./pieza-process.ts";

const run = promisify(execFile);

/** What the machines' servers take as their token instead of one that they make themselves. */
const token = "a-token-for-tests-only";

export type Family = "IPv4" | "IPv6";

const networks: Readonly<Record<Family, { readonly prefix: string; readonly bits: number }>> = {
  IPv4: { prefix: "10.77.0.", bits: 24 },
  IPv6: { prefix: "fd77::", bits: 64 },
};

/** One machine of a Lan. */
export interface LanHost {
  readonly address: string;
  /** The address as it stands in a URL. */
  readonly urlHost: string;
  /** Where its processes start. */
  readonly folder: string;
  /** The name of its network namespace. */
  readonly namespace: string;
}

/**
 * Machines at one switch, 10.77.0.1 or fd77::1 and so on, each with an address of one family only: each a network namespace of this machine with an interface, a loopback
 * and ports of its own. They share the disk, but each has its own data folder. Needs root and iproute2.
 */
export class Lan {
  readonly hosts: readonly LanHost[];
  /** Removed by `stop`. */
  readonly #folder: string;
  readonly #switch: string;
  readonly #processes: PiezaProcess[] = [];

  readonly #bits: number;

  private constructor(folder: string, size: number, family: Family) {
    const { prefix, bits } = networks[family];
    this.#folder = folder;
    this.#bits = bits;
    this.#switch = `pieza-${process.pid}-switch`;
    this.hosts = Array.from({ length: size }, (_, n) => ({
      address: `${prefix}${n + 1}`,
      urlHost: withBrackets(`${prefix}${n + 1}`),
      folder: join(folder, `host-${n + 1}`),
      namespace: `pieza-${process.pid}-${n + 1}`,
    }));
  }

  /** Fails with the line to type where this machine does not allow it. */
  static async start(size: number, family: Family): Promise<Lan> {
    const lan = new Lan(await mkdtemp(join(tmpdir(), "pieza-lan-")), size, family);
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
      // Otherwise an IPv6 address is of no use for the second in which the kernel looks for its double.
      const nodad = address.includes(":") ? ["nodad"] : [];
      await ip("-n", namespace, "address", "add", `${address}/${this.#bits}`, "dev", "eth0", ...nodad);
      for (const link of ["lo", "eth0"]) await ip("-n", namespace, "link", "set", link, "up");
    }
  }
}

async function ip(...args: string[]): Promise<void> {
  await run("ip", args);
}
