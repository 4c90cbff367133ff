/** Clients for the engine's ports, over any Connect transport: Node's or, in a page, connect-web's. */
export { type RemoteCatalogOptions, remoteCatalog } from "./catalog.ts";
export { type RemoteLegacyPeerOptions, remoteLegacyPeer } from "./legacy-peer.ts";
export { type RemotePeerOptions, remotePeer } from "./peer.ts";
export { torrentFromPeer } from "./peer-torrent.ts";
export { type RemoteTrackerOptions, remoteTracker } from "./tracker.ts";
export { type RemoteUploadPeerOptions, remoteUploadPeer } from "./upload-peer.ts";
