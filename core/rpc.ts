/** The engine's ports over a Connect transport. Isomorphic: a page passes a transport of connect-web. */
export { type RemoteCatalogOptions, remoteCatalog } from "./rpc-catalog.ts";
export { type RemotePeerOptions, remotePeer } from "./rpc-peer.ts";
export { torrentFromPeer } from "./rpc-peer-torrent.ts";
export { type RemoteSeedPeerOptions, remoteSeedPeer } from "./rpc-seed-peer.ts";
export { type RemoteTrackerOptions, remoteTracker } from "./rpc-tracker.ts";
export { type RemoteUploadPeerOptions, remoteUploadPeer } from "./rpc-upload-peer.ts";
