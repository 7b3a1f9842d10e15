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
import { errno } from "../../src/base/errno.ts";
import { alignDown, alignUp } from "../../src/base/units.ts";
import { AllocateMode, IoArg, IoOp } from "../../src/ring/io-descriptor.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";
import { ChunkClaim } from "./chunk-claim.ts";
import { ChunkFill } from "./chunk-fill.ts";
import { type ExportContext, User } from "./context.ts";
import type { DeviceView } from "./device-view.ts";
import { type Piece, PieceKind, Stage } from "./piece.ts";

export class PieceIo {
  readonly fill: ChunkFill;
  readonly claim: ChunkClaim;
  readonly #context: ExportContext;
  /** The device of a piece under way, by piece index. */
  readonly #devices: (DeviceView | undefined)[] = [];

  constructor(context: ExportContext) {
    this.#context = context;
    this.fill = new ChunkFill(context);
    this.claim = new ChunkClaim(context, this.fill);
  }

  read(piece: Piece, device: DeviceView, position: number): void {
    this.#start(piece, device, position, false);
    this.#submitRead(piece, device);
  }

  /** Write the piece's bytes, or zeroes, or discard: by its kind. */
  write(piece: Piece, device: DeviceView, position: number, durable: boolean): void {
    this.#start(piece, device, position, durable);
    piece.advisory = piece.kind === PieceKind.Trim;
    if (piece.advisory) this.#submitTrim(piece, device);
    else if (piece.memory === -1 && device.isAligned(position, piece.length)) this.#submitZero(piece, device);
    else if (device.isAligned(position, piece.length)) this.#submitWrite(piece);
    else this.#readEdges(piece, device);
  }

  /** Zero the piece's range on a device, whatever its kind (E-12). */
  zero(piece: Piece, device: DeviceView, position: number, durable: boolean): void {
    this.#start(piece, device, position, durable);
    piece.advisory = false;
    this.#submitZero(piece, device);
  }

  sync(piece: Piece, file: number): void {
    piece.stage = Stage.Device;
    piece.file = file;
    this.#devices[piece.index] = undefined;
    this.#context.submissions.push(IoOp.Sync, file, User.Piece | piece.index, 0, 0, 0, 0);
  }

  /** A completion for the piece. True: its device operation has ended, `piece.error` says how. */
  completed(piece: Piece, result: number): boolean {
    if (piece.stage === Stage.FillRead || piece.stage === Stage.FillWrite) return this.fill.completed(piece, result);
    const device = this.#devices[piece.index];
    if (device === undefined) {
      piece.error = result < 0 ? -result : 0;
      return true;
    }
    if (result < 0) return this.#failed(piece, device, -result);
    if (piece.kind === PieceKind.Read) return this.#readMore(piece, device, result);
    return this.#writeMore(piece, device, result);
  }

  /** A completion of an edge read. True: an error has ended the operation. */
  edgeCompleted(piece: Piece, result: number): boolean {
    piece.operations -= 1;
    if (result < 0) piece.error = -result;
    else if (result !== this.#devices[piece.index]?.align) piece.error = errno.EIO;
    if (piece.operations > 0) return false;
    if (piece.error !== 0) return true;
    this.#joinEdges(piece);
    return false;
  }

  #start(piece: Piece, device: DeviceView, position: number, durable: boolean): void {
    piece.stage = Stage.Device;
    piece.file = device.file;
    piece.position = position;
    piece.progress = 0;
    piece.durable = durable;
    piece.error = 0;
    this.#devices[piece.index] = device;
  }

