/**
 * The metrics as text (OpenMetrics), for whoever asks: Prometheus, on the control socket or on a port of loopback.
 *
 *   asked ─▶ figures of engine and volumes, taken once ─▶ family by family (metric-table.ts): samples, a batch at a time ─▶ prom-client makes text of it
 *                                                                         └▶ between two batches main does whatever else it has to do
 *
 * Everything is made for this answer: a snapshot that is gone leaves no sample behind, and between answers nothing is kept or counted, so the data path pays
 * nothing. Nor may it wait for an answer, for main decides for every client: 64 volumes with 16 snapshots each are a hundred thousand lines, half a second of work, of
 * which a batch is about a millisecond. Runs on main.
 */
import { setImmediate } from "node:timers/promises";
import { Counter, Gauge, type OpenMetricsContentType, Registry } from "prom-client";
import type { MetricSources } from "./metric-sources.ts";
import {
  CLIENTS,
  DAEMON,
  ELSEWHERE,
  ENGINE,
  type Entry,
  EXPORT,
  families,
  type Family,
  MERGE,
  SNAPSHOT,
  VOLUME,
  VOLUME_STATE,
  WORKER,
} from "./metric-table.ts";
import { ReadHistogram } from "./read-histogram.ts";

/** Of the answer. */
export const METRICS_TYPE: string = Registry.OPENMETRICS_CONTENT_TYPE;

/** Samples of a batch. */
const BATCH = 200;

type Labels = Readonly<Record<string, string>>;
type Table = Readonly<Record<string, Entry | typeof ELSEWHERE>>;

/** Whose figures they are. */
interface Subject {
  readonly table: Table;
  readonly figures: Readonly<Record<string, unknown>>;
  readonly labels: Labels;
}

export async function metricsText(sources: MetricSources): Promise<string> {
  const subjects = subjectsOf(sources);
  const parts: string[] = [];
  for (const family of families()) {
    let batch = new Batch(family);
    let head = true;
    for (const subject of subjects) {
      batch.add(subject);
      if (batch.size < BATCH) continue;
      parts.push(await batch.text(head));
      await setImmediate();
      batch = new Batch(family);
      head = false;
    }
    if (head || batch.size > 0) parts.push(await batch.text(head));
  }
  return `${parts.join("\n")}\n# EOF\n`;
}

function subjectsOf({ daemon, engine, volumes }: MetricSources): readonly Subject[] {
  const subjects = [subject(DAEMON, daemon, {}), subject(ENGINE, engine, {}), subject(CLIENTS, engine.clients, {})];
  for (const worker of engine.workers)
    subjects.push(subject(WORKER, worker, { role: worker.role, worker: String(worker.index) }));
  for (const { name: volume, state, stats } of volumes) {
    subjects.push(subject({ state: VOLUME_STATE }, { state }, { volume }));
    if (stats === undefined) continue;
    subjects.push(subject(VOLUME, stats, { volume }));
    for (const one of stats.snapshots) subjects.push(subject(SNAPSHOT, one, { volume, snapshot: one.name }));
    if (stats.merge !== undefined)
      subjects.push(subject(MERGE, stats.merge, { volume, snapshot: stats.merge.snapshot }));
    for (const one of stats.exports) subjects.push(subject(EXPORT, one, { volume, export: one.name }));
  }
  return subjects;
}

function subject(table: Table, figures: object, labels: Labels): Subject {
  return { table, figures: figures as Subject["figures"], labels };
}

/** Some samples of one family. */
class Batch {
  size = 0;
  readonly #family: Family;
  readonly #metric: Counter | Gauge | ReadHistogram;

  constructor(family: Family) {
    this.#family = family;
    this.#metric = metricOf(family);
  }

  /** Whatever the subject has of this family, and is known. */
  add({ table, figures, labels }: Subject): void {
    for (const [member, entry] of entriesOf(table, this.#family)) {
      const figure = figures[member];
      if (figure !== undefined) this.#put(entry, figure, { ...labels, ...entry.labels });
    }
  }

  /** `head`: with the family's words and its kind. */
  async text(head: boolean): Promise<string> {
    const registry = new Registry<OpenMetricsContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    registry.registerMetric(this.#metric);
    const lines = await registry.getSingleMetricAsString(baseName(this.#family));
    return head ? lines : lines.replace(/^# HELP .*\n# TYPE .*\n/, "");
  }

  #put({ factor = 1, states, word = "" }: Entry, figure: unknown, labels: Labels): void {
    if (Array.isArray(figure)) this.#read(labels, figure);
    else if (states !== undefined) this.#putStates(figure, states, labels);
    else if (typeof figure === "string") this.#set(1, { ...labels, [word]: figure });
    else if (typeof figure === "number") this.#set(figure * factor, labels);
    else if (typeof figure === "boolean") this.#set(figure ? 1 : 0, labels);
    else for (const [key, count] of Object.entries(figure as object)) this.#set(count, { ...labels, [word]: key });
  }

  /** One state alone needs no label: it is there, or not. */
  #putStates(figure: unknown, states: readonly string[], labels: Labels): void {
    for (const state of states)
      this.#set(figure === state ? 1 : 0, states.length === 1 ? labels : { ...labels, state });
  }

  #read(labels: Labels, counts: readonly number[]): void {
    (this.#metric as ReadHistogram).read(labels, counts);
    this.size += counts.length;
  }

  #set(value: number, labels: Labels): void {
    if (this.#metric instanceof Counter) this.#metric.inc(labels, value);
    else (this.#metric as Gauge).set(labels, value);
    this.size += 1;
  }
}

const known = new WeakMap<Table, Map<Family, [string, Entry][]>>();

/** Of a table, those of one family: looked for once. */
function entriesOf(table: Table, family: Family): readonly [string, Entry][] {
  let byFamily = known.get(table);
  if (byFamily === undefined) {
    byFamily = new Map();
    for (const [member, entry] of Object.entries(table)) {
      if (entry === ELSEWHERE) continue;
      const others = byFamily.get(entry.family);
      if (others === undefined) byFamily.set(entry.family, [[member, entry]]);
      else others.push([member, entry]);
    }
    known.set(table, byFamily);
  }
  return byFamily.get(family) ?? [];
}

function metricOf(family: Family): Counter | Gauge | ReadHistogram {
  const { kind, help, labels } = family;
  const name = baseName(family);
  if (kind === "histogram") return new ReadHistogram(name, help, labels);
  const options = { name, help, labelNames: [...labels], registers: [] };
  return kind === "counter" ? new Counter(options) : new Gauge(options);
}

/** OpenMetrics has a counter's name without the ending that its samples have. */
function baseName({ kind, name }: Family): string {
  return kind === "counter" ? name.replace(/_total$/, "") : name;
}
