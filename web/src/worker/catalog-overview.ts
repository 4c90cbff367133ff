import { PiezaError } from "#core/base/errors.ts";
import { isServerUrl } from "#core/base/server-url.ts";
import { fetchUpTo } from "./transport.ts";

const MAX_OVERVIEW_BYTES = 64 << 10;

/** The servers that a catalog names to its clients. */
export interface CatalogOverview {
  readonly trackers: readonly string[];
  /** Peers that take uploads with the token of the catalog. */
  readonly uploadPeers: readonly string[];
}

/** Reads the answer of a catalog to GET /. Fails with unavailable. */
export async function catalogOverview(origin: string): Promise<CatalogOverview> {
  let overview: Record<string, unknown>;
  try {
    const answer = await fetchUpTo(MAX_OVERVIEW_BYTES)(`${origin}/`, {
      headers: { accept: "application/json" },
      cache: "no-store",
    });
    overview = (await answer.json()) as Record<string, unknown>;
  } catch (cause) {
    throw new PiezaError("unavailable", "the catalog does not say which servers to ask", { cause });
  }
  return { trackers: urlsIn(overview.trackers), uploadPeers: urlsIn(overview.upload_peers) };
}

function urlsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((url) => isServerUrl(url)) : [];
}
