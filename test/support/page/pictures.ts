import { join } from "node:path";

/** Where tests leave pictures of the page; not in git. */
export const pictures = join(import.meta.dirname, "../../../test-results/pictures");
