import { readFile, stat } from "node:fs/promises";
import tls from "node:tls";
import { PiezaError } from "#core/base/errors.ts";
import type { Log } from "../base/log.ts";
import { MIN_TLS_VERSION } from "../base/no-tls.ts";
import type { EdgeOptions } from "../handling/options.ts";

/** The TLS options that a certificate makes. */
export interface CertificateFiles {
  /** PEM: the certificate, then the intermediate certificates. */
  readonly cert: Buffer;
  /** PEM: the private key of the certificate. */
  readonly key: Buffer;
  readonly minVersion: typeof MIN_TLS_VERSION;
}

/** A server's certificate and key, read from files that another program may renew while the server runs. */
export class Certificate {
  files: CertificateFiles;
  readonly #paths: readonly [cert: string, key: string];
  #stamp: string;

  private constructor(paths: readonly [string, string], files: CertificateFiles, stamp: string) {
    this.#paths = paths;
    this.files = files;
    this.#stamp = stamp;
  }

  /**
   * Reads the files; undefined without TLS. Rejects with PiezaError("invalid_argument") if only one is named or if
   * they are not a certificate and its key, and with the system's error if they cannot be read.
   */
  static async open({ tlsCert, tlsKey }: EdgeOptions): Promise<Certificate | undefined> {
    if (!tlsCert && !tlsKey) return undefined;
    if (!tlsCert || !tlsKey) {
      throw new PiezaError(
        "invalid_argument",
        "a TLS certificate and its key come together; name both files",
      );
    }
    const paths = [tlsCert, tlsKey] as const;
    const stamp = await stampOf(paths);
    return new Certificate(paths, await readPair(paths), stamp);
  }

  /**
   * Checks the files every `everyMs`, and gives changed ones to `server` for its new connections. If the new files
   * cannot be used, it logs a warning and the server keeps the old certificate. Returns a function that ends the
   * checks.
   */
  follow(server: Pick<tls.Server, "setSecureContext">, everyMs: number, log: Log): () => void {
    const timer = setInterval(() => void this.#check(server, log), everyMs).unref();
    return () => clearInterval(timer);
  }

  async #check(server: Pick<tls.Server, "setSecureContext">, log: Log): Promise<void> {
    try {
      if (!(await this.#refresh())) return;
      server.setSecureContext(this.files);
      log({ level: "info", event: "certificate_renewed", message: "the server uses the new certificate" });
    } catch (error) {
      const message = `the server goes on with the old certificate: ${(error as Error).message}`;
      log({ level: "warn", event: "certificate_unusable", message });
    }
  }

  /** Reads the files if they have changed, and says whether they have. Rejects, once, if they cannot be used. */
  async #refresh(): Promise<boolean> {
    const stamp = await stampOf(this.#paths).catch(() => "gone");
    if (stamp === this.#stamp) return false;
    // Stored before the files are read, so that a change in between is found by the next check.
    this.#stamp = stamp;
    this.files = await readPair(this.#paths);
    return true;
  }
}

/** Text that changes when one of the files is replaced or written. */
async function stampOf(paths: readonly string[]): Promise<string> {
  const stats = await Promise.all(paths.map((path) => stat(path)));
  return stats.map(({ ino, size, mtimeMs }) => `${ino}/${size}/${mtimeMs}`).join();
}

async function readPair([certPath, keyPath]: readonly [string, string]): Promise<CertificateFiles> {
  const [cert, key] = await Promise.all([readFile(certPath), readFile(keyPath)]);
  const files = { cert, key, minVersion: MIN_TLS_VERSION } as const;
  try {
    tls.createSecureContext(files);
  } catch (cause) {
    throw new PiezaError("invalid_argument", whatIsWrong(cause), { cause });
  }
  return files;
}

function whatIsWrong(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH")
    return "the TLS key does not belong to the TLS certificate";
  if (code === "ERR_OSSL_PEM_NO_START_LINE") return "the TLS certificate or its key is not a PEM file";
  return `the TLS certificate and its key cannot be used: ${(error as Error).message}`;
}
