/**
 * Draws hostile connections from a seed: handshakes and requests that are right, nearly right, or absurd.
 *
 *   script = handshake (options …, entry) · requests … · [bytes changed, cut, doubled] · cut into sends · an end
 *
 * Weights are drawn once per connection, so that some are polite and some are nothing but noise. Nothing here knows what the server
 * should say: that is reference.ts.
 */
import { SeededRandom } from "../support/core/seeded-random.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { Cmd, CmdFlag, encodeRequest } from "../support/nbd-client.ts";
import { infoData, Opt, u16, u32 } from "../support/nbd-negotiation.ts";
import type { DialectName } from "../support/nbd-reply.ts";
import type { Script } from "./script.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Streams up to this length may go byte by byte. */
const BYTEWISE_MAX = 700;
const SMALL_MAX = 64 * KIB;

export class Grammar {
  readonly #random: SeededRandom;
  readonly #names: readonly string[];
  readonly #sizeBytes: number;
  #cookie = 0;
  /** Per cent of options and requests that are wrong in some way; drawn per connection. */
  #wrong = 0;
  /** What its options have chosen, as far as they are right. */
  #dialect: DialectName = "simple";
  /** This connection may send or ask for tens of mebibytes. */
  #large = false;

  /** `names`: exports that may be entered. */
  constructor(seed: number, names: readonly string[], sizeBytes: number) {
    this.#random = new SeededRandom(seed);
    this.#names = names;
    this.#sizeBytes = sizeBytes;
    for (let i = 0; i < 8; i++) this.#random.below(2);
  }

  below(limit: number): number {
    return this.#random.below(limit);
  }

  script(): Script {
    const random = this.#random;
    this.#wrong = random.pick([0, 5, 20, 60]);
    this.#large = random.chance(12);
    this.#cookie = random.below(1_000_000) * 1000;
    this.#dialect = "simple";
    const handshake = this.#handshake();
    const requests = random.chance(90) ? this.#requests() : [];
    let stream: Buffer = Buffer.concat([...handshake, ...requests]);
    const noisy = random.chance(15);
    if (noisy) stream = this.#noise(stream);
    const stop = random.chance(25) ? random.below(stream.length + 1) : stream.length;
    const deaf = random.chance(12);
    const end = random.pick(
      deaf ? (["vanish", "linger"] as const) : (["vanish", "finish", "finish", "linger"] as const),
    );
    const bytewise = stop <= BYTEWISE_MAX && random.chance(20);
    return {
      stream,
      sends: this.#sends(stop, bytewise),
      pauseMs: bytewise ? 0 : random.pick([0, 0, 0, 1, 3]),
      end,
      polite: random.chance(70),
      deaf,
      tcp: random.chance(30),
      what: `${stream.length} bytes, ${stop} sent, ${requests.length} requests, ${end}${deaf ? ", deaf" : ""}${noisy ? ", noisy" : ""}`,
    };
  }

