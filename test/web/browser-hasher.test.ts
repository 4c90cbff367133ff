import { expect, it } from "vitest";
import { webCryptoHasher } from "#core/base/hash.ts";
import { browserHasher, wasmHasher } from "../../web/src/worker/browser-hasher.ts";
import { hasherContract } from "../contract/hasher.ts";

hasherContract("WebCrypto in a browser", () => webCryptoHasher);
hasherContract("WebAssembly", wasmHasher);

it("the page takes WebCrypto where the browser has it", async () => {
  expect(await browserHasher()).toBe(webCryptoHasher);
});
