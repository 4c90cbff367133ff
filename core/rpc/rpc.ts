/** The engine's ports over a Connect transport. Isomorphic: a page passes a transport of connect-web. */
export { type RemoteCatalogOptions, remoteCatalog } from "./catalog.ts";
export { type RemoteSeedPeerOptions, remoteSeedPeer } from "./legacy-peer.ts";
export { type RemotePeerOptions, remotePeer } from "./peer.ts";
export { torrentFromPeer } from "./peer-torrent.ts";
export { type RemoteTrackerOptions, remoteTracker } from "./tracker.ts";
export { type RemoteUploadPeerOptions, remoteUploadPeer } from "./upload-peer.ts";
