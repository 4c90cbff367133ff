import { InvalidField } from "./errors.ts";

/**
 * The pieces that somebody has: a set of indices 0 to size - 1.
 *
 * On the wire as in BEP 3: the high bit of byte 0 is the first piece, exactly ceil(size / 8) bytes, spare bits zero.
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

  /** All of `size` pieces. */
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

  /** From the wire; copies. Throws InvalidField("bitfield") for a wrong length or a spare bit that is set. */
  static fromBytes(size: number, bytes: Uint8Array): Bitfield {
    const bitfield = new Bitfield(size);
    if (bytes.length !== bitfield.#bytes.length) {
      throw new InvalidField(
        "bitfield",
        `${bytes.length} bytes for ${size} pieces, expected ${bitfield.#bytes.length}`,
      );
    }
    const spare = bytes.length * 8 - size;
    if (spare > 0 && (bytes[bytes.length - 1]! & ((1 << spare) - 1)) !== 0) {
      throw new InvalidField("bitfield", "spare bits must be zero");
    }
    bitfield.#bytes.set(bytes);
    for (const byte of bytes) bitfield.#count += BITS[byte]!;
    return bitfield;
  }

  /** How many are set. */
  get count(): number {
    return this.#count;
  }

  get complete(): boolean {
    return this.#count === this.size;
  }

  has(index: number): boolean {
    return index >= 0 && index < this.size && (this.#bytes[index >> 3]! & (0x80 >> (index & 7))) !== 0;
  }

  /** Returns whether this changed anything. Throws RangeError outside 0 to size - 1. */
  set(index: number): boolean {
    this.#check(index);
    if (this.has(index)) return false;
    this.#bytes[index >> 3]! |= 0x80 >> (index & 7);
    this.#count++;
    return true;
  }

  /** Returns whether this changed anything. Throws RangeError outside 0 to size - 1. */
  clear(index: number): boolean {
    this.#check(index);
    if (!this.has(index)) return false;
    this.#bytes[index >> 3]! &= ~(0x80 >> (index & 7));
    this.#count--;
    return true;
  }

  /** Sets what `other`, which has the same size, has set. */
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

  /** The set indices in order. */
  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.#bytes.length; at++) yield* setBits(at, this.#bytes[at]!);
  }

  /** The indices set here and not in `other`, which has the same size, in order. */
  *without(other: Bitfield): Generator<number> {
    for (let at = 0; at < this.#bytes.length; at++) yield* setBits(at, this.#bytes[at]! & ~other.#bytes[at]!);
  }

  /** A copy in the wire's form. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }

  clone(): Bitfield {
    return Bitfield.fromBytes(this.size, this.#bytes);
  }

  equals(other: Bitfield): boolean {
    return this.size === other.size && this.#bytes.every((byte, at) => byte === other.#bytes[at]);
  }

  #check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.size)
      throw new RangeError(`no bit ${index} of ${this.size}`);
  }
}

/** The indices that byte number `at` stands for. */
function* setBits(at: number, byte: number): Generator<number> {
  if (byte === 0) return;
  for (let bit = 0; bit < 8; bit++) if (byte & (0x80 >> bit)) yield at * 8 + bit;
}

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);
