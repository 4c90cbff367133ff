import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { Downloads } from "./downloads.svelte.ts";
import { startWorker } from "./start-worker.ts";
import { takeToken } from "./token.ts";

takeToken();
addEventListener("hashchange", () => takeToken());
mount(App, { target: document.body, props: { downloads: new Downloads(startWorker()) } });
