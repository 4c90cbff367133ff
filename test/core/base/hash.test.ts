import { webCryptoHasher } from "#core/base/hash.ts";
import { nodeHasher } from "../../../server/base/node-hasher.ts";
import { hasherContract } from "../../contract/hasher.ts";

hasherContract("node:crypto", () => nodeHasher);
hasherContract("WebCrypto", () => webCryptoHasher);
