/**
 * A small file that the volume itself makes beside its origin: the register of snapshots. It is written whole, flushed, renamed.
 */
import type { LyingFile } from "./fuse-folder.ts";

export class TextFile implements LyingFile {
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(text = "") {
    this.#bytes = Buffer.from(text);
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  get text(): string {
    return Buffer.from(this.#bytes).toString();
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.#bytes.subarray(offset, offset + length));
  }

  write(offset: number, data: Uint8Array): Promise<number> {
    const bytes = new Uint8Array(Math.max(this.#bytes.length, offset + data.length));
    bytes.set(this.#bytes);
    bytes.set(data, offset);
    this.#bytes = bytes;
    return Promise.resolve(0);
  }

  flush(): Promise<number> {
    return Promise.resolve(0);
  }

  zero(): Promise<number> {
    return Promise.resolve(0);
  }

  resize(sizeBytes: number): void {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.#bytes.subarray(0, sizeBytes));
    this.#bytes = bytes;
  }
}
