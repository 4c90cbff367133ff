#!/usr/bin/env node
// This file is plain JavaScript, so that an old Node prints the version it needs and not a syntax error.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(`pieza needs Node 22.18 or later; this is ${process.version}`);
  process.exit(1);
}

// A small young generation is collected often and frees the memory of received data early. With V8's default growth,
// a gRPC download caused a collection of the whole heap every 20 MB.
const { setFlagsFromString } = await import("node:v8");
setFlagsFromString("--semi-space-growth-factor=1");

// Compilation is half of the time until a verb starts, so compiled code is cached on disk.
const { enableCompileCache } = await import("node:module");
enableCompileCache();

// scripts/build.ts replaces this by main.js in the published package.
await import("./main.ts");
