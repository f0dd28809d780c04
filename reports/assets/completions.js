"use strict";
/* Completed calls in the order in which they ended: what the charts count, however many there are.
 *
 * A latency is kept as one of 4096 levels of a logarithmic scale over all that occurred, less than
 * a third of a pixel each, so that a chart of a million calls is a pass of whole numbers. */

/* exported Completions */
/* global OUTCOMES, lowerBound */
const LEVEL_BITS = 12;

class Completions {
  constructor(history) {
    const { rows, time, type, f, pair, process } = history;
    let count = 0;
    let low = Infinity;
    let high = 0;
    for (let i = 0; i < rows; i++) {
      if (type[i] === 0 || process[i] === 0 || pair[i] < 0) continue;
      const took = time[i] - time[pair[i]];
      if (took < low) low = took;
      if (took > high) high = took;
      count++;
    }
    low = Math.log10(Math.max(low, 1)) - 0.1;
    high = Math.log10(Math.max(high, 1)) + 0.1;
    this.range = count ? [low, Math.max(high, low + 1)] : [2, 6];
    this.time = new Float64Array(count);
    this.type = new Uint8Array(count);
    this.f = new Int32Array(count);
    this.level = new Uint16Array(count);
    const scale = (1 << LEVEL_BITS) / (this.range[1] - this.range[0]) / Math.LN10;
    const floor = this.range[0] * Math.LN10;
    let at = 0;
    for (let i = 0; i < rows; i++) {
      if (type[i] === 0 || process[i] === 0 || pair[i] < 0) continue;
      this.time[at] = time[i];
      this.type[at] = type[i];
      this.f[at] = f[i];
      this.level[at++] = (Math.log(Math.max(time[i] - time[pair[i]], 1)) - floor) * scale;
    }
  }

  /* Places of those that ended in a view. */
  within(view) {
    return [lowerBound(this.time, view.from), lowerBound(this.time, view.to + 1)];
  }

  /* By outcome, how many ended in each of so many equal parts of a view. `f` < 0: of any function. */
  rates(view, f, bins) {
    const counts = [null, ...OUTCOMES.map(() => new Float64Array(bins))];
    const [first, last] = this.within(view);
    const scale = bins / (view.to - view.from);
    const { time, type } = this;
    for (let i = first; i < last; i++) {
      if (f >= 0 && this.f[i] !== f) continue;
      const bin = ((time[i] - view.from) * scale) | 0;
      counts[type[i]][bin < bins ? bin : bins - 1]++;
    }
    return counts;
  }

  /* By outcome, how many fall on each cell of a grid, lowest latency first; and how many in all. */
  grids(view, f, columns, height) {
    const size = columns * height;
    if (this.spare === undefined || this.spare[1].length !== size) {
      this.spare = [null, ...OUTCOMES.map(() => new Uint16Array(size))];
    } else for (const [code] of OUTCOMES) this.spare[code].fill(0);
    const grids = this.spare;
    const [first, last] = this.within(view);
    const across = columns / (view.to - view.from);
    const { time, type, level } = this;
    let count = 0;
    for (let i = first; i < last; i++) {
      if (f >= 0 && this.f[i] !== f) continue;
      const x = ((time[i] - view.from) * across) | 0;
      const y = (level[i] * height) >> LEVEL_BITS;
      grids[type[i]][y * columns + (x < columns ? x : columns - 1)]++;
      count++;
    }
    return { grids, count };
  }

  /* Quantiles of the ok calls of each part of a view, as shares of the height; NaN below 3 calls.
   * Exact to a level, without sorting. */
  quantiles(view, f, bins, shares) {
    const levels = 512;
    const counts = new Uint32Array(bins * levels);
    const totals = new Uint32Array(bins);
    const [first, last] = this.within(view);
    const scale = bins / (view.to - view.from);
    const { time, type, level } = this;
    for (let i = first; i < last; i++) {
      if (type[i] !== 1 || (f >= 0 && this.f[i] !== f)) continue;
      const x = ((time[i] - view.from) * scale) | 0;
      const bin = x < bins ? x : bins - 1;
      counts[bin * levels + ((level[i] * levels) >> LEVEL_BITS)]++;
      totals[bin]++;
    }
    return shares.map((share) => {
      const found = new Float64Array(bins).fill(NaN);
      for (let bin = 0; bin < bins; bin++) {
        if (totals[bin] < 3) continue;
        let left = share * totals[bin];
        let at = 0;
        while ((left -= counts[bin * levels + at]) > 0) at++;
        found[bin] = (at + 0.5) / levels;
      }
      return found;
    });
  }

  /* The latency (µs) at a share of the height. */
  latencyAt(share) {
    const [low, high] = this.range;
    return 10 ** (low + share * (high - low));
  }
}
