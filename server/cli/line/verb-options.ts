import type { Invocation } from "./invocation.ts";
import { type CommonOption, type Flags, type OptionName, serverOptions } from "./options.ts";

const createOptions = ["exclude", "bittorrent", "pieceLength", "comment", "replicationTarget"] as const;

/** The flags of a peer that serves files. */
const seedingOptions = [
  "peerPort",
  "followLinks",
  "inventory",
  "pieces",
  "zone",
  "drainTimeout",
  "tracker",
  "catalog",
  "limitUpload",
  "logRequests",
] as const;

/** The flags of each verb in the order of its help. Every verb also takes the common flags. */
export const verbOptions = {
  up: [
    "upTrackerPort",
    "upCatalogPort",
    "upGatewayPort",
    "upPeerPort",
    "host",
    "tlsCert",
    "tlsKey",
    "allowedHost",
    "allowOrigin",
    "upTarget",
    "allowNetwork",
    "noRateLimit",
    "page",
    "open",
  ],
  tracker: [
    "trackerPort",
    "store",
    "memory",
    "trackerTarget",
    "allowNetwork",
    "trustedProxy",
    ...serverOptions,
  ],
  catalog: ["catalogPort", "namedTrackers", "uploadPeer", "namedGateways", "page", "open", ...serverOptions],
  peer: [
    "torrents",
    ...seedingOptions,
    "acceptUploads",
    "uploadExpiry",
    "volunteer",
    "limitCopies",
    "gateway",
    "cache",
    "gatewayGiveUpAfter",
    "allowNetwork",
    "role",
    "scrubEvery",
    "limitScrub",
    "open",
    ...serverOptions,
  ],
  gateway: [
    "gatewayPort",
    "cache",
    "gatewayGiveUpAfter",
    "allowNetwork",
    "zone",
    "drainTimeout",
    "tracker",
    "catalog",
    "limitUpload",
    "logRequests",
    ...serverOptions,
  ],
  create: ["createOut", "followLinks", ...createOptions, "tracker"],
  seed: ["createdTorrents", "replace", ...createOptions, ...seedingOptions, ...serverOptions],
  publish: ["name", "replace", "catalog"],
  rm: ["catalog"],
  get: [
    "out",
    "dir",
    "select",
    "jobs",
    "overwrite",
    "reuse",
    "removeStale",
    "sequential",
    "giveUpAfter",
    "seedAfter",
    "limitDownload",
    "limitUpload",
    "sync",
    "transport",
    "zone",
    "tracker",
    "catalog",
    "allowNetwork",
    "host",
    "getPort",
  ],
  verify: ["catalog"],
  info: ["catalog"],
  ls: ["catalog"],
  peers: ["tracker", "catalog"],
  status: ["tracker", "catalog"],
  explain: ["catalog"],
  doctor: ["dir", "tracker", "catalog"],
  completions: [],
} as const satisfies Record<string, readonly OptionName[]>;

export type VerbName = keyof typeof verbOptions;

type VerbOption<Verb extends VerbName> = (typeof verbOptions)[Verb][number] | CommonOption;

/** The checked flags of a verb, the common ones included. */
export type VerbFlags<Verb extends VerbName> = Flags<VerbOption<Verb>>;

/** One run of this verb. */
export type VerbInvocation<Verb extends VerbName> = Invocation<VerbOption<Verb>>;
