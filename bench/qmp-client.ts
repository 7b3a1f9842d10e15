/**
 * Commands for a qemu program over its QMP socket: a JSON object a line each way; greetings and events are passed over.
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

export class QmpClient {
  readonly #socket: Socket;
  /** Who has asked, first to last: answers come in the order of the commands. */
  readonly #waiting: { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on("line", (line) => this.#hear(JSON.parse(line) as Answer));
    const lost = (error: Error): void => {
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    };
    socket.on("error", lost).on("close", () => lost(new Error("qemu has closed its control socket")));
  }

  static async open(path: string): Promise<QmpClient> {
    const client = new QmpClient(connect(path));
    await client.run("qmp_capabilities");
    return client;
  }

  run(execute: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute, ...(args === undefined ? {} : { arguments: args }) })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #hear(answer: Answer): void {
    if (answer.return === undefined && answer.error === undefined) return;
    const first = this.#waiting.shift();
    if (answer.error === undefined) first?.resolve(answer.return);
    else first?.reject(new Error(`qemu: ${answer.error.desc}`));
  }
}
