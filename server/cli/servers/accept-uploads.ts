import type { Catalog } from "#core/ports/catalog.ts";
import { remoteCatalog } from "#core/rpc/rpc.ts";
import { nodeHasher } from "../../base/node-hasher.ts";
import { openTransport } from "../../http/client/transports.ts";
import { loadOrMakeToken, rememberToken } from "../../http/guards/token.ts";
import type { UploadOptions } from "../../peer/serving/stored-torrents.ts";
import type { VolunteerRules } from "../../peer/volunteer/volunteer.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir, serverDir } from "../clients/data-dir.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";

export type UploadFlags = Flags<
  CommonOption | "peerPort" | "catalog" | "acceptUploads" | "uploadExpiry" | "open"
>;

/** What this peer lends to copies; undefined unless --volunteer is given. */
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

async function catalogOf(flags: Flags<CommonOption | "catalog">): Promise<Catalog> {
  const { transport } = openTransport(flags.catalog, "grpc", { ca: await readCa(flags) });
  return remoteCatalog({ url: flags.catalog, transport, hasher: nodeHasher });
}

/** What others may store on this peer, and the token for it; undefined unless --accept-uploads is given. */
export async function uploadOptions(flags: UploadFlags, out: Output): Promise<UploadOptions | undefined> {
  if (flags.acceptUploads === undefined) return undefined;
  if (flags.open) out.warn("this peer is open: whoever reaches it may store pieces of what its catalog has");
  return {
    catalogs: [await catalogOf(flags)],
    maxBytes: flags.acceptUploads,
    expiresAfterMs: flags.uploadExpiry,
    token: flags.open ? undefined : (flags.token ?? (await ownToken(flags, out))),
  };
}

async function ownToken(flags: UploadFlags, out: Output): Promise<string> {
  const { token, path, made } = await loadOrMakeToken(serverDir(flags, "peer", flags.peerPort));
  if (made) out.note(`The token for storing pieces here is in ${path}`);
  return token;
}

/** Keeps the token for this user's other programs. */
export async function rememberUploadToken(
  flags: UploadFlags,
  uploads: UploadOptions | undefined,
  url: string,
): Promise<void> {
  if (uploads?.token !== undefined) await rememberToken(dataDir(flags), url, uploads.token);
}
