import { once } from "node:events";
import net, { type AddressInfo } from "node:net";

/** Sends these bytes over a connection of their own and returns all that is answered until it is closed, as latin1. */
export async function sendRaw(server: Pick<net.Server, "address">, bytes: Uint8Array): Promise<string> {
  const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(bytes);
  let answer = "";
  for await (const chunk of socket.setEncoding("latin1")) answer += chunk;
  return answer;
}
