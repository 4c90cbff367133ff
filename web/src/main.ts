import { mount } from "svelte";
import App from "./App.svelte";
import "./base/app.css";
import { Engine } from "./base/engine.ts";
import { takeToken } from "./base/token.svelte.ts";
import { Downloads } from "./downloads/downloads.svelte.ts";
import { ContentService } from "./preview/content-service.ts";
import { Publications } from "./publishing/publications.svelte.ts";
import { registerContentWorker, startWorker } from "./start-worker.ts";

takeToken();
addEventListener("hashchange", takeToken);
const engine = new Engine(startWorker());
const content = new ContentService(engine, registerContentWorker);
const props = { downloads: new Downloads(engine, content), publications: new Publications(engine) };
mount(App, { target: document.body, props });
