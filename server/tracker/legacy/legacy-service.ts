import type { ServiceImpl } from "@connectrpc/connect";
import type { TrackerService } from "#gen/tracker_pb.ts";
import { kCallerAddress } from "../../http/base/context.ts";
import type { FilePiecesCall } from "./file-pieces-call.ts";
import { parsePort, parseRegistration } from "./legacy-message.ts";
import type { SeedProber } from "./legacy-prober.ts";
import type { SeedRegistrar } from "./legacy-registrar.ts";

export interface SeedServiceParts {
  readonly registrar: SeedRegistrar;
  readonly prober: SeedProber;
  readonly filePieces: FilePiecesCall;
}

/** A legacy peer registers every hash of every file in one message. */
const registration = { requestBytes: 8 << 20 } as const;

/** What calls of the legacy tracker service are held to. */
export const legacyTrackerPolicies = {
  registerPeer: registration,
  deregisterPeer: registration,
  getFilePieces: { changes: false },
} as const;

/** Translates the seed's contract into what the tracker does for everybody; decides nothing. */
export function seedTrackerService({
  registrar,
  prober,
  filePieces,
}: SeedServiceParts): ServiceImpl<typeof TrackerService> {
  return {
    async registerPeer(request, context) {
      const registration = parseRegistration(request);
      prober.onRegistered(await registrar.register(registration, context.values.get(kCallerAddress)));
      return { success: true };
    },

    async deregisterPeer({ peerAddress }, context) {
      const port = parsePort(peerAddress);
      return { success: await registrar.deregister(port, context.values.get(kCallerAddress)) };
    },

    async getFilePieces({ fileName }) {
      return { pieces: await filePieces.answer(fileName) };
    },
  };
}
