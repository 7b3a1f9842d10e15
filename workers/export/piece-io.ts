/**
 * The device operations of pieces: whole blocks in one operation, parts of blocks by reading the edges first.
 *
 *   device    ├────block────┼────block────┼────block────┤
 *   piece            ├───────────────────────────┤
 *   memory    ▓▓▓▓▓▓▓├───────────────────────────┤▓▓▓▓▓▓▓      ▓: read from the device, so that whole blocks can be written
 *
 * Reads take the whole blocks around a piece straight into its slot. A write of parts of blocks (on a direct device only) must
 * be the gate's only write while it reads and writes the edges; the handler sees to that before it calls `write`.
 */
import { assert } from "../../src/base/assert.ts";
import { errno } from "../../src/base/errno.ts";
import { alignDown, alignUp } from "../../src/base/units.ts";
import { AllocateMode, IoOp } from "../../src/ring/io-descriptor.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";
import type { ExportContext } from "./context.ts";
import { submitAllocate, submitBare, submitBytes, submitZeroes } from "./device-submit.ts";
import type { DeviceView } from "./device-view.ts";
import { type Piece, PieceKind } from "./piece.ts";
import { Stage } from "./stage.ts";
import { Durability, NO_MODE, type Transfer } from "./transfer.ts";
import { User } from "./user-words.ts";

export class PieceIo {
  readonly #context: ExportContext;

  constructor(context: ExportContext) {
    this.#context = context;
  }

  read(piece: Piece, device: DeviceView, position: number): void {
    piece.transfer.begin(device, position, Durability.WhenFlushed);
    piece.moveTo(Stage.Device);
    this.#submitRead(piece, device);
  }

  /** Write the piece's bytes, or zeroes, or discard: by its kind. */
  write(piece: Piece, device: DeviceView, position: number, durability: Durability): void {
    const { transfer } = piece;
    transfer.begin(device, position, durability);
    if (piece.kind === PieceKind.Trim) return this.#trim(piece, device);
    if (!device.isAligned(position, piece.length)) return this.#readEdges(piece, device);
    piece.moveTo(Stage.Device);
    this.#writeWhole(piece, device);
  }

  /** Write the whole of a new chunk. */
  writeChunk(piece: Piece, device: DeviceView, position: number): void {
    assert(device.isAligned(position, piece.length), "a chunk is not whole blocks");
    piece.transfer.begin(device, position, piece.durability);
    piece.moveTo(Stage.Whole);
    this.#writeWhole(piece, device);
  }

  /** Zero the piece's range on a device, whatever its kind (E-12). */
  zero(piece: Piece, device: DeviceView, position: number, durability: Durability): void {
    piece.transfer.begin(device, position, durability);
    piece.moveTo(Stage.Device);
    this.#submitZero(piece, device);
  }

  sync(piece: Piece, file: number): void {
    piece.transfer.beginSync(file);
    piece.moveTo(Stage.Device);
    submitBare(this.#context, piece, IoOp.Sync);
  }

  /** A completion for the piece. True: its device operation has ended, `transfer.error` says how. */
  completed(piece: Piece, result: number): boolean {
    const { transfer } = piece;
    const { device } = transfer;
    transfer.answered(result);
    if (result < 0) return this.#failed(piece, -result);
    // A flush, done.
    if (device === null) return true;
    if (piece.kind === PieceKind.Read) return this.#readMore(piece, device, result);
    return this.#writeMore(piece, device, result);
  }

  /** A completion of an edge read. True: an error has ended the operation. */
  edgeCompleted(piece: Piece, result: number): boolean {
    const { transfer } = piece;
    assert(piece.stage === Stage.Edges, "an edge of a piece that reads none");
    transfer.answered(result);
    if (result < 0) transfer.error = -result;
    else if (result !== deviceOf(transfer).align) transfer.error = errno.EIO;
    if (transfer.underWay > 0) return false;
    if (transfer.error !== 0) return true;
    this.#joinEdges(piece);
    return false;
  }

  #submitRead(piece: Piece, device: DeviceView): void {
    const { position, progress } = piece.transfer;
    const from = alignDown(position, device.align) + progress;
    const to = alignUp(position + piece.length, device.align);
    const address = piece.memory - (position % device.align) + progress;
    submitBytes(this.#context, piece, IoOp.Read, User.Piece, address, to - from, from);
  }

  #readMore(piece: Piece, device: DeviceView, result: number): boolean {
    const { transfer } = piece;
    const before = transfer.position % device.align;
    transfer.progress += result;
    if (transfer.progress >= before + piece.length) return true;
    if (result === 0) {
      transfer.error = errno.EIO;
      return true;
    }
    this.#submitRead(piece, device);
    return false;
  }

