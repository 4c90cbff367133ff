import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { Downloads } from "./downloads.svelte.ts";
import { Engine } from "./engine.ts";
import { Publications } from "./publications.svelte.ts";
import { startWorker } from "./start-worker.ts";
import { takeToken } from "./token.ts";

takeToken();
addEventListener("hashchange", () => takeToken());
const engine = new Engine(startWorker());
const props = { downloads: new Downloads(engine), publications: new Publications(engine) };
mount(App, { target: document.body, props });
