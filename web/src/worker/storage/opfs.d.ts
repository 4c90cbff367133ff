/**
 * The part of the File System standard that exists only in dedicated workers. TypeScript has it in its library for
 * workers, which conflicts with the one for pages.
 */
interface FileSystemSyncAccessHandle {
  /** Returns the number of bytes written or read. */
  write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  read(into: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  truncate(sizeBytes: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

interface FileSystemFileHandle {
  createSyncAccessHandle(options?: {
    readonly mode: "readwrite" | "readwrite-unsafe";
  }): Promise<FileSystemSyncAccessHandle>;
}
