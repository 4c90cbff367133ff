import type uPlot from "uplot";
import type { Formats } from "../base/format.ts";
import { lookOf } from "../swarm/peer-look.ts";

export interface PlotOptions {
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly peers: number;
  readonly format: Formats;
  /** Label of the line of the total rate. */
  readonly total: string;
}

/** Dashes tell lines apart without colour. The first lines are solid, like the first patterns of the map. */
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]] as const;

/** Seconds between two marks of the time axis. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400] as const;

/** Makes a plot of rates over time. uPlot is loaded with the first plot. */
export async function makePlot(target: HTMLElement, options: PlotOptions): Promise<uPlot> {
  const [{ default: Plot }] = await Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]);
  const { width, height, peers, format, total } = options;
  const style = getComputedStyle(target);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--quiet"),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const line = (n: number): uPlot.Series => {
    const { colour: name, number } = lookOf(n);
    const dash = [...DASHES[Math.floor(n / 2) % DASHES.length]!];
    return { label: String(number), stroke: colour(name), width: 1.5, dash, points: { show: false } };
  };
  return new Plot(
    {
      width,
      height,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false }, y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.05)] } },
      axes: [
        {
          ...axis,
          incrs: [...TIME_STEPS],
          values: (_plot, seconds) => seconds.map((second) => format.clock(second * 1000)),
        },
        {
          ...axis,
          size: 80,
          values: (_plot, rates) => rates.map((rate) => (rate > 0 ? format.rate(rate) : "")),
        },
      ],
      series: [
        {},
        { label: total, stroke: colour("--text"), width: 2, points: { show: false } },
        ...Array.from({ length: peers }, (_, slot) => line(slot)),
      ],
    },
    [[], ...Array.from({ length: peers + 1 }, () => [])],
    target,
  );
}
