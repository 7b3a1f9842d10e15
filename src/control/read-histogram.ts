/**
 * A histogram of prom-client whose counts are read from elsewhere: the engine's (engine/stats.ts), which its threads keep in shared memory.
 *
 *   entry b: less than 2^b microseconds, and not less than 2^(b−1) ─▶ bucket le="2^b µs in seconds": everything up to it
 *   the last entry: all that took longer                          ─▶ le="+Inf": everything
 *
 * Their sum is not known, for no thread counts it: OpenMetrics lets `_sum` be left out, and `_count` goes with it. Quantiles need neither, and the
 * number is that of le="+Inf".
 */
import { Histogram, type MetricObjectWithValues, type MetricValueWithName } from "prom-client";
import type { Histogram as Counts } from "../engine/stats.ts";

export class ReadHistogram extends Histogram {
  readonly #samples: MetricValueWithName<string>[] = [];
  readonly #words: { readonly name: string; readonly help: string };

  constructor(name: string, help: string, labelNames: readonly string[]) {
    super({ name, help, labelNames: [...labelNames], registers: [] });
    this.#words = { name, help };
  }

  read(labels: Readonly<Record<string, string>>, counts: Counts): void {
    let upTo = 0;
    for (const [bucket, count] of counts.entries()) {
      upTo += count;
      const le = bucket === counts.length - 1 ? "+Inf" : 2 ** bucket / 1e6;
      this.#samples.push({ labels: { ...labels, le }, value: upTo, metricName: `${this.#words.name}_bucket` });
    }
  }

  override get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const told = { ...this.#words, type: "histogram", aggregator: "sum", values: this.#samples };
    // The type asks for a `collect` and an enum that prom-client does not have.
    return Promise.resolve(told as unknown as MetricObjectWithValues<MetricValueWithName<string>>);
  }

  /** What the registry asks, where there is one. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }
}
