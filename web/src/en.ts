import type { PeerState } from "#core/snapshot.ts";

/** Every word of the page in English, and the shape that every other language has to fill. */
export const en = {
  tagline: "Files from many peers at once, every piece verified",
  language: "Language",
  skip: "Skip to the catalog",

  downloads: "Downloads",
  catalog: "Catalog",
  search: "Search by name or info hash",
  searching: "Looking…",
  found: (count: string, one: boolean) => (one ? "1 torrent" : `${count} torrents`),
  nothingFound: (search: string) => `Nothing here is called “${search}”.`,
  emptyCatalog: "This catalog has no torrents yet.",
  emptyCatalogHow: "Publish one from a terminal:",
  catalogAway: "The catalog does not answer.",
  tryAgain: "Try again",
  more: "Show more",
  download: "Download",
  downloadNamed: (name: string) => `Download ${name}`,
  details: "Details",
  notFound: "This catalog has no such torrent.",
  backToCatalog: "Whole catalog",

  pieces: (count: string, one: boolean) => (one ? "1 piece" : `${count} pieces`),
  files: (count: string, one: boolean) => (one ? "1 file" : `${count} files`),
  sizeUnknown: "size unknown",
  infoHash: "Info hash",
  of: (part: string, whole: string) => `${part} of ${whole}`,
  left: (time: string) => `${time} left`,
  took: (time: string) => `in ${time}`,
  percent: "Progress",

  state: {
    opening: "Opening",
    elsewhere: "Open in another tab",
    tooLarge: "Too large",
    broken: "Stopped",
    starting: "Starting",
    downloading: "Downloading",
    waiting: "Waiting for peers",
    paused: "Paused",
    complete: "Complete",
    failed: "Failed",
    stopped: "Stopped",
  },
  allVerified: (pieces: string, one: boolean) =>
    one ? "its only piece verified" : `all ${pieces} pieces verified`,
  openingWhy: "Looking at what is already here…",
  elsewhereWhy: "Another tab has this download. It moves here when that tab is closed.",
  tooLargeDisk: (needed: string, available: string) =>
    `It needs ${needed}, and this browser grants ${available}. Free some space and try again.`,
  tooLargeMemory: (cap: string) => `This page has to keep files in memory, and takes up to ${cap} there.`,

  pause: "Pause",
  resume: "Resume",
  retry: "Try again",
  cancel: "Cancel",
  remove: "Remove",
  removeSure: (kept: string) => `Delete the ${kept} kept here?`,
  removeYes: "Delete",
  removeNo: "Keep",
  save: "Save",
  saveAgain: "Save again",
  saving: (percent: string) => `Saving… ${percent}`,
  preparing: "Preparing…",
  saveNeeds: (size: string) =>
    `Saving makes a second copy: it needs ${size} more until the one here is freed.`,
  saved: "Saved.",
  handedOver:
    "Your browser is saving it. The copy kept here can go once that is done, and goes by itself the next time this page opens.",
  free: (size: string) => `Free ${size}`,
  saveFailed: (reason: string) => `It could not be saved: ${reason}`,

  mapLabel: "Piece map",
  mapNow: (number: string, total: string, what: string) => `Piece ${number} of ${total}: ${what}`,
  mapMissing: "missing",
  mapBefore: "held since before this run",
  mapInFlight: (peer: string) => `on its way from peer ${peer}`,
  mapFrom: (peer: string) => `from peer ${peer}`,
  mapGrouped: (count: string) => `each square stands for ${count} pieces`,
  legend: { missing: "missing", before: "held before", inFlight: "on its way", held: "verified" },

  peers: "Peers",
  noPeers: "No peer yet.",
  peer: "Peer",
  address: "Address",
  peerState: "State",
  rate: "Rate",
  ratePast: "Rate over the last minute",
  served: "Pieces",
  servedOf: (served: string, has: string) => `${served} served, has ${has}`,
  peerStates: {
    connecting: "connecting",
    active: "sending",
    idle: "idle",
    "backing off": "backing off",
    banned: "banned",
    skipped: "skipped",
  } satisfies Record<PeerState, string>,

  memoryInsecure: (cap: string) =>
    `This page was opened without https, so the browser withholds its storage and its fast hashing: files up to ${cap} are kept in memory and are gone after a reload.`,
  memoryUnsupported: (cap: string) =>
    `This browser gives the page no storage: files up to ${cap} are kept in memory and are gone after a reload.`,
  engineFailed: (reason: string) => `Downloads do not work in this browser: ${reason}`,
};

export type Words = typeof en;
