import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface CertificateFor {
  /** As in subjectAltName. Default: localhost, 127.0.0.1 and ::1. */
  readonly names?: string;
  /** Days from now on; negative for one that has expired. Default 2. */
  readonly days?: number;
  /** Signed by itself instead of by the authority. */
  readonly selfSigned?: boolean;
}

/** Paths of PEM files. */
export interface CertificatePaths {
  readonly tlsCert: string;
  readonly tlsKey: string;
}

/** An authority of a test's own, in a folder of its own, that issues certificates with openssl. */
export class TestAuthority {
  /** PEM file of the authority's own certificate. */
  readonly ca: string;
  readonly #folder: string;
  #issued = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.ca = join(folder, "ca.pem");
  }

  static async make(): Promise<TestAuthority> {
    const authority = new TestAuthority(await mkdtemp(join(tmpdir(), "pieza-tls-")));
    await authority.#request(authority.#path("ca.key"), "/CN=a test's authority", [
      "-x509",
      "-out",
      authority.ca,
    ]);
    return authority;
  }

  async issue(options: CertificateFor = {}): Promise<CertificatePaths> {
    const name = `server-${++this.#issued}`;
    const { names = "DNS:localhost,IP:127.0.0.1,IP:::1", days = 2, selfSigned = false } = options;
    const [tlsCert, tlsKey, request] = ["pem", "key", "csr"].map((end) => this.#path(`${name}.${end}`));
    const wanted = ["-addext", `subjectAltName=${names}`];
    if (selfSigned) {
      await this.#request(tlsKey!, `/CN=${name}`, [
        ...wanted,
        "-x509",
        "-days",
        String(days),
        "-out",
        tlsCert!,
      ]);
    } else {
      await this.#request(tlsKey!, `/CN=${name}`, [...wanted, "-out", request!]);
      const signer = ["-CA", this.ca, "-CAkey", this.#path("ca.key"), "-CAcreateserial"];
      const from = ["-req", "-in", request!, "-copy_extensions", "copy", "-days", String(days)];
      await run("openssl", ["x509", ...from, ...signer, "-out", tlsCert!]);
    }
    return { tlsCert: tlsCert!, tlsKey: tlsKey! };
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  async #request(key: string, subject: string, more: readonly string[]): Promise<void> {
    const fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key];
    await run("openssl", ["req", ...fresh, "-subj", subject, ...more]);
  }
}
