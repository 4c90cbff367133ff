/** How the page shows a file. */
export type PreviewKind = "video" | "audio" | "image" | "document" | "text";

const kinds: Readonly<Record<PreviewKind, string>> = {
  video: "mp4 m4v webm ogv mov mkv",
  audio: "mp3 m4a aac ogg oga opus flac wav weba",
  image: "png jpg jpeg gif webp avif svg bmp ico",
  document: "pdf",
  text: "txt md log csv tsv json xml yml yaml ini nfo srt vtt sha256 sha512 asc diff patch",
};

const byExtension = new Map(
  Object.entries(kinds).flatMap(([kind, extensions]) =>
    extensions.split(" ").map((extension) => [extension, kind as PreviewKind]),
  ),
);

/** By the extension of the name; undefined for files that a browser cannot show. */
export function previewKind(name: string): PreviewKind | undefined {
  const [, extension = ""] = /\.([^.]+)$/.exec(name) ?? [];
  return byExtension.get(extension.toLowerCase());
}
