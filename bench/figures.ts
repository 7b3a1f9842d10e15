/**
 * The figures of a bench of one server: a line each as soon as it is known, or all of them as JSON at the end.
 */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export class Figures {
  readonly #all: Figure[] = [];
  readonly #json: boolean;
  readonly #print: (line: string) => void;

  constructor(json: boolean, print: (line: string) => void) {
    this.#json = json;
    this.#print = print;
  }

  report(name: string, value: number, unit: string): void {
    this.#all.push({ name, value, unit });
    if (!this.#json) this.#print(`${name.padEnd(72)} ${digits(value)} ${unit}`);
  }

  /** Call it last. */
  end(): void {
    if (this.#json) this.#print(JSON.stringify(this.#all));
  }
}

/** Three digits that mean something, at least. */
function digits(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 1 || value === 0 ? value.toFixed(2) : value.toPrecision(3);
}
