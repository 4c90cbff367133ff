import { readFile, stat } from "node:fs/promises";
import tls from "node:tls";
import { PiezaError } from "#core/base/errors.ts";
import type { Log } from "../base/log.ts";
import { MIN_TLS_VERSION } from "../base/no-tls.ts";
import type { EdgeOptions } from "../handling/options.ts";

/** What a TLS server shows and proves. */
export interface CertificateFiles {
  /** PEM: the certificate, then those of the authorities between. */
  readonly cert: Buffer;
  /** PEM. */
  readonly key: Buffer;
  readonly minVersion: typeof MIN_TLS_VERSION;
}

/** A server's certificate and key in their files, which somebody else renews while the server runs. */
export class Certificate {
  files: CertificateFiles;
  readonly #paths: readonly [cert: string, key: string];
  #stamp: string;

  private constructor(paths: readonly [string, string], files: CertificateFiles, stamp: string) {
    this.#paths = paths;
    this.files = files;
    this.#stamp = stamp;
  }

  /** Undefined without TLS. Fails with PiezaError for files that are no certificate and its key, else as the system does. */
  static async open({ tlsCert, tlsKey }: EdgeOptions): Promise<Certificate | undefined> {
    if (!tlsCert && !tlsKey) return undefined;
    if (!tlsCert || !tlsKey) {
      throw new PiezaError("invalid_argument", "a TLS certificate and its key come together");
    }
    const paths = [tlsCert, tlsKey] as const;
    const stamp = await stampOf(paths);
    return new Certificate(paths, await readPair(paths), stamp);
  }

  /**
   * Looks at the files every `everyMs`, and has `server` use them for new connections once they have changed. Files that
   * do not fit change nothing but the log: the server goes on with what it has. Returns what ends that.
   */
  follow(server: Pick<tls.Server, "setSecureContext">, everyMs: number, log: Log): () => void {
    let timer: NodeJS.Timeout | undefined;
    let ended = false;
    const look = async () => {
      try {
        if ((await this.#refresh()) && !ended) {
          server.setSecureContext(this.files);
          log({ level: "info", event: "certificate_renewed", message: "uses the new certificate" });
        }
      } catch (error) {
        const message = `goes on with the old certificate: ${(error as Error).message}`;
        log({ level: "warn", event: "certificate_unusable", message });
      }
      if (!ended) schedule();
    };
    const schedule = () => {
      timer = setTimeout(look, everyMs).unref();
    };
    schedule();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }

  /** Whether there are new files. Fails, once, for those that cannot be used. */
  async #refresh(): Promise<boolean> {
    const stamp = await stampOf(this.#paths).catch(() => "gone");
    if (stamp === this.#stamp) return false;
    // Before they are read: if they change meanwhile, that is seen the next time.
    this.#stamp = stamp;
    this.files = await readPair(this.#paths);
    return true;
  }
}

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
  if (code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH") return "the TLS key is not of the TLS certificate";
  if (code === "ERR_OSSL_PEM_NO_START_LINE") return "the TLS certificate or its key is no PEM file";
  return `the TLS certificate and its key cannot be used: ${(error as Error).message}`;
}