  #writeWhole(piece: Piece, device: DeviceView): void {
    if (piece.memory === -1) this.#submitZero(piece, device);
    else this.#submitWrite(piece, device);
  }

  #submitWrite(piece: Piece, device: DeviceView): void {
    const { position, progress } = piece.transfer;
    const from = alignDown(position, device.align) + progress;
    const to = alignUp(position + piece.length, device.align);
    const address = piece.memory - (position % device.align) + progress;
    submitBytes(this.#context, piece, IoOp.Write, User.Piece, address, to - from, from);
  }

  #trim(piece: Piece, device: DeviceView): void {
    const { transfer } = piece;
    transfer.advisory = true;
    piece.moveTo(Stage.Device);
    const from = alignUp(transfer.position, PAGE_BYTES);
    const to = alignDown(transfer.position + piece.length, PAGE_BYTES);
    // Advisory: what is smaller than a page keeps its data.
    if (device.canDiscard && to > from) submitAllocate(this.#context, piece, AllocateMode.Discard, from, to - from);
    else this.#nothing(piece);
  }

  #submitZero(piece: Piece, device: DeviceView): void {
    const { position, progress, durability } = piece.transfer;
    const whole = position % PAGE_BYTES === 0 && piece.length % PAGE_BYTES === 0;
    if (whole && durability === Durability.WhenFlushed) {
      const mode = zeroMode(piece, device);
      if (mode !== NO_MODE) return submitAllocate(this.#context, piece, mode, position, piece.length);
    }
    const length = Math.min(piece.length - progress, this.#context.zeroBytes);
    submitZeroes(this.#context, piece, length, position + progress);
  }

  #nothing(piece: Piece): void {
    piece.transfer.allocateMode = AllocateMode.Discard;
    submitBare(this.#context, piece, IoOp.Nop);
  }

  #writeMore(piece: Piece, device: DeviceView, result: number): boolean {
    const { transfer } = piece;
    if (transfer.allocateMode !== NO_MODE) {
      transfer.allocateMode = NO_MODE;
      return true;
    }
    transfer.progress += result;
    // Of zeroes it is nothing: they are whole blocks.
    const before = transfer.position % device.align;
    if (transfer.progress >= before + piece.length) return true;
    if (result === 0) {
      transfer.error = errno.EIO;
      return true;
    }
    this.#writeWhole(piece, device);
    return false;
  }

  #failed(piece: Piece, error: number): boolean {
    const { transfer } = piece;
    const mode = transfer.allocateMode;
    transfer.allocateMode = NO_MODE;
    const cannot = error === errno.EOPNOTSUPP || error === errno.EINVAL || error === errno.ENOSYS;
    if (mode !== NO_MODE && cannot) return this.#withoutAllocate(piece, deviceOf(transfer), mode);
    transfer.error = error;
    return true;
  }

  /** The device does not do this mode: remember, and zero by the next way; a trim is advisory. */
  #withoutAllocate(piece: Piece, device: DeviceView, mode: number): boolean {
    if (mode === AllocateMode.Discard) device.canDiscard = false;
    else if ((mode & AllocateMode.PunchHole) !== 0) device.canPunch = false;
    else device.canZeroRange = false;
    if (piece.transfer.advisory) return true;
    this.#submitZero(piece, device);
    return false;
  }

  #readEdges(piece: Piece, device: DeviceView): void {
    assert(piece.memory !== -1, "parts of blocks carry data");
    assert(piece.announcement.exclusive, "parts of blocks are written beside each other");
    const { position } = piece.transfer;
    const scratch = this.#context.slots.scratch(piece.slot);
    const { align } = device;
    const end = position + piece.length;
    const head = alignDown(position, align);
    const tail = alignUp(end, align) - align;
    piece.moveTo(Stage.Edges);
    if (head < position || head === tail) this.#readEdge(piece, User.EdgeHead, scratch, align, head);
    if (tail > head && end < tail + align) this.#readEdge(piece, User.EdgeTail, scratch + PAGE_BYTES, align, tail);
  }

  #readEdge(piece: Piece, user: number, address: number, length: number, position: number): void {
    submitBytes(this.#context, piece, IoOp.Read, user, address, length, position);
  }

  /** Both edges are read: put what stands around the piece next to its bytes, then write whole blocks. */
  #joinEdges(piece: Piece): void {
    const { ring, slots } = this.#context;
    const device = deviceOf(piece.transfer);
    const { align } = device;
    const { position } = piece.transfer;
    const scratch = slots.scratch(piece.slot);
    const before = position % align;
    const end = position + piece.length;
    const after = alignUp(end, align) - end;
    const oneBlock = alignDown(position, align) === alignUp(end, align) - align;
    const tailScratch = oneBlock ? scratch : scratch + PAGE_BYTES;
    if (before > 0) ring.copy(piece.memory - before, scratch, before);
    if (after > 0) ring.copy(piece.memory + piece.length, tailScratch + align - after, after);
    piece.moveTo(Stage.Device);
    this.#submitWrite(piece, device);
  }
}

/** How the device zeroes without a write of zeroes. */
function zeroMode(piece: Piece, device: DeviceView): number {
  if (!piece.noHole && device.canPunch) return AllocateMode.PunchHole | AllocateMode.KeepSize;
  return device.canZeroRange ? AllocateMode.ZeroRange | AllocateMode.KeepSize : NO_MODE;
}

function deviceOf(transfer: Transfer): DeviceView {
  assert(transfer.device !== null, "a flush is on no device");
  return transfer.device;
}
