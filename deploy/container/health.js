// The image's health check: succeeds if the server of this container answers at /healthz. Plain JavaScript, because
// the image has nothing else to run.
import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";

const { PIEZA_PORT, PIEZA_TLS_CERT } = process.env;
// A container runs one server; without PIEZA_PORT that is at the port of its kind.
const ports = PIEZA_PORT ? [PIEZA_PORT] : [50050, 8080, 50051, 8090];
const get = PIEZA_TLS_CERT ? getSecure : getPlain;

const answers = (port) =>
  new Promise((resolve, reject) => {
    // The certificate names the public host, and this call stays inside the container.
    const options = { host: "127.0.0.1", port, path: "/healthz", timeout: 4_000, rejectUnauthorized: false };
    const request = get(options, (response) => {
      response.resume();
      response.statusCode === 200 ? resolve() : reject(new Error(`${port}: status ${response.statusCode}`));
    });
    request.on("timeout", () => request.destroy(new Error(`${port}: no answer`)));
    request.on("error", reject);
  });

try {
  await Promise.any(ports.map(answers));
} catch (error) {
  console.error(error.errors.map(({ message }) => message).join("; "));
  process.exitCode = 1;
}
