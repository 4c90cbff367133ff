import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { PiezaError } from "#core/base/errors.ts";
import { INADEQUATE_SECURITY } from "../base/no-tls.ts";

const UNKNOWN_AUTHORITY =
  "its certificate is from an authority that is not known here; name the authority's PEM file with --ca";

const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its certificate has expired; its operator has to renew it",
  CERT_NOT_YET_VALID: "its certificate is not valid yet; check the clocks of both machines",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; if you trust it, name its PEM file with --ca",
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
};

/**
 * Says for people why a TLS connection was not possible or not trusted, as a text to follow the server's name. Looks
 * at the causes of `error` too. Undefined if the error is not about TLS.
 */
export function tlsProblem(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== "string") return tlsProblem(error.cause);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const { host } = error as { host?: string };
    return `its certificate is not for the name ${host}; use a name that it is for, or have this name added to it`;
  }
  if (code === "ERR_HTTP2_SESSION_ERROR" && error.message.endsWith(` ${INADEQUATE_SECURITY}`)) {
    return "it speaks TLS there; use https:// in its URL";
  }
  if (/wrong version number|packet length too long/.test(error.message)) {
    return "it does not speak TLS there; perhaps its URL begins with http://";
  }
  if (/^(CERT_|INVALID_|UNABLE_TO_)/.test(code) || code in words) {
    return words[code] ?? `its certificate cannot be trusted (${code})`;
  }
  return tlsProblem(error.cause);
}

/** Replaces the error of a unary call that failed because of TLS with the text of tlsProblem. */
export const tellTlsProblems: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    const problem = tlsProblem(error);
    if (problem === undefined) throw error;
    const cause = new PiezaError("unavailable", problem, { cause: error });
    throw new ConnectError(problem, Code.Unavailable, undefined, undefined, cause);
  }
};
