import http2 from "node:http2";
import { syncBuiltinESMExports } from "node:module";

/**
 * Gives every HTTP/2 client session an "error" listener for life. Import this before anything that connects over
 * HTTP/2. When a peer sends GOAWAY on an idle connection, as every graceful stop does, Node emits "error" after the
 * RPC library has removed its listeners, and an "error" without a listener ends the process. Calls on the session
 * still fail as before. See https://github.com/connectrpc/connect-es/issues/1768.
 */
const connect = http2.connect;

http2.connect = function guardedConnect(this: unknown, ...args: unknown[]) {
  const session = Reflect.apply(connect, this, args) as http2.ClientHttp2Session;
  session.on("error", ignore);
  return session;
} as typeof http2.connect;

// The library imports the module's namespace, which has the changed function only after this.
syncBuiltinESMExports();

function ignore(): void {}
