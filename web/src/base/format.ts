/** Formats numbers for one language. The examples are English. */
export interface Formats {
  /** 1234 becomes "1,234". */
  count(value: number): string;
  /** 0.424 becomes "42%". Fractions below 1 give at most "99%". */
  percent(fraction: number): string;
  /** Bytes in decimal units: 1,500,000 becomes "1.5 MB". */
  bytes(bytes: number): string;
  /** Bytes per second: 1,500,000 becomes "1.5 MB/s". */
  rate(bytesPerSecond: number): string;
  /** Milliseconds in the one or two largest units: "1 hr 5 min". */
  duration(ms: number): string;
  /** Milliseconds as minutes and seconds: "1:05". */
  clock(ms: number): string;
  /** Milliseconds since 1970 as date and time. */
  moment(ms: number): string;
  /** 2.44 becomes "2.4". */
  decimal(value: number): string;
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

export function formatsFor(language: string): Formats {
  const count = new Intl.NumberFormat(language);
  const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  const decimal = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const unit = cachedUnits(language);
  const bytes = (value: number, per = "") => {
    const [scaled, name] = scale(value);
    return unit(`${name}${per}`, fractionDigits(scaled, name)).format(scaled);
  };
  return {
    count: (value) => count.format(value),
    percent: (fraction) => percent.format(fraction < 1 ? Math.min(fraction, 0.99) : 1),
    bytes: (value) => bytes(value),
    rate: (value) => bytes(value, "-per-second"),
    duration: (ms) =>
      durationParts(ms)
        .map(([value, name]) => unit(name, Number.isInteger(value) ? 0 : 1).format(value))
        .join(" "),
    clock,
    moment: (ms) => moment.format(ms),
    decimal: (value) => decimal.format(value),
  };
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
}

function cachedUnits(language: string): (unit: string, digits: number) => Intl.NumberFormat {
  const cache = new Map<string, Intl.NumberFormat>();
  return (unit, digits) => {
    const key = `${unit} ${digits}`;
    let format = cache.get(key);
    if (!format) {
      const fraction = { minimumFractionDigits: digits, maximumFractionDigits: digits };
      format = new Intl.NumberFormat(language, {
        style: "unit",
        unit,
        unitDisplay: unit === "byte" ? "long" : "short",
        ...fraction,
      });
      cache.set(key, format);
    }
    return format;
  };
}

/** Scales to the largest unit in which the rounded value is at least 1: 999,999 bytes are 1.0 MB. */
function scale(bytes: number): [number, (typeof UNITS)[number]] {
  let [scaled, at] = [bytes, 0];
  while (scaled >= 999.5 && at < UNITS.length - 1) [scaled, at] = [scaled / 1000, at + 1];
  return [scaled, UNITS[at]!];
}

function fractionDigits(scaled: number, unit: string): number {
  return unit === "byte" || scaled >= 99.95 ? 0 : 1;
}

function durationParts(ms: number): [number, string][] {
  const seconds = ms / 1000;
  if (seconds < 10) return [[Math.max(0.1, seconds), "second"]];
  if (seconds < 59.5) return [[Math.round(seconds), "second"]];
  const minutes = Math.round(seconds / 60);
  if (seconds < 600)
    return [
      [Math.floor(Math.round(seconds) / 60), "minute"],
      [Math.round(seconds) % 60, "second"],
    ];
  if (minutes < 60) return [[minutes, "minute"]];
  if (minutes < 48 * 60)
    return [
      [Math.floor(minutes / 60), "hour"],
      [minutes % 60, "minute"],
    ];
  return [[Math.round(minutes / (24 * 60)), "day"]];
}
