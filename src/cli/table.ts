/**
 * A table for people: columns as wide as what is in them, numbers to the right. A row is a line, whatever a name in it has.
 */
import { printableLine } from "../base/printable.ts";

export type Cell = string | number | undefined;

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => Cell;
  /** Numbers and sizes. */
  readonly right?: boolean;
}

/** Lines with a heading; nothing at all where there are no rows. */
export function tableText<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  if (rows.length === 0) return "";
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => printableLine(String(value(row) ?? "-")))),
  ];
  const widths = columns.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
  const text = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (columns[i].right === true ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join("  ")
      .trimEnd();
  return lines.map((cells) => `${text(cells)}\n`).join("");
}
