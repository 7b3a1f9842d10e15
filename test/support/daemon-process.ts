/**
 * A daemon as a process of its own, on the built dist/: started, spoken to by commands and through its control socket, stopped, killed.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { ControlClient } from "../../src/cli/control-client.ts";
import type { Scratch } from "./free-socket.ts";
import { NbdClient } from "./nbd-client.ts";
import { type Ended, runCommand } from "./run-command.ts";
import { MAIN } from "./server.ts";

export interface CommandEnd {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class DaemonProcess {
  readonly scratch: Scratch;
  readonly control: ControlClient;
  child: ChildProcess | undefined;
  /** What this start of it has said on stderr. */
  log = "";

  constructor(scratch: Scratch) {
    this.scratch = scratch;
    this.control = new ControlClient(this.file("control"));
  }

  file(name: string): string {
    return this.scratch.file(name);
  }

  get address(): { readonly path: string } {
    return { path: this.file("nbd") };
  }

  /** It has not been started, or has ended. */
  get isDown(): boolean {
    return this.child === undefined;
  }

  /** With its NBD socket. Resolves when it is ready; rejects with what it said where it ends before. */
  async listen(): Promise<void> {
    await this.start(["--listen", `unix:${this.address.path}`]);
  }

  /** Resolves when it is ready. */
  async start(more: readonly string[] = [], stdio: readonly unknown[] = []): Promise<void> {
    const words = ["daemon", "--state", this.file("state"), "--workers", "2", ...more];
    this.log = "";
    const child = spawn(process.execPath, [MAIN, ...words], {
      stdio: ["ignore", "ignore", "pipe", ...stdio] as never,
      env: { ...process.env, SNAPRING_CONTROL: `unix:${this.file("control")}` },
    });
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`the daemon ended with ${code ?? signal}: ${this.log}`)));
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        this.log += text;
        if (/ready: /.test(this.log)) resolve();
      });
    });
  }

  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** In good order; its exit code. */
  async stop(): Promise<number | null> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined) return null;
    const code = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    return await code;
  }

  /** `snapring WORDS`, to its end. */
  command(...words: readonly string[]): CommandEnd {
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], {
      encoding: "utf8",
      timeout: 120_000,
      env: { ...process.env, SNAPRING_CONTROL: `unix:${this.file("control")}` },
    });
    return { code: status, out: stdout, err: stderr };
  }

  /** `snapring WORDS`, while this process goes on. */
  run(...words: readonly string[]): Promise<Ended> {
    return runCommand(process.execPath, MAIN, ...words, "--control", `unix:${this.file("control")}`);
  }

  connect(name: string): Promise<NbdClient> {
    return NbdClient.open(this.address, name);
  }
}
