import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { PiezaError } from "#core/base/errors.ts";
import {
  Health,
  type HealthCheckRequest,
  HealthCheckResponse_ServingStatus,
} from "#gen/grpc/health/v1/health_pb.ts";
import { type ServedService, served } from "./served-service.ts";

const READS = { changes: false };
const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;

/** Each watch sends a message at least this often, so that no idle timeout on the way ends it. */
const KEEP_ALIVE_MS = 15_000;

/** Whether the server is ready for calls, as `/healthz` and grpc.health.v1 answer. Not serving until set(true). */
export class HealthState {
  readonly #services: ReadonlySet<string>;
  readonly #changed = new Set<() => void>();
  #serving = false;

  /** `services`: the names that a check may ask for, besides "", which means the whole server. */
  constructor(services: Iterable<string>) {
    this.#services = new Set(["", ...services]);
  }

  get serving(): boolean {
    return this.#serving;
  }

  set(serving: boolean): void {
    this.#serving = serving;
    for (const wake of this.#changed) wake();
  }

  /** The service grpc.health.v1. */
  get service(): ServedService {
    const implementation: ServiceImpl<typeof Health> = {
      check: ({ service }) => {
        if (!this.#services.has(service)) throw new PiezaError("not_found", "no such service here");
        return { status: this.#status(service) };
      },
      watch: (request, context) => this.#watch(request, context),
    };
    return served(Health, implementation, { policies: { check: READS, watch: READS } });
  }

  #status(service: string): HealthCheckResponse_ServingStatus {
    if (!this.#services.has(service)) return SERVICE_UNKNOWN;
    return this.#serving ? SERVING : NOT_SERVING;
  }

  async *#watch({ service }: HealthCheckRequest, { signal }: HandlerContext) {
    while (!signal.aborted) {
      yield { status: this.#status(service) };
      await this.#change(signal);
    }
  }

  /** Resolves at the next change, after KEEP_ALIVE_MS, or when the watch ends. */
  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#changed.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, KEEP_ALIVE_MS);
      this.#changed.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
