import { InvalidField } from "./errors.ts";

/**
 * A set of piece indices, 0 to size - 1: the pieces that one peer has.
 *
 * Wire form as in BEP 3: the high bit of byte 0 is the first piece; ceil(size / 8) bytes; spare bits are zero.
 */
export class Bitfield {
  readonly size: number;
  readonly #bytes: Uint8Array;
  #count: number;

  constructor(size: number) {
    this.size = size;
    this.#bytes = new Uint8Array(Math.ceil(size / 8));
    this.#count = 0;
  }

  /** A bitfield of `size` pieces, all set. */
  static full(size: number): Bitfield {
    const bitfield = new Bitfield(size);
    bitfield.setAll();
    return bitfield;
  }

  static of(size: number, indices: Iterable<number>): Bitfield {
    const bitfield = new Bitfield(size);
    for (const index of indices) bitfield.set(index);
    return bitfield;
  }

  /** Copies `bytes` from the wire. Throws InvalidField("bitfield") for a wrong length or a set spare bit. */
  static fromBytes(size: number, bytes: Uint8Array): Bitfield {
    const bitfield = new Bitfield(size);
    const expected = bitfield.#bytes.length;
    if (bytes.length !== expected)
      throw new InvalidField("bitfield", `${bytes.length} bytes for ${size} pieces, expected ${expected}`);
    const spare = bytes.length * 8 - size;
    if (spare > 0 && (bytes[bytes.length - 1]! & ((1 << spare) - 1)) !== 0)
      throw new InvalidField("bitfield", "spare bits must be zero");
    bitfield.#bytes.set(bytes);
    for (const byte of bytes) bitfield.#count += BITS[byte]!;
    return bitfield;
  }

  /** The number of set indices. */
  get count(): number {
    return this.#count;
  }

  get complete(): boolean {
    return this.#count === this.size;
  }

  has(index: number): boolean {
    return index >= 0 && index < this.size && (this.#bytes[index >> 3]! & (0x80 >> (index & 7))) !== 0;
  }

  /** Returns whether the index was clear before. Throws RangeError outside 0 to size - 1. */
  set(index: number): boolean {
    this.#check(index);
    if (this.has(index)) return false;
    this.#bytes[index >> 3]! |= 0x80 >> (index & 7);
    this.#count++;
    return true;
  }

  /** Returns whether the index was set before. Throws RangeError outside 0 to size - 1. */
  clear(index: number): boolean {
    this.#check(index);
    if (!this.has(index)) return false;
    this.#bytes[index >> 3]! &= ~(0x80 >> (index & 7));
    this.#count--;
    return true;
  }

  /** Adds the indices of `other`, which has the same size. */
  setFrom(other: Bitfield): void {
    this.#count = 0;
    for (let at = 0; at < this.#bytes.length; at++) {
      this.#bytes[at]! |= other.#bytes[at]!;
      this.#count += BITS[this.#bytes[at]!]!;
    }
  }

  setAll(): void {
    this.#bytes.fill(0xff);
    const spare = this.#bytes.length * 8 - this.size;
    if (spare > 0) this.#bytes[this.#bytes.length - 1] = (0xff << spare) & 0xff;
    this.#count = this.size;
  }

  /** Yields the set indices in order. */
  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.#bytes.length; at++) yield* setBits(at, this.#bytes[at]!);
  }

  /** Yields, in order, the indices that are set here and not in `other`, which has the same size. */
  *without(other: Bitfield): Generator<number> {
    for (let at = 0; at < this.#bytes.length; at++) yield* setBits(at, this.#bytes[at]! & ~other.#bytes[at]!);
  }

  /** Returns a copy in wire form. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }

  clone(): Bitfield {
    return Bitfield.fromBytes(this.size, this.#bytes);
  }

  #check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.size)
      throw new RangeError(`no bit ${index} of ${this.size}`);
  }
}

/** Yields the indices whose bits are set in byte number `at`. */
function* setBits(at: number, byte: number): Generator<number> {
  if (byte === 0) return;
  for (let bit = 0; bit < 8; bit++) if (byte & (0x80 >> bit)) yield at * 8 + bit;
}

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);
