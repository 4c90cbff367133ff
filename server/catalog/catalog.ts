import type { Clock } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import { CatalogService } from "#gen/pieza/v1/catalog_pb.ts";
import { nodeClock } from "../base/node-clock.ts";
import { packageVersion } from "../base/own-package.ts";
import type { Log } from "../http/base/log.ts";
import { directGetTorrent } from "../http/direct/direct-torrent.ts";
import { served } from "../http/handling/served-service.ts";
import { type EdgeOptions, startServer } from "../http/listening/server.ts";
import { catalogRoutes } from "./http-routes.ts";
import { type PageFiles, readPageFiles } from "./page-files.ts";
import { catalogPolicies, catalogService, keyOf } from "./service.ts";
import { TorrentDirectory } from "./torrent-directory.ts";

export interface CatalogOptions extends EdgeOptions {
  /** Path of the directory with the torrents, a `<name>.json` for each; made if it is missing. */
  readonly directory: string;
  /** Path of the built page, which browsers get at /. Default: there is no page. */
  readonly pageDirectory?: string | undefined;
  /** URLs of trackers, which GET / names to clients. */
  readonly trackers: readonly string[];
  /**
   * URLs of peers that take uploads with this catalog's token, which GET / names to publishers. Live: whoever made the
   * list may add to it. Default none.
   */
  readonly uploadPeers?: readonly string[] | undefined;
  /** What publishers have to send. Without it, `open` must be set. */
  readonly token?: string | undefined;
  /** Anybody who reaches the catalog may publish and delete. Default false. */
  readonly open?: boolean | undefined;
  /** Whether plain calls of GetTorrent are answered without the library. Default true. */
  readonly direct?: boolean | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

export interface RunningCatalog {
  /** No slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Lets calls finish for `graceMs` (default 10,000); resolves when no socket is left. */
  close(options?: { graceMs?: number }): Promise<void>;
}

/**
 * Starts a catalog. Files in the directory that are no torrents are logged and left alone. Fails with the system's
 * error when the port is taken, and with StoreFailed when the directory cannot be read.
 */
export async function startCatalog(options: CatalogOptions): Promise<RunningCatalog> {
  const {
    directory,
    pageDirectory,
    trackers,
    uploadPeers = [],
    open = false,
    clock = nodeClock,
    log,
  } = options;
  if (!open && !options.token)
    throw new PiezaError("invalid_argument", "a catalog needs a token, unless it is open to all");
  const torrents = await TorrentDirectory.open({
    directory,
    clock,
    onBadFile: ({ file, problem }) =>
      log?.({ level: "warn", event: "bad_torrent", message: `${file} is left out: ${problem}`, file }),
  });
  const page = await readPage(pageDirectory, log);
  const version = packageVersion();
  const overview = async () =>
    overviewOf(version, trackers, uploadPeers, (await torrents.list({ pageSize: 1 })).totalSize);
  const policies = catalogPolicies(open ? undefined : options.token);
  const getTorrent = directGetTorrent(CatalogService.method.getTorrent, (request) =>
    torrents.get(keyOf(request)),
  );
  return startServer({
    ...options,
    services: [served(CatalogService, catalogService(torrents), { policies, direct: { getTorrent } })],
    http: catalogRoutes({
      torrents,
      page,
      overview,
    }),
  });
}

async function readPage(directory: string | undefined, log: Log | undefined): Promise<PageFiles> {
  const page = directory ? await readPageFiles(directory) : new Map();
  if (directory && !page.has("/"))
    log?.({ level: "warn", event: "no_page", message: `there is no built page in ${directory}`, directory });
  return page;
}

/** What somebody who comes with curl needs to go on, and a client to find the trackers. */
function overviewOf(
  version: string,
  trackers: readonly string[],
  uploadPeers: readonly string[],
  torrents: number,
) {
  return {
    service: "pieza catalog",
    version,
    torrents,
    trackers,
    upload_peers: uploadPeers,
    endpoints: {
      torrent: "/files/<name>.json",
      rpc: "/pieza.v1.CatalogService/<ListTorrents, GetTorrent, PublishTorrent or DeleteTorrent>",
      health: "/healthz",
    },
  };
}
