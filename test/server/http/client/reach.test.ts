import { type LookupAddress, lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { withBrackets } from "#core/base/host.ts";
import { Reach, type ReachOptions } from "../../../../server/http/client/reach.ts";

/** Names that the tests make up. */
const names: Record<string, string[]> = {
  "far.example": ["8.8.8.8"],
  "split.example": ["8.8.8.8", "127.0.0.1"],
  "inside.example": ["10.0.0.5"],
  "here.example": ["127.0.0.1"],
  "metadata.example": ["169.254.169.254"],
};

function reachOf(options: ReachOptions = {}): Reach {
  return new Reach({
    lookup: (hostname, _, callback) => {
      const found = names[hostname]?.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
      if (found) callback(null, found);
      else callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: "ENOTFOUND" }), []);
    },
    ...options,
  });
}

/** Whether the URL may be dialled after that server has named it; else why not. */
async function dialled(server: string, url: string, options?: ReachOptions): Promise<string | true> {
  const reach = reachOf(options);
  await reach.named(server, [url]);
  return (await reach.refusalTo(url)) ?? true;
}

const SERVERS = {
  loopback: ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://here.example:1"],
  private: ["http://192.168.77.1:1", "http://[fd00::77]:1", "http://100.64.0.1:1", "http://inside.example:1"],
  public: [
    "http://8.8.8.8:1",
    "https://[2606:4700::1111]",
    "http://far.example:1",
    "http://nowhere.example:1",
  ],
};
const PEERS = {
  loopback: [
    "http://127.0.0.1:2",
    "http://127.9.9.9:2",
    "http://[::1]:2",
    "http://0x7f.1:2",
    "http://here.example:2",
  ],
  private: ["http://10.0.0.9:2", "http://[fd00::9]:2", "http://inside.example:2"],
  public: ["http://9.9.9.9:2", "https://[2620:fe::fe]", "http://far.example:2"],
  none: [
    ...["http://0.0.0.0:2", "http://0:2", "http://[::]:2", "http://169.254.169.254", "http://[fe80::1]:2"],
    ...[
      "http://224.0.0.1:2",
      "http://255.255.255.255:2",
      "http://[::ffff:0.0.0.0]:2",
      "http://metadata.example",
    ],
  ],
};

describe("a server names others at its own distance and farther", () => {
  const far = ["loopback", "private", "public"] as const;
  const cases = far.flatMap((place) =>
    SERVERS[place].flatMap((server) =>
      ([...far, "none"] as const).map((target) => {
        const allowed = target !== "none" && far.indexOf(target) >= far.indexOf(place);
        return [server, target, allowed] as const;
      }),
    ),
  );
  it.each(cases)("%s names %s addresses: %s", async (server, target, allowed) => {
    for (const url of PEERS[target]) {
      const verdict = await dialled(server, url);
      if (allowed) expect(verdict, url).toBe(true);
      else expect(verdict, url).toMatch(/ is an? .* address.*; --allow-network \S+\/(32|128) allows it$/);
    }
  });

  it("a name that leads near and far counts as far, and is dialled only if all of it may be", async () => {
    expect(await dialled("http://split.example:1", "http://10.0.0.9:2")).toContain(
      "10.0.0.9 is a private address",
    );
    expect(await dialled("http://8.8.8.8:1", "http://split.example:2")).toContain(
      "127.0.0.1 is an address of this",
    );
  });

  it("a server at an address of this machine is as near as loopback", async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith("fe80"));
    for (const { address } of own)
      expect(await dialled(`http://${withBrackets(address)}:1`, "http://127.0.0.1:2")).toBe(true);
  });

  it("the nearest server that names a URL decides", async () => {
    const reach = reachOf();
    const url = "http://10.0.0.9:2";
    await reach.named("http://8.8.8.8:1", [url]);
    expect(() => reach.lookupTo(url)).toThrow("10.0.0.9 is a private address");
    await reach.named("http://192.168.77.1:1", [url]);
    await reach.named("http://8.8.8.8:1", [url]);
    expect(reach.lookupTo(url)).toBeTypeOf("function");
  });
});

it("what no server has named is not dialled", () => {
  expect(() => reachOf().lookupTo("http://9.9.9.9:2")).toThrow("no server has named it");
});

it("a network that the person allows is dialled, whoever names it", async () => {
  const allowNetworks = ["10.0.0.0/24", "169.254.0.0/16"];
  expect(await dialled("http://8.8.8.8:1", "http://10.0.0.9:2", { allowNetworks })).toBe(true);
  expect(await dialled("http://8.8.8.8:1", "http://169.254.1.1:2", { allowNetworks })).toBe(true);
  expect(await dialled("http://8.8.8.8:1", "http://10.0.1.9:2", { allowNetworks })).toContain("10.0.1.9/32");
});

describe("a name that leads elsewhere later", () => {
  const answers = (...rounds: string[][]): ReachOptions => ({
    lookup: (_hostname, _, callback) => {
      const now = rounds.length > 1 ? rounds.shift()! : rounds[0]!;
      callback(
        null,
        now.map((address): LookupAddress => ({ address, family: 4 })),
      );
    },
  });
  const look = (lookupFunction: LookupFunction) =>
    new Promise<Error | null>((resolve) => lookupFunction("any", {}, (error) => resolve(error)));

  it("gives a server no more than its farthest address", async () => {
    const reach = reachOf(answers(["8.8.8.8"], ["127.0.0.1"]));
    expect(await look(reach.lookupOf("http://sly.example"))).toBeNull();
    expect(await look(reach.lookupOf("http://sly.example"))).toBeNull();
    await reach.named("http://sly.example", ["http://127.0.0.1:2"]);
    expect(() => reach.lookupTo("http://127.0.0.1:2")).toThrow(
      "the server that named it has a public address",
    );
  });

  it("is looked at again when it is dialled", async () => {
    const reach = reachOf(answers(["9.9.9.9"], ["127.0.0.1"]));
    await reach.named("http://8.8.8.8:1", ["http://sly.example:2"]);
    const dial = reach.lookupTo("http://sly.example:2");
    expect(await look(dial)).toBeNull();
    expect(await look(dial)).toMatchObject({ code: "permission_denied" });
  });
});

it("looks names up with the system's resolver, in both forms of an answer", async () => {
  const reach = new Reach();
  const all = await new Promise((resolve) =>
    lookup("localhost", { all: true }, (_, found) => resolve(found)),
  );
  const dial = reach.lookupOf("http://localhost:1");
  expect(
    await new Promise((resolve) => dial("localhost", { all: true }, (_, found) => resolve(found))),
  ).toEqual(all);
  const [first] = all as LookupAddress[];
  const one = await new Promise((resolve) =>
    dial("localhost", {}, (_, address, family) => resolve({ address, family })),
  );
  expect(one).toEqual(first);
});
