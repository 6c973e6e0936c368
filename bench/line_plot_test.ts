import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { drawPlot, scale } from "./line_plot.ts";

const PLOT = {
  title: "Speed & callers",
  xTitle: "callers",
  yTitle: "per second",
  steps: ["1", "64"],
  panels: [{
    title: "put",
    lines: [
      {
        name: "a < b",
        points: [{ y: 0, low: 0, high: 0 }, { y: 100, low: 50, high: 100 }],
      },
      {
        name: "c",
        points: [{ y: 50, low: 40, high: 60 }, { y: 20, low: 20, high: 20 }],
      },
    ],
  }],
};

Deno.test("drawPlot() puts each point where its step and height are", () => {
  const lines = [...drawPlot(PLOT).matchAll(/<polyline .*?points="(.*?)"/g)]
    .map(([, points]) => points);
  // The field is 380 wide from 64 on, and 240 high from 64 on.
  deepStrictEqual(lines, ["159,304 349,64", "159,184 349,256"]);
});

Deno.test("drawPlot() names all in text that XML allows", () => {
  const svg = drawPlot(PLOT);
  match(svg, /<title>Speed &amp; callers<\/title>/);
  match(svg, />a &lt; b<\/text>/);
  const opened = svg.match(/<g\b/g)?.length;
  strictEqual(svg.match(/<\/g>/g)?.length, opened);
});

Deno.test("drawPlot() can be read on light and on dark", () => {
  const svg = drawPlot(PLOT);
  match(svg, /<rect class="ground"/);
  match(svg, /prefers-color-scheme: dark/);
});

Deno.test("scale() goes in round steps to at least the highest", () => {
  deepStrictEqual(scale(100), [0, 20, 40, 60, 80, 100]);
  deepStrictEqual(scale(101), [0, 50, 100, 150]);
  deepStrictEqual(scale(135_000), [0, 50_000, 100_000, 150_000]);
  deepStrictEqual(scale(0), [0, 1]);
  deepStrictEqual(scale(-Infinity), [0, 1]);
});
