import { webCryptoHasher } from "#core/base/hash.ts";
import { nodeHasher } from "../../../server/node-hasher.ts";
import { hasherContract } from "../../contract/hasher.ts";

hasherContract("node:crypto", () => nodeHasher);
hasherContract("WebCrypto", () => webCryptoHasher);
