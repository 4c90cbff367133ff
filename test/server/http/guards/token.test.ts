import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bearerToken } from "../../../../server/http/base/caller.ts";
import {
  checkToken,
  loadOrMakeToken,
  rememberToken,
  tokenAuthority,
  tokenFor,
} from "../../../../server/http/guards/token.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "pieza-token-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("a server's token", () => {
  it("is made once, kept for its owner alone, and found again", async () => {
    const data = join(directory, "catalog-8080");
    const first = await loadOrMakeToken(data);
    expect(first).toMatchObject({ made: true, path: join(data, "token") });
    expect(first.token).toMatch(/^[\w-]{32}$/);
    expect((await stat(first.path)).mode & 0o777).toBe(0o600);
    expect((await stat(data)).mode & 0o777).toBe(0o700);
    expect(await loadOrMakeToken(data)).toEqual({ ...first, made: false });
  });

  it("is one, although many servers start at once, and its file is all that is left", async () => {
    for (let round = 0; round < 200; round++) {
      const data = join(directory, String(round));
      const loaded = await Promise.all(Array.from({ length: 8 }, () => loadOrMakeToken(data)));
      expect(new Set(loaded.map(({ token }) => token)).size).toBe(1);
      expect(loaded.filter(({ made }) => made)).toHaveLength(1);
      expect(await readdir(data)).toEqual(["token"]);
    }
  });

  it("is never empty", async () => {
    await writeFile(join(directory, "token"), "\n");
    await expect(loadOrMakeToken(directory)).rejects.toMatchObject({ code: "failed_precondition" });
  });
});

describe("checking a token", () => {
  it("takes the same and nothing else", () => {
    expect(checkToken("abc", "abc")).toBe(true);
    for (const other of ["abd", "ab", "abcd", "", undefined]) expect(checkToken("abc", other)).toBe(false);
    expect(checkToken("", "")).toBe(false);
  });

  it("tells a missing token from a wrong one, and lets an open server be open", () => {
    const pass = (expected: string | undefined, token?: string) =>
      tokenAuthority(expected)?.({ address: "", token });
    expect(() => pass("abc")).toThrow(expect.objectContaining({ code: "unauthenticated" }));
    expect(() => pass("abc", "x")).toThrow(expect.objectContaining({ code: "permission_denied" }));
    pass("abc", "abc");
    pass(undefined);
  });

  it("reads it from the header as clients write it", () => {
    expect(bearerToken("Bearer abc")).toBe("abc");
    expect(bearerToken("bearer  abc")).toBe("abc");
    for (const odd of [
      undefined,
      "",
      "abc",
      "Basic abc",
      "Bearer",
      "Bearer a b",
      `Bearer ${"a".repeat(513)}`,
    ]) {
      expect(bearerToken(odd), odd).toBeUndefined();
    }
  });
});

describe("the tokens that a user keeps", () => {
  it("go to their own origin only", async () => {
    await rememberToken(directory, "http://127.0.0.1:8080/#/t/x", "one");
    await rememberToken(directory, "http://127.0.0.1:8081", "two");
    expect(await tokenFor(directory, "http://127.0.0.1:8080")).toBe("one");
    expect(await tokenFor(directory, "http://127.0.0.1:8081/path")).toBe("two");
    expect(await tokenFor(directory, "https://127.0.0.1:8080")).toBeUndefined();
    expect(await tokenFor(directory, "http://localhost:8080")).toBeUndefined();
  });

  it("are replaced whole, and only their owner reads them", async () => {
    await rememberToken(directory, "http://127.0.0.1:8080", "one");
    await rememberToken(directory, "http://127.0.0.1:8080", "two");
    expect(await tokenFor(directory, "http://127.0.0.1:8080")).toBe("two");
    const path = join(directory, "tokens", encodeURIComponent("http://127.0.0.1:8080"));
    expect(await readFile(path, "utf8")).toBe("two\n");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });
});
