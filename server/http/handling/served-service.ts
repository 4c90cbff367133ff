import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type MethodImpl, type ServiceImpl } from "@connectrpc/connect";
import type { DirectMethod } from "../direct/direct.ts";
import type { MethodPolicy } from "../guards/policy.ts";

/** A service as a server offers it: what implements it, and by the methods' local names what its calls are held to. */
export interface ServedService {
  readonly service: DescService;
  readonly implementation: Readonly<Record<string, unknown>>;
  readonly policies: Readonly<Record<string, MethodPolicy | undefined>>;
  /** Methods that answer plain calls in front of the implementation. */
  readonly direct: Readonly<Record<string, DirectMethod | undefined>>;
}

/** What a service may say of its methods beside implementing them. */
export interface ServiceOptions<S extends DescService> {
  readonly policies?: { readonly [Name in keyof S["method"]]?: MethodPolicy };
  readonly direct?: { readonly [Name in keyof S["method"]]?: DirectMethod } | undefined;
}

/** Puts a service together with its policies. A method that is not implemented answers `unimplemented`. */
export function served<S extends DescService>(
  service: S,
  implementation: Partial<ServiceImpl<S>>,
  { policies = {}, direct = {} }: ServiceOptions<S> = {},
): ServedService {
  return { service, implementation, policies, direct };
}

/** The function that answers calls of a method. */
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
