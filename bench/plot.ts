/**
 * Plots as SVG: panels one below the other, one for each workload, with a bar for each server.
 *
 *   read-unmapped-4k-qd32
 *   qemu-raw       ███████████████──┤  21000
 *   snapring-16k   █████████████████████──┤  30000
 *
 * A bar is the median, the thin line on it the range over the rounds. Every panel has a scale of its own, from zero. Text and
 * bars stand on white, so that the plot can be read on a dark page.
 */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  /** Ours, to be told from the others at a glance. */
  readonly strong: boolean;
}

export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const MARGIN = 16;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 70;
const BAR_HEIGHT = 14;
const BAR_STEP = 19;
const PANEL_HEAD = 26;
const PANEL_GAP = 12;
const TITLE_HEIGHT = 40;
const STRONG = "#1f6feb";
const PLAIN = "#9aa4b2";
const INK = "#1f2328";

/** `digits`: behind the point of the figures. Panels without bars are left out. */
export function barPlot(title: string, panels: readonly Panel[], digits: number): string {
  let y = TITLE_HEIGHT;
  const parts: string[] = [];
  for (const panel of panels.filter((p) => p.bars.length > 0)) {
    parts.push(panelAt(panel, y, digits));
    y += panelHeight(panel);
  }
  const height = y + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`,
    ` font-family="system-ui, sans-serif" font-size="12" fill="${INK}" role="img" aria-label="${escapeXml(title)}">\n`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>\n`,
    `<text x="${MARGIN}" y="25" font-size="16" font-weight="600">${escapeXml(title)}</text>\n`,
    ...parts,
    "</svg>\n",
  ].join("");
}

function panelHeight(panel: Panel): number {
  return PANEL_HEAD + panel.bars.length * BAR_STEP + PANEL_GAP;
}

function panelAt(panel: Panel, top: number, digits: number): string {
  const largest = Math.max(...panel.bars.map((bar) => bar.max));
  const perUnit = largest > 0 ? (WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH) / largest : 0;
  const head = `<text x="${MARGIN}" y="${top + 16}" font-weight="600">${escapeXml(panel.title)}</text>\n`;
  return head + panel.bars.map((bar, i) => barAt(bar, top + PANEL_HEAD + i * BAR_STEP, perUnit, digits)).join("");
}

function barAt(bar: Bar, y: number, perUnit: number, digits: number): string {
  const left = MARGIN + LABEL_WIDTH;
  const x = (value: number): string => (left + value * perUnit).toFixed(1);
  const middle = y + BAR_HEIGHT / 2;
  const base = y + BAR_HEIGHT - 3;
  const end = (left + bar.max * perUnit + 6).toFixed(1);
  return [
    `<text x="${left - 8}" y="${base}" text-anchor="end">${escapeXml(bar.label)}</text>`,
    `<rect x="${left}" y="${y}" width="${(bar.value * perUnit).toFixed(1)}" height="${BAR_HEIGHT}" fill="${bar.strong ? STRONG : PLAIN}"/>`,
    `<path d="M${x(bar.min)} ${middle}H${x(bar.max)}" stroke="${INK}"/>`,
    `<text x="${end}" y="${base}">${bar.value.toFixed(digits)}</text>\n`,
  ].join("");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