  #submitRead(piece: Piece, device: DeviceView): void {
    const from = alignDown(piece.position, device.align) + piece.progress;
    const to = alignUp(piece.position + piece.length, device.align);
    const address = piece.memory - (piece.position % device.align) + piece.progress;
    this.#context.submissions.push(IoOp.Read, piece.file, User.Piece | piece.index, address, to - from, from, 0);
  }

  #readMore(piece: Piece, device: DeviceView, result: number): boolean {
    const before = piece.position % device.align;
    piece.progress += result;
    if (piece.progress >= before + piece.length) return true;
    if (result === 0) {
      piece.error = errno.EIO;
      return true;
    }
    this.#submitRead(piece, device);
    return false;
  }

  #submitWrite(piece: Piece): void {
    const device = this.#devices[piece.index] as DeviceView;
    const from = alignDown(piece.position, device.align) + piece.progress;
    const to = alignUp(piece.position + piece.length, device.align);
    const address = piece.memory - (piece.position % device.align) + piece.progress;
    const argument = piece.durable ? IoArg.Dsync : 0;
    this.#context.submissions.push(
      IoOp.Write,
      piece.file,
      User.Piece | piece.index,
      address,
      to - from,
      from,
      argument,
    );
  }

  #submitTrim(piece: Piece, device: DeviceView): void {
    const from = alignUp(piece.position, PAGE_BYTES);
    const to = alignDown(piece.position + piece.length, PAGE_BYTES);
    // Advisory: what is smaller than a page keeps its data.
    if (!device.canDiscard || to <= from) this.#nothing(piece);
    else this.#allocate(piece, AllocateMode.Discard, from, to - from);
  }

  #submitZero(piece: Piece, device: DeviceView): void {
    const noHole = piece.request?.noHole === true;
    const whole = piece.position % PAGE_BYTES === 0 && piece.length % PAGE_BYTES === 0;
    if (whole && piece.progress === 0 && !piece.durable) {
      if (!noHole && device.canPunch) {
        return this.#allocate(piece, AllocateMode.PunchHole | AllocateMode.KeepSize, piece.position, piece.length);
      }
      if (device.canZeroRange) {
        return this.#allocate(piece, AllocateMode.ZeroRange | AllocateMode.KeepSize, piece.position, piece.length);
      }
    }
    const { zeroAddress, zeroBytes, submissions } = this.#context;
    const from = piece.position + piece.progress;
    const length = Math.min(piece.length - piece.progress, zeroBytes);
    const argument = piece.durable ? IoArg.Dsync : 0;
    submissions.push(IoOp.Write, piece.file, User.Piece | piece.index, zeroAddress, length, from, argument);
  }

  #allocate(piece: Piece, mode: number, position: number, length: number): void {
    this.#context.submissions.pushAllocate(piece.file, User.Piece | piece.index, mode, position, length);
    piece.allocateMode = mode;
  }

  #nothing(piece: Piece): void {
    piece.allocateMode = AllocateMode.Discard;
    this.#context.submissions.push(IoOp.Nop, 0, User.Piece | piece.index, 0, 0, 0, 0);
  }

  #writeMore(piece: Piece, device: DeviceView, result: number): boolean {
    if (piece.allocateMode !== 0) {
      piece.allocateMode = 0;
      return true;
    }
    piece.progress += result;
    const before = piece.memory === -1 ? 0 : piece.position % device.align;
    if (piece.progress >= before + piece.length) return true;
    if (result === 0) {
      piece.error = errno.EIO;
      return true;
    }
    if (piece.memory === -1) this.#submitZero(piece, device);
    else this.#submitWrite(piece);
    return false;
  }

  #failed(piece: Piece, device: DeviceView, error: number): boolean {
    if (piece.allocateMode !== 0) {
      const mode = piece.allocateMode;
      piece.allocateMode = 0;
      if (error === errno.EOPNOTSUPP || error === errno.EINVAL || error === errno.ENOSYS) {
        return this.#withoutAllocate(piece, device, mode);
      }
    }
    piece.error = error;
    return true;
  }

  /** The device does not do this mode: remember, and zero by the next way; a trim is advisory. */
  #withoutAllocate(piece: Piece, device: DeviceView, mode: number): boolean {
    if (mode === AllocateMode.Discard) device.canDiscard = false;
    else if ((mode & AllocateMode.PunchHole) !== 0) device.canPunch = false;
    else device.canZeroRange = false;
    if (piece.advisory) return true;
    this.#submitZero(piece, device);
    return false;
  }

  #readEdges(piece: Piece, device: DeviceView): void {
    const scratch = this.#context.slots.scratch(piece.request?.slot as number);
    const { align } = device;
    const end = piece.position + piece.length;
    const head = alignDown(piece.position, align);
    const tail = alignUp(end, align) - align;
    piece.stage = Stage.Edges;
    if (head < piece.position || head === tail) this.#readEdge(piece, User.EdgeHead, scratch, align, head);
    if (tail > head && end < tail + align) this.#readEdge(piece, User.EdgeTail, scratch + PAGE_BYTES, align, tail);
  }

  #readEdge(piece: Piece, user: number, address: number, length: number, position: number): void {
    piece.operations += 1;
    this.#context.submissions.push(IoOp.Read, piece.file, user | piece.index, address, length, position, 0);
  }

  /** Both edges are read: put what stands around the piece next to its bytes, then write whole blocks. */
  #joinEdges(piece: Piece): void {
    const { ring, slots } = this.#context;
    const { align } = this.#devices[piece.index] as DeviceView;
    const scratch = slots.scratch(piece.request?.slot as number);
    const before = piece.position % align;
    const end = piece.position + piece.length;
    const after = alignUp(end, align) - end;
    const oneBlock = alignDown(piece.position, align) === alignUp(end, align) - align;
    const tailScratch = oneBlock ? scratch : scratch + PAGE_BYTES;
    if (before > 0) ring.copy(piece.memory - before, scratch, before);
    if (after > 0) ring.copy(piece.memory + piece.length, tailScratch + align - after, after);
    piece.stage = Stage.Device;
    this.#submitWrite(piece);
  }
}
