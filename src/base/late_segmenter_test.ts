import { deepStrictEqual } from "node:assert/strict";
import { putOffSegmenter } from "./late_segmenter.ts";

Deno.test("putOffSegmenter() leaves what a segmenter does as it is", () => {
  const { Segmenter } = Intl;
  const texts = ["e\u0301a", "👩‍👩‍👧", ""];
  const split = () => {
    const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });
    return [
      segmenter.resolvedOptions(),
      texts.map((text) => [...segmenter.segment(text)]),
    ];
  };
  const before = split();
  try {
    putOffSegmenter();
    deepStrictEqual(split(), before);
  } finally {
    Object.assign(Intl, { Segmenter });
  }
});
