// Numbers for people.

const UNITS = ["", "k", "M", "G", "T"];

/** A number with three digits: 0.42, 7.5, 123, 1.23 k. */
export function short(value) {
  if (isMissing(value)) return "–";
  let unit = 0;
  let rest = value;
  while (Math.abs(rest) >= 1000 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const digits = Number.isInteger(rest) || Math.abs(rest) >= 100 ? 0 : Math.abs(rest) >= 10 ? 1 : 2;
  return unit === 0 ? rest.toFixed(digits) : `${rest.toFixed(digits)} ${UNITS[unit]}`;
}

const isMissing = (value) => value === undefined || value === null;

/** 512 B, 1.14 MB. */
export function bytes(value) {
  const text = short(value);
  return text.includes(" ") ? `${text}B` : `${text} B`;
}

export function percent(value) {
  return isMissing(value) ? "–" : `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)} %`;
}

export const milliseconds = (value) => (isMissing(value) ? "–" : `${short(value)} ms`);

export function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [Math.floor(seconds) % 60, "s"],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  return parts
    .slice(first < 0 ? 3 : first, (first < 0 ? 3 : first) + 2)
    .map(([number, unit]) => `${number} ${unit}`)
    .join(" ");
}
