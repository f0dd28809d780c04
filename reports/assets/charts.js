"use strict";
/* Three charts over one time axis, drawn on canvas from the packed history. Times in µs. */

/* exported Charts */
/* global MARGIN, OUTCOMES, Completions, colour, formatDuration, formatMoment, ticks, listenToCharts, drawClocks */
const SHARES = [0.5, 0.95, 0.99];
const OPACITY = Uint8Array.from({ length: 256 }, (_, count) => Math.min(255, 90 * count ** 0.6));

/* Counts by outcome as a picture, the lowest row at the bottom: more calls, more opaque. */
function densityImage(grids, columns, height) {
  const canvas = new OffscreenCanvas(columns, height);
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(columns, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (const [code, name] of OUTCOMES) {
    const [red, green, blue] = colour(name).match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
    const opaque = (blue << 16) | (green << 8) | red; // bytes in memory are red, green, blue, alpha
    const grid = grids[code];
    for (let row = 0; row < height; row++) {
      const to = (height - 1 - row) * columns;
      const from = row * columns;
      for (let at = 0; at < columns; at++) {
        const count = grid[from + at];
        if (count) pixels[to + at] = opaque | (OPACITY[count < 256 ? count : 255] << 24);
      }
    }
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

class Charts {
  constructor(data, history) {
    this.completions = new Completions(history);
    this.faults = data.faults.map((f) => ({ ...f, start: f.start / 1e3, end: f.end / 1e3 }));
    this.phases = data.phases.map((p) => ({ ...p, time: p.time / 1e3 }));
    this.nodes = data.nodes;
    this.clocks = data.clocks;
    this.kinds = [...new Set(data.faults.map((f) => f.kind))];
    this.end = Math.max(data.duration / 1e3, 1);
    this.view = { from: 0, to: this.end };
    this.f = -1;
    this.onView = () => {};
    this.box = document.getElementById("charts");
    this.cursor = document.getElementById("cursor");
    this.tooltip = document.getElementById("tooltip");
    this.layFaults();
    listenToCharts(this);
    this.draw();
  }

  /* Each fault goes to the first lane that is free. */
  layFaults() {
    const free = [];
    for (const fault of this.faults) {
      let lane = free.findIndex((end) => end <= fault.start);
      if (lane < 0) lane = free.length;
      free[lane] = fault.end;
      fault.lane = Math.min(lane, 7);
    }
    this.faultLanes = Math.min(free.length, 8);
  }

  prepare(id, height) {
    const canvas = document.getElementById(id);
    const width = canvas.parentElement.clientWidth;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = `11px ${colour("mono")}`;
    pen.textBaseline = "middle";
    return { canvas, pen, width, height, ratio, inner: Math.max(width - MARGIN.left - MARGIN.right, 10) };
  }

  x(us, inner) {
    return MARGIN.left + ((us - this.view.from) / (this.view.to - this.view.from)) * inner;
  }

  draw() {
    this.drawLanes();
    if (this.clocks.length) drawClocks(this);
    this.drawRates();
    this.drawLatency();
    const { from, to } = this.view;
    document.getElementById("chart-range").textContent = `${formatMoment(from)} – ${formatMoment(to)}`;
    this.onView(this.view);
  }

  schedule() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.draw();
    });
  }

  shadeFaults(area, top, bottom) {
    const { pen, inner } = area;
    pen.fillStyle = colour("fault");
    pen.globalAlpha = 0.08;
    for (const { start, end } of this.faults) {
      if (end < this.view.from || start > this.view.to) continue;
      const left = Math.max(this.x(start, inner), MARGIN.left);
      const right = Math.min(this.x(end, inner), MARGIN.left + inner);
      pen.fillRect(left, top, Math.max(right - left, 1), bottom - top);
    }
    pen.globalAlpha = 1;
  }

  timeAxis(area, bottom, labels) {
    const { pen, inner } = area;
    const { step, found } = ticks(this.view.from / 1e6, this.view.to / 1e6, Math.max(2, inner / 110));
    const digits = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step))));
    pen.strokeStyle = pen.fillStyle = colour("rule");
    pen.fillRect(MARGIN.left, bottom, inner, 1);
    pen.textAlign = "center";
    for (const at of found) {
      const x = this.x(at * 1e6, inner);
      pen.fillStyle = colour("rule");
      pen.fillRect(x, bottom, 1, 4);
      if (labels) {
        pen.fillStyle = colour("soft");
        pen.fillText(`${at.toFixed(digits)} s`, Math.min(x, MARGIN.left + inner - 16), bottom + 13);
      }
    }
  }

  valueAxis(area, y, at, text) {
    const { pen, inner } = area;
    pen.fillStyle = colour("rule");
    pen.globalAlpha = 0.6;
    pen.fillRect(MARGIN.left, Math.round(y), inner, 1);
    pen.globalAlpha = 1;
    pen.fillStyle = colour("soft");
    pen.textAlign = "right";
    pen.fillText(text, MARGIN.left - 6, y);
  }

  drawLanes() {
    const lane = 20;
    const strip = 13;
    const nodes = this.nodes.length <= 16 ? this.nodes : [];
    const top = 16;
    const nodesTop = top + this.faultLanes * lane + (this.faultLanes ? 6 : 0);
    const area = this.prepare("lanes", nodesTop + nodes.length * strip + 8);
    const { pen, inner } = area;
    pen.textAlign = "left";
    this.phases.forEach((phase, i) => {
      const next = i + 1 < this.phases.length ? this.phases[i + 1].time : this.end;
      if (next < this.view.from || phase.time > this.view.to) return;
      const x = Math.max(this.x(phase.time, inner), MARGIN.left);
      const room = Math.min(this.x(next, inner), MARGIN.left + inner) - x - 4;
      pen.fillStyle = colour("rule");
      pen.fillRect(x, 0, 1, area.height);
      pen.fillStyle = colour("soft");
      if (pen.measureText(phase.name).width <= room) pen.fillText(phase.name, x + 4, 7);
    });
    nodes.forEach((node, row) => {
      const y = nodesTop + row * strip;
      pen.textAlign = "right";
      pen.fillStyle = colour("soft");
      pen.fillText(node, MARGIN.left - 6, y + strip / 2, MARGIN.left - 8);
      pen.fillStyle = colour("rule");
      pen.fillRect(MARGIN.left, y + strip / 2, inner, 1);
    });
    pen.save();
    pen.beginPath();
    pen.rect(MARGIN.left, 0, inner, area.height);
    pen.clip();
    pen.textAlign = "left";
    for (const fault of this.faults) {
      if (fault.end < this.view.from || fault.start > this.view.to) continue;
      const x = this.x(fault.start, inner);
      const width = Math.max(this.x(fault.end, inner) - x, 2);
      const y = top + fault.lane * lane;
      pen.fillStyle = colour(`kind${this.kinds.indexOf(fault.kind) % 6}`);
      pen.fillRect(x, y + 1, width, lane - 4);
      for (const target of fault.targets) {
        const row = nodes.indexOf(target);
        if (row >= 0) pen.fillRect(x, nodesTop + row * strip + 3, width, strip - 6);
      }
      const visible = Math.max(x, MARGIN.left) + 4;
      const room = Math.min(x + width, MARGIN.left + inner) - visible - 3;
      const text = [fault.said, fault.kind].find((t) => pen.measureText(t).width <= room);
      if (text) {
        pen.fillStyle = "#111";
        pen.fillText(text, visible, y + lane / 2 - 1);
      }
    }
    pen.restore();
  }

  /* Bins of at least so many pixels, and of so many calls on average. */
  binsFor(inner, pixels, calls) {
    const [first, last] = this.completions.within(this.view);
    return Math.max(6, Math.floor(Math.min(inner / pixels, (last - first) / calls)));
  }

  drawRates() {
    const area = this.prepare("rates", 150);
    const { pen, inner } = area;
    const top = 8;
    const bottom = 126;
    const { from, to } = this.view;
    const bins = this.binsFor(inner, 4, 8);
    const counts = this.completions.rates(this.view, this.f, bins);
    const seconds = (to - from) / bins / 1e6;
    let most = 0;
    for (const [code] of OUTCOMES) {
      for (let bin = 0; bin < bins; bin++) most = Math.max(most, (counts[code][bin] /= seconds));
    }
    this.rates = { counts, bins };
    most = most || 1;
    this.shadeFaults(area, top, bottom);
    const { found } = ticks(0, most, 6);
    for (const at of found) this.valueAxis(area, bottom - (at / most) * (bottom - top), at, at.toLocaleString("en"));
    for (const [code, name] of OUTCOMES) {
      pen.strokeStyle = colour(name);
      pen.lineWidth = 1.6;
      pen.setLineDash(code === 2 ? [5, 3] : code === 3 ? [2, 2] : []);
      pen.beginPath();
      for (let bin = 0; bin < bins; bin++) {
        const y = bottom - (counts[code][bin] / most) * (bottom - top);
        pen.lineTo(MARGIN.left + (bin / bins) * inner, y);
        pen.lineTo(MARGIN.left + ((bin + 1) / bins) * inner, y);
      }
      pen.stroke();
    }
    pen.setLineDash([]);
    this.timeAxis(area, bottom, true);
  }

  latencyY(us) {
    const [low, high] = this.completions.range;
    return 232 - ((Math.log10(us) - low) / (high - low)) * 224;
  }

  drawLatency() {
    const area = this.prepare("latency", 256);
    const { pen, inner } = area;
    const [low, high] = this.completions.range;
    this.shadeFaults(area, 8, 232);
    for (let power = Math.ceil(low); power <= high; power++) {
      this.valueAxis(area, this.latencyY(10 ** power), power, formatDuration(10 ** power).replace(/\.0+ /, " "));
    }
    this.scatter(pen, inner, area.ratio);
    this.quantiles(pen, inner);
    this.timeAxis(area, 232, true);
  }

  /* However many calls there are, one mark a pixel: more opaque where many fall together. */
  scatter(pen, inner, ratio) {
    const fineness = Math.min(ratio, 1.5);
    const columns = Math.floor(inner * fineness);
    const height = Math.floor(224 * fineness);
    const { grids, count: drawn } = this.completions.grids(this.view, this.f, columns, height);
    if (drawn > 20000) {
      pen.drawImage(densityImage(grids, columns, height), MARGIN.left, 8, inner, 224);
      return;
    }
    const size = drawn > 3000 ? 1.8 : 3;
    for (const [code, name] of OUTCOMES) {
      pen.fillStyle = colour(name);
      const grid = grids[code];
      for (let at = 0; at < grid.length; at++) {
        if (!grid[at]) continue;
        const x = MARGIN.left + ((at % columns) / columns) * inner;
        const y = 232 - ((Math.floor(at / columns) + 0.5) / height) * 224;
        pen.globalAlpha = Math.min(1, 0.6 * grid[at] ** 0.6);
        pen.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
    pen.globalAlpha = 1;
  }

  quantiles(pen, inner) {
    const bins = this.binsFor(inner, 12, 24);
    const heights = this.completions.quantiles(this.view, this.f, bins, SHARES);
    this.quantileLines = { bins, values: {} };
    heights.forEach((found, number) => {
      pen.strokeStyle = colour("ink");
      pen.lineWidth = 1.3;
      pen.setLineDash([[], [6, 3], [2, 2]][number]);
      pen.beginPath();
      let gap = true;
      for (let bin = 0; bin < bins; bin++) {
        if (Number.isNaN(found[bin])) { gap = true; continue; }
        const x = MARGIN.left + ((bin + 0.5) / bins) * inner;
        const y = 232 - found[bin] * 224;
        if (gap) pen.moveTo(x, y);
        else pen.lineTo(x, y);
        gap = false;
      }
      this.quantileLines.values[SHARES[number]] = found.map((share) => this.completions.latencyAt(share));
      pen.stroke();
    });
    pen.setLineDash([]);
  }

  zoom(from, to) {
    const least = Math.min(100, this.end);
    let width = Math.min(Math.max(to - from, least), this.end);
    const start = Math.min(Math.max(from, 0), this.end - width);
    this.view = { from: start, to: start + width };
    this.schedule();
  }

  /* in, out, left, right, all */
  move(how) {
    const { from, to } = this.view;
    const width = to - from;
    const shift = { left: -0.25, right: 0.25 }[how];
    if (how === "all") this.zoom(0, this.end);
    else if (shift) this.zoom(from + shift * width, to + shift * width);
    else {
      const factor = how === "in" ? 0.25 : -0.5;
      this.zoom(from + factor * width, to - factor * width);
    }
  }
}
