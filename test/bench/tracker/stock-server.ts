/** The seed's GetFilePieces as the library's own adapter serves it: a map made anew for every answer, as in the seed. */
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { TrackerService } from "#gen/tracker_pb.ts";

const holders = ["127.0.0.1:1001", "127.0.0.1:1002", "127.0.0.1:1003", "127.0.0.1:1004"];
let turn = 0;

const server = createServer(
  connectNodeAdapter({
    routes: (router) =>
      router.service(TrackerService, {
        getFilePieces({ fileName }) {
          const [, total, count] = /^pieces-(\d+)-(\d+)$/.exec(fileName) ?? [];
          const pieces: { [number: number]: { addresses: string[] } } = {};
          turn++;
          for (let number = 1; number <= Number(total); number++) {
            const addresses = holders.slice(0, Number(count));
            const first = (turn + number) % addresses.length;
            pieces[number] = { addresses: [...addresses.slice(first), ...addresses.slice(0, first)] };
          }
          return { pieces };
        },
      }),
  }),
);
server.listen(0, "127.0.0.1", () => {
  console.log(`listening at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
