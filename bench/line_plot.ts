/**
 * Draws lines over an axis of steps, as an SVG that can be read on light and on
 * dark pages: it has its own background, which follows the reader's colour scheme.
 *
 * @module
 */

/** A point of a line. */
export interface PlotPoint {
  /** The height. */
  readonly y: number;
  /** The lowest that was measured. */
  readonly low: number;
  /** The highest that was measured. */
  readonly high: number;
}

/** A line. */
export interface PlotLine {
  /** What it shows. */
  readonly name: string;
  /** A point for each step. */
  readonly points: readonly PlotPoint[];
}

/** One field with its lines. */
export interface PlotPanel {
  /** The text above it. */
  readonly title: string;
  /** At most four. */
  readonly lines: readonly PlotLine[];
}

/** A whole plot. */
export interface Plot {
  /** What it shows, for readers who cannot see it. */
  readonly title: string;
  /** What the steps mean. */
  readonly xTitle: string;
  /** What the heights mean. */
  readonly yTitle: string;
  /** The steps' names. */
  readonly steps: readonly string[];
  /** The fields, side by side, with one scale for all. */
  readonly panels: readonly PlotPanel[];
}

const WIDTH = 380;
const HEIGHT = 240;
const LEFT = 64;
const TOP = 64;
const GAP = 40;
const BOTTOM = 48;
const RIGHT = 24;
/** About how many lines of the scale there are. */
const MARKS = 5;
/** Signs besides the colours, for readers who cannot tell colours apart. */
const SIGNS = [
  (x: number, y: number) => `<circle cx="${x}" cy="${y}" r="4"/>`,
  (x: number, y: number) =>
    `<rect x="${x - 3.5}" y="${y - 3.5}" width="7" height="7"/>`,
  (x: number, y: number) =>
    `<path d="M${x} ${y - 5}L${x + 5} ${y + 4}L${x - 5} ${y + 4}Z"/>`,
  (x: number, y: number) =>
    `<path d="M${x} ${y - 5}L${x + 5} ${y}L${x} ${y + 5}L${x - 5} ${y}Z"/>`,
];
const STYLE = `
  .ground { fill: #ffffff }
  text { fill: #24292f; font: 12px system-ui, sans-serif }
  .grid { stroke: #d0d7de; fill: none }
  .line { fill: none; stroke-width: 2 }
  .c0 { color: #0550ae } .c1 { color: #bc4c00 } .c2 { color: #116329 } .c3 { color: #8250df }
  .line, .bar { stroke: currentColor } .sign { fill: currentColor }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 }
    text { fill: #e6edf3 }
    .grid { stroke: #30363d }
    .c0 { color: #79c0ff } .c1 { color: #ffa657 } .c2 { color: #7ee787 } .c3 { color: #d2a8ff }
  }
`;

/** Draws it. */
export function drawPlot(plot: Plot): string {
  const { panels, steps, title, xTitle, yTitle } = plot;
  const width = LEFT + panels.length * (WIDTH + GAP) - GAP + RIGHT;
  const height = TOP + HEIGHT + BOTTOM;
  const highest = Math.max(
    ...panels.flatMap(({ lines }) => lines).flatMap(({ points }) => points)
      .map(({ high }) => high),
  );
  const marks = scale(highest);
  const top = marks.at(-1) ?? 1;
  const parts = panels.map((panel, index) =>
    drawPanel(panel, {
      steps,
      marks,
      top,
      left: LEFT + index * (WIDTH + GAP),
      numbered: index === 0,
    })
  );
  const names = panels[0]?.lines.map(({ name }) => name) ?? [];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<rect class="ground" width="${width}" height="${height}" rx="6"/>
${legend(names)}
<text x="${LEFT - 52}" y="${TOP - 14}">${escape(yTitle)}</text>
<text x="${(LEFT + width - RIGHT) / 2}" y="${
    height - 10
  }" text-anchor="middle">${escape(xTitle)}</text>
${parts.join("\n")}
</svg>
`;
}

/** Round numbers from nothing to at least `highest`. */
export function scale(highest: number): readonly number[] {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / MARKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power)
    .find((one) => one >= rough) ?? 10 * power;
  const count = Math.ceil(highest / step);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

function drawPanel(
  { title, lines }: PlotPanel,
  { steps, marks, top, left, numbered }: {
    readonly steps: readonly string[];
    readonly marks: readonly number[];
    readonly top: number;
    readonly left: number;
    readonly numbered: boolean;
  },
): string {
  const x = (step: number) => round(left + (step + 0.5) * WIDTH / steps.length);
  const y = (value: number) => round(TOP + HEIGHT * (1 - value / top));
  const base = TOP + HEIGHT;
  return [
    ...marks.map((mark) =>
      `<path class="grid" d="M${left} ${y(mark)}h${WIDTH}"/>`
    ),
    ...(numbered ? marks : []).map((mark) =>
      `<text x="${left - 8}" y="${y(mark) + 4}" text-anchor="end">${
        mark.toLocaleString("en")
      }</text>`
    ),
    ...steps.map((step, index) =>
      `<text x="${x(index)}" y="${base + 18}" text-anchor="middle">${
        escape(step)
      }</text>`
    ),
    `<text x="${left + WIDTH / 2}" y="${
      TOP - 14
    }" text-anchor="middle" font-weight="bold">${escape(title)}</text>`,
    ...lines.map(({ points }, index) =>
      [
        `<g class="c${index}">`,
        ...points.map(({ low, high }, step) =>
          `<path class="bar" d="M${x(step)} ${y(low)}V${y(high)}"/>`
        ),
        `<polyline class="line" points="${
          points.map((point, step) => `${x(step)},${y(point.y)}`).join(" ")
        }"/>`,
        `<g class="sign">${
          points.map((point, step) => sign(index, x(step), y(point.y))).join("")
        }</g>`,
        `</g>`,
      ].join("")
    ),
  ].join("\n");
}

/** Names with their signs, in a row above. */
function legend(names: readonly string[]): string {
  return names.map((name, index) => {
    const left = LEFT + index * 140;
    return `<g class="c${index}"><path class="line" d="M${left} 20h28"/><g class="sign">${
      sign(index, left + 14, 20)
    }</g></g><text x="${left + 36}" y="24">${escape(name)}</text>`;
  }).join("\n");
}

function sign(index: number, x: number, y: number): string {
  return SIGNS[index % SIGNS.length]?.(x, y) ?? "";
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
