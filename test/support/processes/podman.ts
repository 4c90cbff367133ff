import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "../../../scripts/run-command.ts";
import { debianRoot } from "./cached.ts";

const run = promisify(execFile);

const containersFolder = join(root, "deploy/container");

/** A podman with images, containers, volumes and a network of its own. Needs root. */
export class Podman {
  /** The machine's address, at which its containers reach it too. */
  readonly address = "10.78.0.1";
  readonly #folder: string;
  readonly #namespace = `pieza-${process.pid}-podman`;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string) {
    this.#folder = folder;
    const file = (name: string) => join(folder, name);
    this.#env = {
      ...process.env,
      CONTAINERS_STORAGE_CONF: file("storage.conf"),
      CONTAINERS_CONF: file("containers.conf"),
    };
  }

  static async start(): Promise<Podman> {
    const podman = new Podman(await mkdtemp(join(tmpdir(), "pieza-podman-")));
    try {
      await podman.#configure();
      await podman.#plug();
      return podman;
    } catch (error) {
      await podman.stop();
      throw error;
    }
  }

  /** The command that runs another one in the machine's network. */
  get network(): readonly string[] {
    return ["nsenter", `--net=/run/netns/${this.#namespace}`];
  }

  /** Runs podman and returns its output. Fails unless it succeeds. */
  run(...args: string[]): Promise<string> {
    return this.#run(["podman", ...args]);
  }

  /** Runs podman-compose with one of the project's files. `variables` are what an operator sets. */
  compose(file: string, variables: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
    const program = ["podman-compose", "--project-name", "pieza", "--file", join(containersFolder, file)];
    return this.#run([...program, ...args], variables);
  }

  /**
   * Builds the image of the package in `dist` and returns its name. No registry is asked: the two images that it starts
   * from are made of the same Debian packages and of the Node that runs the tests.
   */
  async build(dist: string): Promise<string> {
    const include = "--include=base-files,ca-certificates,libc6,libgcc-s1,libstdc++6,netbase,tzdata";
    const distroless = await debianRoot("distroless-1.tar", "--variant=extract", include);
    await this.run("import", "--quiet", distroless, "gcr.io/distroless/cc-debian13:latest");
    const node = join(this.#folder, "node");
    await mkdir(join(node, "usr/local/bin"), { recursive: true });
    await mkdir(join(node, "srv"));
    await copyFile(process.execPath, join(node, "usr/local/bin/node"));
    await run("tar", ["--create", "--file", `${node}.tar`, "--directory", node, "."]);
    await this.run("import", "--quiet", `${node}.tar`, "docker.io/library/node:24-trixie-slim");
    const name = "localhost/pieza:latest";
    const how = ["--pull=never", "--isolation=chroot", "--format=docker", "--quiet"];
    const file = join(containersFolder, "Containerfile");
    await this.run("build", ...how, "--tag", name, "--file", file, dist);
    return name;
  }

  /** Ends every container and leaves no image, no volume and no network. */
  async stop(): Promise<void> {
    for (const args of [
      ["rm", "--all", "--force", "--time=0"],
      ["volume", "rm", "--all", "--force"],
      ["rmi", "--all", "--force"],
    ])
      await this.run(...args).catch(() => {});
    await run("ip", ["netns", "delete", this.#namespace]).catch(() => {});
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #run([program, ...args]: string[], variables: NodeJS.ProcessEnv = {}): Promise<string> {
    const [enter, ...rest] = [...this.network, program!, ...args];
    const { stdout } = await run(enter!, rest, { env: { ...this.#env, ...variables }, maxBuffer: 16 << 20 });
    return stdout;
  }

  async #configure(): Promise<void> {
    const at = (name: string) => JSON.stringify(join(this.#folder, name));
    const storage = `[storage]\ndriver = "overlay"\ngraphroot = ${at("images")}\nrunroot = ${at("running")}\n`;
    await writeFile(this.#env.CONTAINERS_STORAGE_CONF!, storage);
    // The limits, the cgroups and runc suit a machine without systemd that is itself a container.
    const engine = [
      `[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]`,
      `[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "runc"\ntmp_dir = ${at("tmp")}`,
      `[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = ${at("networks")}\n`,
    ];
    await writeFile(this.#env.CONTAINERS_CONF!, engine.join("\n"));
  }

  /** A network without a way out, in which netavark may write its rules. */
  async #plug(): Promise<void> {
    await run("ip", ["netns", "add", this.#namespace]);
    for (const line of [
      "link set lo up",
      "link add eth0 type veth peer name eth1",
      `address add ${this.address}/24 dev eth0`,
      "link set eth0 up",
      "link set eth1 up",
      "route add default dev eth0",
    ])
      await run("ip", ["-n", this.#namespace, ...line.split(" ")]);
  }
}
