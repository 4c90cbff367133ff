import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  type MethodImpl,
} from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";

/**
 * A router that gives every method options of its own: the library takes them for a whole service or for one method,
 * and our services have one large message each. Options that a service passes itself come first.
 */
export function createLimitedRouter(
  options: ConnectRouterOptions,
  forMethod: (method: DescMethod) => Partial<UniversalHandlerOptions>,
): ConnectRouter {
  const inner = createConnectRouter(options);
  const router: ConnectRouter = {
    handlers: inner.handlers,
    service(service, implementation, own) {
      const methods = implementation as Readonly<Record<string, Implementation | undefined>>;
      for (const method of service.methods) {
        const found = methods[method.localName]?.bind(implementation) ?? unimplemented(method);
        router.rpc(method, found as MethodImpl<DescMethod>, own);
      }
      return router;
    },
    rpc(method, implementation, own) {
      inner.rpc(method, implementation, { ...forMethod(method), ...own });
      return router;
    },
  };
  return router;
}

/** Of any method; which messages it takes and gives is between the service's type and its implementation. */
type Implementation = (...args: never[]) => unknown;

function unimplemented(method: DescMethod): Implementation {
  return () => {
    throw new ConnectError(
      `${method.parent.typeName}.${method.name} is not offered here`,
      Code.Unimplemented,
    );
  };
}
