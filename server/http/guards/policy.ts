import type { DescMethod } from "@bufbuild/protobuf";
import type { Caller } from "../base/caller.ts";
import type { Limits } from "../base/limits.ts";
import type { UploadBudget } from "./upload-budget.ts";

/** Throws PiezaError with unauthenticated or permission_denied unless the caller may make the call. */
export type Authority = (caller: Caller) => void;

/** The rules of one method, as its service states them. The gates hold every call of the method to these. */
export interface MethodPolicy {
  /** The largest request message in bytes, also after decompression. Default: limits.requestBytes. */
  readonly requestBytes?: number;
  /**
   * Whether a call may change something: pages of other origins may not make it. Default: true unless the proto says
   * NO_SIDE_EFFECTS.
   */
  readonly changes?: boolean;
  /** Whether calls count against the rate limit of their address. Default: as `changes`. */
  readonly rated?: boolean;
  /** Decides which callers may call. Default: all may. */
  readonly authority?: Authority | undefined;
  /** The memory that request bodies of this method share; each call takes its content-length. Default: no budget. */
  readonly room?: UploadBudget;
  /** False: answers are never compressed. Pieces are large and mostly compressed already. Default: true. */
  readonly compressed?: boolean;
}

/** A policy with every default filled in. */
export type Policy = Required<Omit<MethodPolicy, "authority" | "room">> &
  Pick<MethodPolicy, "authority" | "room"> & {
    /** Whether the request is one message, whose length is known before it is read. */
    readonly oneMessage: boolean;
  };

/** The policy of a method, from the rules that its service states. */
export function policyOf(method: DescMethod, own: MethodPolicy, limits: Limits): Policy {
  const changes = own.changes ?? method.idempotency !== NO_SIDE_EFFECTS;
  return {
    requestBytes: own.requestBytes ?? limits.requestBytes,
    changes,
    rated: own.rated ?? changes,
    authority: own.authority,
    ...(own.room && { room: own.room }),
    compressed: own.compressed ?? true,
    oneMessage: method.methodKind === "unary" || method.methodKind === "server_streaming",
  };
}

/** The policy of plain HTTP routes, which only read. */
export function plainPolicy({ requestBytes }: Limits): Policy {
  return {
    requestBytes,
    changes: false,
    rated: false,
    authority: undefined,
    compressed: true,
    oneMessage: true,
  };
}

/** MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS of google/protobuf/descriptor.proto. */
const NO_SIDE_EFFECTS = 1;
