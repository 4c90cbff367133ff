import { answerJob } from "./fetched-file.ts";

/** What anybody would write: one fetch a piece. Pieces may be cached for ever; here every run fetches them anew. */
answerJob(() => async (peer, infoHash, number) => {
  const response = await fetch(`${peer}/pieces/${infoHash}/${number}`, { cache: "no-store" });
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
});
