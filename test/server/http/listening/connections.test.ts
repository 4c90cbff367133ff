import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Connections } from "../../../../server/http/listening/connections.ts";
import { startServer } from "../../../../server/http/listening/server.ts";
import { within } from "../../../support/deadline.ts";
import { TestAuthority } from "../../../support/wire/certificates.ts";

const HANG_MS = 8_000;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Connections of sockets that are none, under a clock that stands still. */
function world(most: number) {
  const time = { ms: 0 };
  const connections = new Connections(most, () => time.ms);
  const open: net.Socket[] = [];
  const from = (address: string): net.Socket => {
    const socket = new net.Socket();
    Object.defineProperty(socket, "remoteAddress", { value: address });
    if (connections.admit(socket)) open.push(socket);
    return socket;
  };
  ends.push(() => open.forEach((socket) => void socket.destroy()));
  return { time, from };
}

describe("when all connections of a server are taken", () => {
  it("the largest network makes room for a caller of another, however busy it is", () => {
    const { from } = world(8);
    const many = Array.from({ length: 8 }, (_, n) => from(`10.0.0.${n}`));
    for (let n = 0; n < 4; n++) expect(from(`10.0.${n + 1}.1`).destroyed).toBe(false);
    expect(many.filter(({ destroyed }) => destroyed)).toEqual(many.slice(0, 4));
  });

  it("a /48 of IPv6 is one network, and so is a /24 of mapped IPv4", () => {
    const { from } = world(2);
    const [one, two] = [from("2001:db8::1"), from("2001:db8:0:ffff::1")];
    expect(from("2001:db8:0:2::1").destroyed).toBe(true);
    expect(from("::ffff:10.0.0.1").destroyed).toBe(false);
    expect([one.destroyed, two.destroyed]).toEqual([true, false]);
    expect(from("10.0.0.2").destroyed).toBe(true);
  });

  it("a network takes from itself what is idle, the quietest first, and nothing else", () => {
    const { time, from } = world(2);
    const first = from("10.0.0.1");
    time.ms = 500;
    const second = from("10.0.0.2");
    time.ms = 999;
    expect(from("10.0.0.3").destroyed).toBe(true);
    time.ms = 1_000;
    expect(from("10.0.0.3").destroyed).toBe(false);
    expect([first.destroyed, second.destroyed]).toEqual([true, false]);
    expect(from("10.0.0.4").destroyed).toBe(true);
  });

  it("an address with many makes room for another of its network, however busy it is", () => {
    const { from } = world(4);
    const many = Array.from({ length: 4 }, () => from("10.0.0.1"));
    expect(from("10.0.0.2").destroyed).toBe(false);
    expect(many.map(({ destroyed }) => destroyed)).toEqual([true, false, false, false]);
    expect(from("10.0.0.1").destroyed).toBe(true);
  });

  it("networks of one size do not take from each other what is busy", () => {
    const { from } = world(2);
    const held = [from("10.0.0.1"), from("10.0.1.1")];
    expect(from("10.0.0.2").destroyed).toBe(true);
    expect(held.some(({ destroyed }) => destroyed)).toBe(false);
  });
});

describe.each([{ tls: false }, { tls: true }])("a port with TLS $tls", ({ tls }) => {
  it("serves a caller although silent connections of one address have taken all places", async () => {
    const authority = await TestAuthority.make();
    ends.push(() => authority.remove());
    const limits = { maxConnections: 20 };
    const server = await startServer({
      port: 0,
      limits,
      services: [],
      ...(tls && (await authority.issue())),
    });
    ends.push(() => server.close({ graceMs: 0 }));
    const silent: net.Socket[] = [];
    for (let n = 0; n < 20; n++) silent.push(await connect(server.port));
    // The first second is over when the quietest has been silent for so long.
    const closed = once(silent[0]!, "close");
    const asking = (async () => {
      for (;;) {
        const socket = await connect(server.port);
        socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
        const answer = await Promise.race([once(socket, "data"), once(socket, "close")]);
        if (answer.length > 0 && Buffer.isBuffer(answer[0])) return String(answer[0]);
      }
    })();
    expect(await within(HANG_MS, "an answer", asking)).toMatch(tls ? /https/ : /^HTTP\/1.1 200/);
    await within(HANG_MS, "the quietest is closed", closed);
  });
});

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect(port, "127.0.0.1");
  ends.push(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}
