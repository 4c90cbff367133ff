import http2 from "node:http2";
import { syncBuiltinESMExports } from "node:module";

/**
 * Import this before anything that dials over HTTP/2. A neighbour that sends GOAWAY on an idle connection (as every
 * graceful stop does) makes Node emit "error" on the session after the RPC library has taken its listeners off, and an
 * "error" nobody listens to ends the process. So every client session gets a listener that stays for its life; whoever
 * has a call on the session still sees that call fail. See https://github.com/connectrpc/connect-es/issues/1768.
 */
const connect = http2.connect;

http2.connect = function guardedConnect(this: unknown, ...args: unknown[]) {
  const session = Reflect.apply(connect, this, args) as http2.ClientHttp2Session;
  session.on("error", ignore);
  return session;
} as typeof http2.connect;

// The library imports the module's namespace, which does not follow its default export by itself.
syncBuiltinESMExports();

function ignore(): void {}
