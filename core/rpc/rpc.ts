/** Clients for the engine's ports, over any Connect transport: Node's or, in a page, connect-web's. */
export { remoteCatalog } from "./catalog.ts";
export { remoteLegacyPeer } from "./legacy-peer.ts";
export { remotePeer, torrentFromPeer } from "./peer.ts";
export { remoteTracker } from "./tracker.ts";
export { remoteUploadPeer } from "./upload-peer.ts";
