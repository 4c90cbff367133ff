import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type MethodImpl, type ServiceImpl } from "@connectrpc/connect";
import type { DirectMethod } from "../direct/direct.ts";
import type { MethodPolicy } from "../guards/policy.ts";

/** A service as a server offers it. The keys of all three records are the local names of its methods. */
export interface ServedService {
  readonly service: DescService;
  readonly implementation: Readonly<Record<string, unknown>>;
  readonly policies: Readonly<Record<string, MethodPolicy | undefined>>;
  /** Answer plain calls instead of the implementation. */
  readonly direct: Readonly<Record<string, DirectMethod | undefined>>;
}

/** The policies and direct answers of a service's methods. */
export interface ServiceOptions<S extends DescService> {
  readonly policies?: { readonly [Name in keyof S["method"]]?: MethodPolicy };
  readonly direct?: { readonly [Name in keyof S["method"]]?: DirectMethod } | undefined;
}

/** Joins a service and its options. A method without an implementation answers `unimplemented`. */
export function served<S extends DescService>(
  service: S,
  implementation: Partial<ServiceImpl<S>>,
  { policies = {}, direct = {} }: ServiceOptions<S> = {},
): ServedService {
  return { service, implementation, policies, direct };
}

/** Returns the function that implements a method. */
export function implementationOf(
  { implementation }: ServedService,
  method: DescMethod,
): MethodImpl<DescMethod> {
  const found = implementation[method.localName];
  const answer = typeof found === "function" ? found.bind(implementation) : () => unimplemented(method);
  return answer as MethodImpl<DescMethod>;
}

function unimplemented({ parent, name }: DescMethod): never {
  throw new ConnectError(`${parent.typeName}.${name} is not offered here`, Code.Unimplemented);
}
