import type { Catalog } from "#core/ports/catalog.ts";
import { remoteCatalog } from "#core/rpc/rpc.ts";
import { breathing } from "../../base/long-work.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { isLoopback } from "../../http/base/networks.ts";
import { openTransport } from "../../http/client/transports.ts";
import { rememberToken, tokenFor } from "../../http/guards/token.ts";
import type { UploadOptions } from "../../peer/serving/stored-torrents.ts";
import type { VolunteerRules } from "../../peer/volunteer/volunteer.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { serverToken } from "./serve.ts";

/** The longest answer of a catalog to GET / that is read. */
const MAX_OVERVIEW_BYTES = 1 << 20;

export type UploadFlags = Flags<
  CommonOption | "peerPort" | "catalog" | "acceptUploads" | "uploadExpiry" | "open"
>;

/** The space and rate that this peer lends to copies; undefined without --volunteer. */
export async function volunteerRules(
  flags: Flags<CommonOption | "catalog" | "volunteer" | "limitCopies">,
): Promise<VolunteerRules | undefined> {
  if (flags.volunteer === undefined) return undefined;
  return {
    catalogs: [await catalogOf(flags)],
    capacityBytes: flags.volunteer,
    bytesPerSecond: flags.limitCopies,
  };
}

export async function catalogOf(flags: Flags<CommonOption | "catalog">): Promise<Catalog> {
  const { transport } = openTransport(flags.catalog, "grpc", { ca: await readCa(flags) });
  return remoteCatalog({ url: flags.catalog, transport, hasher: nodeHasher, breathe: breathing() });
}

/** The uploads that this peer accepts and the token that they need; undefined without --accept-uploads. */
export async function uploadOptions(flags: UploadFlags, out: Output): Promise<UploadOptions | undefined> {
  if (flags.acceptUploads === undefined) return undefined;
  if (flags.open)
    out.warn("this peer is open: anyone who reaches it can upload pieces of the catalog's torrents");
  return {
    catalogs: [await catalogOf(flags)],
    maxBytes: flags.acceptUploads,
    expiresAfterMs: flags.uploadExpiry,
    token: await uploadToken(flags, out),
  };
}

/**
 * The token of --token, else that of the catalog, as far as this user knows it: the catalog's page sends it to the
 * peers. Else the peer makes one of its own.
 */
async function uploadToken(flags: UploadFlags, out: Output): Promise<string | undefined> {
  const known = flags.open ? undefined : (flags.token ?? (await tokenFor(dataDir(flags), flags.catalog)));
  const purpose = "uploading pieces to this peer";
  return known ?? serverToken("peer", flags.peerPort, purpose, flags, out);
}

/** The web origins whose pages may upload to this peer: those of --allow-origin, and the page of its catalog. */
export function uploadOrigins(
  flags: Pick<UploadFlags, "catalog" | "acceptUploads"> & Flags<"allowOrigin">,
): string[] {
  if (flags.acceptUploads === undefined) return [...flags.allowOrigin];
  const { protocol, host, hostname } = new URL(flags.catalog);
  // People open a page of this machine under either name.
  const names = isLoopback(hostname) ? ["127.0.0.1", "localhost"] : [];
  const port = host.slice(hostname.length);
  return [...flags.allowOrigin, ...[hostname, ...names].map((name) => `${protocol}//${name}${port}`)];
}

/** Tells the person what to do if the page of the catalog does not know this peer yet. */
export async function adviseOnUploads(
  flags: UploadFlags,
  url: string,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  if (flags.acceptUploads === undefined) return;
  const { getText } = await import("../clients/http-get.ts");
  const options = { ca: flags.ca, maxBytes: MAX_OVERVIEW_BYTES, signal };
  const overview = await getText(`${flags.catalog}/`, options).catch(() => undefined);
  if (overview === undefined || namesPeer(overview, url)) return;
  out.note(
    `The page of ${flags.catalog} does not upload to this peer: start that catalog with --upload-peer ${url}`,
  );
}

function namesPeer(overview: string, url: string): boolean {
  try {
    const { upload_peers: peers } = JSON.parse(overview) as { upload_peers?: unknown };
    return Array.isArray(peers) && peers.includes(url);
  } catch {
    return true;
  }
}

/** Stores the token where this user's other programs look for it. */
export async function rememberUploadToken(
  flags: UploadFlags,
  uploads: UploadOptions | undefined,
  url: string,
): Promise<void> {
  if (uploads?.token !== undefined) await rememberToken(dataDir(flags), url, uploads.token);
}
