import type { PeerOptions } from "../../peer/peer.ts";
import { AnnounceRole } from "../../peer/roles/announce-role.ts";
import { ReplicateRole } from "../../peer/roles/replicate-role.ts";
import type { VolunteerRules } from "../../peer/volunteer/volunteer.ts";
import { readCa } from "../clients/client-flags.ts";
import { dataDir } from "../clients/data-dir.ts";
import type { CommonOption, Flags } from "../line/options.ts";
import type { Output } from "../line/output.ts";
import { sayStatus } from "./seeding.ts";
import { serveUntilSignalled } from "./serve.ts";

type RoleFlags = Flags<
  CommonOption | "peerPort" | "host" | "publicUrl" | "zone" | "drainTimeout" | "allowNetwork"
>;

/** Runs `pieza peer --role announce` until a signal comes. */
export async function announceUntilSignalled(
  trackers: readonly string[],
  flags: RoleFlags,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  const role = await AnnounceRole.start({
    trackers,
    dataDir: dataDir(flags),
    port: flags.peerPort,
    zone: flags.zone,
    ca: await readCa(flags),
    log: (line) => out.log(line),
    drainMs: flags.drainTimeout,
    onStatus: sayStatus(out, flags),
  });
  out.event("working", { verb: "peer", role: "announce", pid: process.pid }, "Announcing");
  await serveUntilSignalled(signal, role);
}

/** Runs `pieza peer --role replicate` until a signal comes. */
export async function replicateUntilSignalled(
  { volunteer, scrub }: { readonly volunteer: VolunteerRules } & Pick<PeerOptions, "scrub">,
  flags: RoleFlags,
  out: Output,
  signal: AbortSignal,
): Promise<void> {
  const role = await ReplicateRole.start({
    volunteer,
    scrub,
    allowNetworks: flags.allowNetwork,
    zone: flags.zone,
    dataDir: dataDir(flags),
    port: flags.peerPort,
    ca: await readCa(flags),
    log: (line) => out.log(line),
  });
  out.event("working", { verb: "peer", role: "replicate", pid: process.pid }, "Keeping copies");
  await serveUntilSignalled(signal, role);
}