  #handshake(): Buffer[] {
    const random = this.#random;
    const flags = this.#isWrong() && random.chance(30) ? random.below(2 ** 31) : random.pick([3, 3, 3, 1, 2, 0]);
    const parts = [u32(flags)];
    const count = random.chance(3) ? 1100 : random.pick([0, 0, 1, 2, 5]);
    const repeated = this.#option();
    for (let i = 0; i < count; i++) parts.push(count > 1000 ? repeated : this.#option());
    const name = random.pick(this.#names);
    if (random.chance(4)) parts.push(option(Opt.Abort, Buffer.alloc(random.pick([0, 0, 5]))));
    else if (random.chance(this.#dialect === "extended" ? 3 : 30))
      parts.push(option(Opt.ExportName, Buffer.from(name)));
    else parts.push(option(Opt.Go, this.#info(name)));
    return parts;
  }

  #option(): Buffer {
    const random = this.#random;
    if (this.#isWrong()) return this.#wrongOption();
    switch (random.below(6)) {
      case 0:
        return option(Opt.List, Buffer.alloc(0));
      case 1:
        return this.#speak(random.pick(["structured", "extended"] as const));
      case 2:
        return option(Opt.StartTls, Buffer.alloc(0));
      case 3: {
        const query = Buffer.from("base:allocation");
        const name = Buffer.from(random.pick(this.#names));
        const data = [u32(name.length), name, u32(1), u32(query.length), query];
        return option(random.pick([Opt.ListMetaContext, Opt.SetMetaContext]), Buffer.concat(data));
      }
      default:
        return option(Opt.Info, this.#info(random.pick(this.#names)));
    }
  }

  #speak(dialect: DialectName): Buffer {
    if (this.#dialect !== "extended") this.#dialect = dialect;
    return option(dialect === "structured" ? Opt.StructuredReply : Opt.ExtendedHeaders, Buffer.alloc(0));
  }

  #wrongOption(): Buffer {
    const random = this.#random;
    const name = random.pick(this.#names);
    switch (random.below(13)) {
      case 0:
        return option(random.below(2 ** 31) * 2, this.#junk(random.below(300)));
      case 1:
        return option(Opt.List, this.#junk(1 + random.below(20)));
      case 2:
        return option(Opt.Go, this.#info(`no such export ${random.below(100)}`));
      case 3:
        return option(Opt.Info, this.#junk(random.below(40)));
      case 4:
        // A name longer than its option, and a count of kinds that does not fit.
        return option(Opt.Info, Buffer.concat([u32(random.pick([100, 4096, 0xffff_ffff])), Buffer.from(name), u16(1)]));
      case 5:
        return option(
          Opt.Info,
          Buffer.concat([u32(name.length), Buffer.from(name), u16(random.pick([1, 7, 0xffff])), u16(0)]),
        );
      case 6:
        return option(Opt.Info, infoData("x".repeat(random.pick([4096, 4097, 8000, 9000]))));
      case 7:
        return option(Opt.Info, Buffer.concat([u32(3), Buffer.from([0xff, 0xfe, 0x80]), u16(0)]));
      case 8:
        return option(random.pick([Opt.Info, 99]), this.#junk(random.pick([8192, 8193, 100_000])));
      case 9:
        // Longer than anybody reads: the connection ends here.
        return Buffer.concat([
          Buffer.from("IHAVEOPT"),
          u32(Opt.Info),
          u32(random.pick([MIB + 1, 2 ** 31, 0xffff_ffff])),
        ]);
      case 10:
        return Buffer.concat([this.#junk(8), u32(Opt.List), u32(0)]);
      case 11:
        return option(random.pick([Opt.StructuredReply, Opt.ExtendedHeaders]), this.#junk(1 + random.below(9)));
      default:
        return option(Opt.ExportName, Buffer.from("x".repeat(random.pick([3, 4096, 4097]))));
    }
  }

  #info(name: string): Buffer {
    const random = this.#random;
    const kinds = Array.from({ length: random.pick([0, 0, 1, 2, 5]) }, () =>
      random.pick([0, 1, 2, 3, 3, 3, 4, 0xffff]),
    );
    return infoData(name, ...kinds);
  }

  #requests(): Buffer[] {
    const random = this.#random;
    const count = random.pick([0, 1, 3, 10, 40, random.chance(10) ? 700 : 20]);
    const parts: Buffer[] = [];
    for (let i = 0; i < count; i++) parts.push(...this.#request(count > 100));
    if (random.chance(30)) parts.push(encodeRequest({ type: Cmd.Disc }, 0n, this.#dialect));
    if (random.chance(5)) parts.push(this.#junk(random.below(100)));
    return parts;
  }

  #request(many: boolean): Buffer[] {
    const random = this.#random;
    const wrong = this.#isWrong();
    const types = [
      Cmd.Read,
      Cmd.Read,
      Cmd.Write,
      Cmd.Write,
      Cmd.Write,
      Cmd.Flush,
      Cmd.Trim,
      Cmd.WriteZeroes,
      Cmd.Cache,
    ];
    const type = wrong && random.chance(25) ? random.pick([Cmd.BlockStatus, 8, 255, 0xffff]) : random.pick(types);
    const zero = type === Cmd.Flush && !wrong;
    const length = zero ? 0 : this.#length(type, wrong, many);
    const offset = zero ? 0n : this.#offset(length, wrong);
    const flags = wrong && random.chance(30) ? random.below(65_536) : random.pick([0, 0, 1]) | this.#fragments(type);
    const magic = wrong && random.chance(5) ? { magic: random.below(2 ** 31) } : {};
    // A cookie twice is the client's own business; of reads, nobody could tell the replies apart.
    if (type === Cmd.Read || !random.chance(3)) this.#cookie += type === Cmd.Read ? 2 : 1;
    const dialect = wrong && random.chance(3) ? random.pick(["simple", "extended"] as const) : this.#dialect;
    const wide = dialect === "extended" && wrong ? this.#wide(type, length) : length;
    const header = encodeRequest(
      { type, flags, offset, length: wide, ...magic },
      BigInt(this.#cookie) << BigInt(random.pick([0, 0, 30])),
      dialect,
    );
    if (type !== Cmd.Write) return wrong && random.chance(5) ? [header, this.#junk(random.below(60))] : [header];
    return [header, this.#payload(length, wrong)];
  }

  /** A read that must not be in pieces, where that can be said. */
  #fragments(type: number): number {
    return type === Cmd.Read && this.#dialect !== "simple" && this.#random.chance(30) ? CmdFlag.DontFragment : 0;
  }

  /** Lengths that only an extended request can have. */
  #wide(type: number, length: number): number | bigint {
    if (type === Cmd.Write || !this.#random.chance(20)) return length;
    return this.#random.pick([2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 64n - 1n, BigInt(length) + 2n ** 32n]);
  }

  #length(type: number, wrong: boolean, many: boolean): number {
    const random = this.#random;
    if (wrong && random.chance(40)) {
      const huge = [0, 33 * MIB, 64 * MIB + 1, 2 ** 31, 0xffff_ffff, 0xffff_f000];
      return random.pick(type === Cmd.Write && !this.#large ? [0, 64 * MIB + 1, 0xffff_ffff] : huge);
    }
    if (this.#large && !many && random.chance(15)) return random.pick([MIB, 2 * MIB, 12 * MIB, 32 * MIB, 32 * MIB - 7]);
    const coarse = type === Cmd.Trim || type === Cmd.WriteZeroes ? [MIB, 5 * MIB + 3] : [SMALL_MAX];
    return random.pick([
      1,
      511,
      512,
      4096,
      4097,
      16 * KIB,
      1 + random.below(many ? 4096 : SMALL_MAX),
      ...(many ? [] : coarse),
    ]);
  }

  #offset(length: number, wrong: boolean): bigint {
    const random = this.#random;
    const size = this.#sizeBytes;
    if (wrong && random.chance(50)) {
      const edges = [size, size - 1, size - length + 1, size + 1, 2 ** 32, 2 ** 53].map((edge) =>
        BigInt(Math.max(0, edge)),
      );
      return random.pick([
        ...edges,
        2n ** 63n - 1n,
        2n ** 63n,
        2n ** 64n - 1n,
        2n ** 64n - BigInt(length + 1),
        2n ** 64n - 4096n,
      ]);
    }
    const room = Math.max(0, size - length);
    const at = random.chance(10) ? room : random.below(room + 1);
    return BigInt(random.chance(40) ? at - (at % random.pick([512, 4096, 16_384])) : at);
  }

  #payload(length: number, wrong: boolean): Buffer {
    const random = this.#random;
    let said = Math.min(length, 64 * MIB);
    if (said > 2 * MIB && !this.#large) said = random.below(1000);
    const data = dataPattern(said, 1 + random.below(100_000));
    if (!wrong || random.chance(50)) return data;
    // Shorter or longer than said: what follows is out of step.
    return random.chance(50)
      ? data.subarray(0, random.below(said + 1))
      : Buffer.concat([data, this.#junk(random.below(100))]);
  }

  #noise(stream: Buffer): Buffer {
    const random = this.#random;
    let bytes = Buffer.from(stream);
    for (let n = 1 + random.below(4); n > 0 && bytes.length > 0; n--) {
      // The beginning is where most of the meaning is.
      const at = random.below(random.chance(60) ? Math.min(200, bytes.length) : bytes.length);
      const length = 1 + random.below(40);
      switch (random.below(4)) {
        case 0:
          bytes[at] = bytes[at]! ^ (1 << random.below(8));
          break;
        case 1:
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
          break;
        case 2:
          bytes = Buffer.concat([bytes.subarray(0, at), this.#junk(length), bytes.subarray(at)]);
          break;
        default:
          bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
      }
    }
    return bytes;
  }

  #sends(stop: number, bytewise: boolean): number[] {
    const random = this.#random;
    if (bytewise) return Array.from({ length: Math.max(1, stop) }, (_, i) => Math.min(i + 1, stop));
    const cuts = Array.from({ length: random.pick([0, 0, 1, 3, 12]) }, () => random.below(stop + 1));
    return [...new Set([...cuts, stop])].sort((a, b) => a - b);
  }

  #junk(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#random.below(256)));
  }

  #isWrong(): boolean {
    return this.#random.chance(this.#wrong);
  }
}

export function option(number: number, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("IHAVEOPT"), u32(number >>> 0), u32(data.length), data]);
}
