/** One place of the code, broken on purpose, and the test that has to notice. */
export interface Sabotage {
  /** In words, as "skips the hash check". */
  readonly what: string;
  readonly file: string;
  /** Text that occurs in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The test's file. */
  readonly test: string;
  /** The test's name, or the part of it that fits no other. */
  readonly name: string;
  /** Of vitest. Default "node"; with "e2e" the page is built anew before. */
  readonly project?: "node" | "browser" | "e2e";
}
