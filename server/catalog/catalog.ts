import type { Clock } from "#core/base/clock.ts";
import { PiezaError } from "#core/base/errors.ts";
import { CatalogService } from "#gen/pieza/v1/catalog_pb.ts";
import { nodeClock } from "../base/node-clock.ts";
import { packageVersion } from "../base/own-package.ts";
import type { Log } from "../http/base/log.ts";
import { directGetTorrent } from "../http/direct/direct-torrent.ts";
import { AnswerRate } from "../http/guards/answer-rate.ts";
import { served } from "../http/handling/served-service.ts";
import { type EdgeOptions, type RunningServer, startServer } from "../http/listening/server.ts";
import { catalogRoutes } from "./http-routes.ts";
import { type PageFiles, readPageFiles } from "./page-files.ts";
import { catalogPolicies, catalogService, keyOf } from "./service.ts";
import { TorrentDirectory } from "./torrent-directory.ts";
import { torrentForms } from "./torrent-forms.ts";

export interface CatalogOptions extends EdgeOptions {
  /** Path of the directory with a `<name>.json` for each torrent; created if it is missing. */
  readonly directory: string;
  /** Path of the built page, which browsers get at /. Default: no page. */
  readonly pageDirectory?: string | undefined;
  /** URLs of the trackers that GET / names to clients. */
  readonly trackers: readonly string[];
  /**
   * URLs of the peers that accept uploads with this catalog's token; GET / names them to publishers. The caller may
   * add to the array later. Default: none.
   */
  readonly uploadPeers?: readonly string[] | undefined;
  /**
   * URLs of gateways to this catalog. GET / names them, and Metalinks have their content URLs. The caller may add to the
   * array later. Default: none.
   */
  readonly gateways?: readonly string[] | undefined;
  /** The bearer token that publishers have to send. Required unless `open` is set. */
  readonly token?: string | undefined;
  /** Anyone who reaches the catalog may publish and delete. Default false. */
  readonly open?: boolean | undefined;
  /** Whether GetTorrent is answered without the Connect library where that is possible. Default true. */
  readonly direct?: boolean | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
}

/** The servers that a catalog names. */
type Named = Pick<CatalogOptions, "trackers" | "uploadPeers" | "gateways">;

export type RunningCatalog = Pick<RunningServer, "url" | "port" | "close">;

/**
 * Starts a catalog. JSON files in the directory that are not torrents are logged and skipped. Fails with the system's
 * error if the port is in use, and with StoreFailed if the directory cannot be read.
 */
export async function startCatalog(options: CatalogOptions): Promise<RunningCatalog> {
  const {
    directory,
    pageDirectory,
    trackers,
    uploadPeers = [],
    gateways = [],
    open = false,
    clock = nodeClock,
    log,
  } = options;
  if (!open && !options.token)
    throw new PiezaError("invalid_argument", "a catalog needs a token unless it is open");
  const torrents = await TorrentDirectory.open({
    directory,
    clock,
    onBadFile: ({ file, problem }) =>
      log?.({ level: "warn", event: "bad_torrent", message: `${file} is skipped: ${problem}`, file }),
  });
  const page = await readPage(pageDirectory, log);
  const version = packageVersion();
  const overview = async () =>
    overviewOf(
      { version, trackers, uploadPeers, gateways },
      (await torrents.list({ pageSize: 1 })).totalSize,
    );
  const policies = catalogPolicies(open ? undefined : options.token);
  const getTorrent = directGetTorrent(CatalogService.method.getTorrent, (request) =>
    torrents.get(keyOf(request)),
  );
  const answers = options.rateLimit === false ? undefined : new AnswerRate();
  return startServer({
    ...options,
    services: [
      served(CatalogService, catalogService(torrents, answers), { policies, direct: { getTorrent } }),
    ],
    http: catalogRoutes({ torrents, forms: torrentForms(gateways), page, overview }),
  });
}

async function readPage(directory: string | undefined, log: Log | undefined): Promise<PageFiles> {
  const page = directory ? await readPageFiles(directory) : new Map();
  if (directory && !page.has("/"))
    log?.({ level: "warn", event: "no_page", message: `there is no built page in ${directory}`, directory });
  return page;
}

/** The answer of GET /: the other servers for clients, and the endpoints for people with curl. */
function overviewOf(
  { version, trackers, uploadPeers, gateways }: Named & { version: string },
  torrents: number,
) {
  return {
    service: "pieza catalog",
    version,
    torrents,
    trackers,
    upload_peers: uploadPeers,
    gateways,
    endpoints: {
      torrent: "/files/<name>.json",
      metalink: "/files/<name>.meta4",
      rpc: "/pieza.v1.CatalogService/<ListTorrents, GetTorrent, PublishTorrent or DeleteTorrent>",
      health: "/healthz",
    },
  };
}
