/**
 * `snapring watch`: events of the daemon as they come. It goes on where it was when the daemon comes back.
 */
import { setTimeout } from "node:timers/promises";
import type { Command } from "commander";
import { SnapringError } from "../../base/errno.ts";
import type { Event } from "../control-client.ts";
import { clientOf, controlCommand, type ControlOptions } from "../control-option.ts";
import { optionValue, wholeNumber } from "../option-value.ts";
import type { Terminal } from "../terminal.ts";

interface WatchOptions extends ControlOptions {
  readonly after?: number;
  readonly once?: boolean;
}

const AGAIN_MS = 1000;

export function watchCommand(terminal: Terminal): Command {
  return controlCommand("watch", "events as they come, of a volume or of all")
    .argument("[VOLUME]", "name of the volume")
    .option(
      "--after <ID>",
      "those behind this one first, as far as they are kept (0: all)",
      optionValue(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
    )
    .option("--once", "end where the daemon ends, instead of waiting for it")
    .action((volume: string | undefined, options: WatchOptions) => watch(terminal, volume, options));
}

async function watch(terminal: Terminal, volume: string | undefined, options: WatchOptions): Promise<void> {
  const client = clientOf(options);
  const query = volume === undefined ? "" : `?volume=${encodeURIComponent(volume)}`;
  // A daemon that is not there now is a wrong address; one that goes later comes back.
  const { body } = await client.ask("GET", "/v1");
  let last = options.after ?? (body as { lastEventId: number }).lastEventId;
  for (;;) {
    try {
      const seen = (id: number): void => {
        last = id;
      };
      for await (const event of client.events(query, last, seen))
        terminal.out(options.json === true ? `${JSON.stringify(event)}\n` : line(event));
    } catch (error) {
      const isGone = error instanceof SnapringError || (error as NodeJS.ErrnoException).code === "ECONNRESET";
      if (!isGone) throw error;
    }
    if (options.once === true) return;
    await setTimeout(AGAIN_MS);
  }
}

function line({ time, type, volume, snapshot, data }: Event): string {
  const about = volume === undefined ? "" : `  ${volume}${snapshot === undefined ? "" : `@${snapshot}`}`;
  return `${time}  ${type}${about}${data === undefined ? "" : `  ${facts(data)}`}\n`;
}

function facts(data: Readonly<Record<string, unknown>>): string {
  return Object.entries(data)
    .map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(" ");
}
