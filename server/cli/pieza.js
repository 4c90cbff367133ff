#!/usr/bin/env node
// Plain JavaScript, so that an old Node reads this far and says what it needs instead of a syntax error.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(`pieza needs Node 22.18 or later; this is ${process.version}`);
  process.exit(1);
}

// A young generation that stays small is looked through often: so the memory of what came over the network is free again
// before the collector goes through everything for it, as it did every 20 MB of a gRPC download.
const { setFlagsFromString } = await import("node:v8");
setFlagsFromString("--semi-space-growth-factor=1");

// Half of the time until a verb begins is compiling; what was compiled once is kept.
const { enableCompileCache } = await import("node:module");
enableCompileCache();

// The published package's build turns this into main.js.
await import("./main.ts");
