import { mount } from "svelte";
import App from "./App.svelte";
import "./base/app.css";
import { Engine } from "./base/engine.ts";
import { takeToken } from "./base/token.svelte.ts";
import { Downloads } from "./downloads/downloads.svelte.ts";
import { Publications } from "./publishing/publications.svelte.ts";
import { startWorker } from "./start-worker.ts";

takeToken();
addEventListener("hashchange", takeToken);
const engine = new Engine(startWorker());
const props = { downloads: new Downloads(engine), publications: new Publications(engine) };
mount(App, { target: document.body, props });
