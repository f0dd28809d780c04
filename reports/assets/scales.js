"use strict";
/* Colours, number formats and scales that all drawings share. */

/* exported MARGIN, OUTCOMES, colour, formatDuration, formatMoment, ticks, lowerBound */
const MARGIN = { left: 62, right: 14 };
const OUTCOMES = [[1, "ok"], [2, "fail"], [3, "info"]];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function formatDuration(us) {
  if (us >= 120e6) return `${Math.floor(us / 60e6)} min ${String(Math.floor((us % 60e6) / 1e6)).padStart(2, "0")} s`;
  if (us >= 1e6) return `${(us / 1e6).toPrecision(3)} s`;
  if (us >= 1e3) return `${(us / 1e3).toPrecision(3)} ms`;
  return `${Math.round(us)} µs`;
}

const formatMoment = (us, digits = 3) => `${(us / 1e6).toFixed(digits)} s`;

/* Round steps so that about `count` of them fill the range. */
function ticks(from, to, count) {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) || 10 * power;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return { step, found };
}

function lowerBound(sorted, wanted) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
