import type { ServiceImpl } from "@connectrpc/connect";
import type { TrackerService } from "#gen/tracker_pb.ts";
import { kCallerAddress } from "../../http/base/context.ts";
import type { FilePiecesCall } from "./file-pieces-call.ts";
import { parsePort, parseRegistration } from "./legacy-message.ts";
import type { LegacyProber } from "./legacy-prober.ts";
import type { LegacyRegistrar } from "./legacy-registrar.ts";

/** A legacy peer registers every hash of every file in one message. */
const registration = { requestBytes: 8 << 20 } as const;

/** What calls of the legacy tracker service are held to. */
export const legacyTrackerPolicies = {
  registerPeer: registration,
  deregisterPeer: registration,
  getFilePieces: { changes: false },
} as const;

/** Translates the legacy contract into calls of the tracker, and decides nothing itself. */
export function legacyTrackerService(
  registrar: LegacyRegistrar,
  prober: LegacyProber,
  filePieces: FilePiecesCall,
): ServiceImpl<typeof TrackerService> {
  return {
    async registerPeer(request, context) {
      const registration = await parseRegistration(request);
      const caller = context.values.get(kCallerAddress);
      const lease = await registrar.register(registration, caller, context.signal);
      prober.onRegistered(lease, registration.files);
      return { success: true };
    },

    async deregisterPeer({ peerAddress }, context) {
      const port = parsePort(peerAddress);
      return { success: await registrar.deregister(port, context.values.get(kCallerAddress)) };
    },

    async getFilePieces({ fileName }, { values }) {
      return { pieces: await filePieces.answer(fileName, values.get(kCallerAddress)) };
    },
  };
}
