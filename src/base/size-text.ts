/**
 * Sizes as people read them: `16 KiB`, `1.5 GiB`. What is printed for programs stays in bytes or sectors.
 */

const UNITS: readonly string[] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Rounded to what one looks at; exact below 1 KiB. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Number.isInteger(value) || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Where two sizes are compared, the difference must show: `1.5 GiB (1610612737 bytes)` if it is not 1.5 GiB sharp. */
export function exactSize(bytes: number): string {
  const text = formatSize(bytes);
  const [value, unit] = text.split(" ");
  const isSharp = Number(value) * 1024 ** UNITS.indexOf(unit) === bytes;
  return isSharp ? text : `${text} (${bytes} bytes)`;
}
