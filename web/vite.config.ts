import { join } from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

/** Where `npx vite web` finds a running catalog; the built page is served by the catalog itself. */
const catalog = process.env.PIEZA_CATALOG ?? "http://localhost:8080";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [svelte({ configFile: false })],
  // What the catalog's Content-Security-Policy forbids is not made: no data: scripts, no inline polyfill.
  build: {
    ...{ target: "es2023", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
    rolldownOptions: {
      input: {
        index: join(import.meta.dirname, "index.html"),
        "content-worker": join(import.meta.dirname, "src/service/content-worker.ts"),
      },
      // A service worker answers for the folder that it lies in, and keeps its name.
      output: {
        entryFileNames: ({ name }) => (name === "content-worker" ? "[name].js" : "assets/[name]-[hash].js"),
      },
    },
  },
  worker: { format: "es" },
  server: { proxy: { "/pieza.v1.CatalogService": catalog, "/files": catalog, "/endpoints": catalog } },
});
