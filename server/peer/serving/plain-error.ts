import { codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
import type { PiezaError } from "#core/base/errors.ts";
import { toConnectError } from "../../http/base/connect-error.ts";
import type { HttpResponse } from "../../http/base/http-types.ts";

/** Answers a plain HTTP request with an error as JSON, {"code", "message"}, which no cache keeps. */
export function sendPlainError(error: PiezaError, response: HttpResponse, status?: number): void {
  const { code, metadata } = toConnectError(error);
  for (const [name, value] of metadata) response.setHeader(name, value);
  response.statusCode = status ?? codeToHttpStatus(code);
  response.setHeader("content-type", "application/json");
  response.setHeader("cache-control", "no-store");
  response.end(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
}
