import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const proto = fileURLToPath(new URL("../../../proto", import.meta.url));

/** Answers of any shape: a stranger's client knows only the protos. */
// biome-ignore lint/suspicious/noExplicitAny: what the proto loader makes has no types
type Answer = any;

/** Calls one unary method as a stranger would: the stock gRPC client, the protos read at run time. */
export class GrpcJsClient {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly #client: any;

  /** `service` as in "PeerService", or with its package where that is not ours; `url` without TLS. */
  constructor(file: string, service: string, url: string) {
    const definition = loadSync(file, {
      includeDirs: [proto],
      keepCase: true,
      longs: String,
      defaults: true,
    });
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const packages = grpc.loadPackageDefinition(definition) as any;
    const address = new URL(url).host;
    const path = service.includes(".") ? service.split(".") : ["pieza", "v1", service];
    const Client = path.reduce((found, name) => found[name], packages);
    this.#client = new Client(address, grpc.credentials.createInsecure());
  }

  call(method: string, request: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + 30_000;
      this.#client[method](request, { deadline }, (error: Error | null, answer: Answer) => {
        error ? reject(error) : resolve(answer);
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}
