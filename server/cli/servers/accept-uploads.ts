import type { Catalog } from "#core/ports/catalog.ts";
import { remoteCatalog } from "#core/rpc/rpc.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { openTransport } from "../../http/client/transports.ts";
import { rememberToken } from "../../http/guards/token.ts";
import type { UploadOptions } from "../../peer/serving/stored-torrents.ts";
import type { VolunteerRules } from "../../peer/volunteer/volunteer.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { serverToken } from "./serve.ts";

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
  return remoteCatalog({ url: flags.catalog, transport, hasher: nodeHasher });
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
    token: await serverToken("peer", flags.peerPort, "uploading pieces to this peer", flags, out),
  };
}

/** Stores the token where this user's other programs look for it. */
export async function rememberUploadToken(
  flags: UploadFlags,
  uploads: UploadOptions | undefined,
  url: string,
): Promise<void> {
  if (uploads?.token !== undefined) await rememberToken(dataDir(flags), url, uploads.token);
}
