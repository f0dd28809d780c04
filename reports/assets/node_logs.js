"use strict";
/* What the nodes logged, on the time axis of the charts: a lane of ticks each, and all lines of the
   time in view in one list. The text is read from the logs on the page, so it is there once. */

/* exported NodeLogs */
/* global MARGIN, colour, formatMoment, lowerBound */
const LOG_LANE = 15;
const LOG_ROWS = 300;

class NodeLogs {
  constructor(charts, data) {
    this.charts = charts;
    this.near = data.near.map((ns) => ns / 1e3);
    this.lines = this.read(data.logs);
    this.nodes = [...new Set(this.lines.map((line) => line.node))].sort();
    this.canvas = document.getElementById("log-lanes");
    if (!this.lines.length || !this.canvas) return;
    this.list = document.getElementById("log-lines");
    this.count = document.getElementById("log-count");
    this.text = document.getElementById("log-text");
    this.node = document.getElementById("log-node");
    this.onlyNear = document.getElementById("log-near");
    for (const node of this.nodes) this.node.append(new Option(node, node));
    this.onlyNear.checked = this.near.length > 0;
    this.onlyNear.closest("label").hidden = this.near.length === 0;
    for (const control of [this.text, this.node, this.onlyNear]) control.addEventListener("input", () => this.fill());
    this.follow();
    this.setWindow();
  }

  /* Times are those of lines; a line without one goes with the line before it. */
  read(logs) {
    const found = [];
    for (const log of logs) {
      const texts = document.getElementById(log.id).textContent.split("\n");
      let time = null;
      texts.forEach((text, at) => {
        if (log.times[at] !== null && log.times[at] !== undefined) time = log.times[at];
        if (time === null || !text) return;
        found.push({ time, node: log.node, text, isDated: log.times[at] !== null });
      });
    }
    return found.sort((a, b) => a.time - b.time);
  }

  isNear(line) {
    return this.near.length > 0 && line.time >= this.near[0] && line.time <= this.near[1];
  }

  setWindow() {
    if (!this.lines.length || !this.canvas) return;
    this.draw();
    if (this.pending) return;
    this.pending = setTimeout(() => { this.pending = 0; this.fill(); }, 60);
  }

  draw() {
    const { charts, nodes } = this;
    const bottom = 6 + nodes.length * LOG_LANE;
    const area = charts.prepare("log-lanes", bottom + 22);
    const { pen, inner } = area;
    charts.shadeFaults(area, 2, bottom);
    if (this.near.length) {
      const left = Math.max(charts.x(this.near[0], inner), MARGIN.left);
      const right = Math.min(charts.x(this.near[1], inner), MARGIN.left + inner);
      pen.fillStyle = colour("bad");
      pen.globalAlpha = 0.14;
      if (right > left) pen.fillRect(left, 2, Math.max(right - left, 2), bottom - 2);
      pen.globalAlpha = 1;
    }
    nodes.forEach((node, row) => {
      const y = 4 + row * LOG_LANE + LOG_LANE / 2;
      pen.textAlign = "right";
      pen.fillStyle = colour("soft");
      pen.fillText(node, MARGIN.left - 6, y, MARGIN.left - 8);
      pen.fillStyle = colour("rule");
      pen.fillRect(MARGIN.left, y, inner, 1);
    });
    const [first, last] = this.inView();
    const before = {};
    pen.save();
    pen.beginPath();
    pen.rect(MARGIN.left, 0, inner + 1, bottom);
    pen.clip();
    for (let i = first; i < last; i++) {
      const line = this.lines[i];
      const x = Math.round(charts.x(line.time, inner));
      if (before[line.node] === x) continue;
      before[line.node] = x;
      pen.fillStyle = colour(this.isNear(line) ? "bad" : "ink");
      pen.fillRect(x, 6 + nodes.indexOf(line.node) * LOG_LANE, 1.5, LOG_LANE - 5);
    }
    pen.restore();
    charts.timeAxis(area, bottom, true);
  }

  inView() {
    const times = this.times = this.times || this.lines.map((line) => line.time);
    const { from, to } = this.charts.view;
    // What was logged before the first call belongs to the beginning.
    return [from <= 0 ? 0 : lowerBound(times, from), to >= this.charts.end ? times.length : lowerBound(times, to)];
  }

  fill() {
    const [first, last] = this.onlyNear.checked ? [0, this.lines.length] : this.inView();
    const wanted = this.text.value.toLowerCase();
    const shown = [];
    for (let i = first; i < last; i++) {
      const line = this.lines[i];
      if (this.onlyNear.checked && !this.isNear(line)) continue;
      if (this.node.value && line.node !== this.node.value) continue;
      if (wanted && !line.text.toLowerCase().includes(wanted)) continue;
      shown.push(line);
    }
    this.shown = shown.slice(0, LOG_ROWS);
    this.list.replaceChildren(...this.shown.map((line) => this.item(line)));
    const more = shown.length - this.shown.length;
    this.count.textContent = `${shown.length.toLocaleString("en")} of ${this.lines.length.toLocaleString("en")} lines`
      + (more ? `; the first ${LOG_ROWS} are shown: zoom in, or search` : "");
  }

  item(line) {
    const item = document.createElement("li");
    const parts = [["when", line.isDated ? formatMoment(line.time) : ""], ["at", line.node], ["text", line.text]];
    for (const [name, text] of parts) {
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      item.append(part, " ");
    }
    item.classList.toggle("near", this.isNear(line));
    return item;
  }

  /* Charts and list point at the same moment. */
  follow() {
    const { charts, list } = this;
    list.addEventListener("pointermove", (event) => {
      const item = event.target.closest("li");
      const line = item && this.shown[[...list.children].indexOf(item)];
      if (line) this.pointAt(line.time);
    });
    list.addEventListener("pointerleave", () => { charts.cursor.hidden = true; });
    list.addEventListener("click", (event) => {
      const item = event.target.closest("li");
      const line = item && !String(getSelection()) && this.shown[[...list.children].indexOf(item)];
      if (!line) return;
      const half = Math.max((charts.view.to - charts.view.from) / 8, 1000);
      charts.zoom(line.time - half, line.time + half);
    });
    charts.box.addEventListener("pointermove", () => this.mark());
    charts.box.addEventListener("pointerleave", () => this.mark());
  }

  pointAt(time) {
    const { charts } = this;
    const inner = Math.max(charts.box.clientWidth - MARGIN.left - MARGIN.right, 10);
    const x = charts.x(time, inner);
    charts.cursor.hidden = x < MARGIN.left || x > MARGIN.left + inner;
    charts.cursor.style.left = `${x}px`;
  }

  /* The lines that were logged where the pointer is in the charts. */
  mark() {
    const { charts } = this;
    const inner = Math.max(charts.box.clientWidth - MARGIN.left - MARGIN.right, 10);
    const width = charts.view.to - charts.view.from;
    const time = charts.view.from + ((parseFloat(charts.cursor.style.left) - MARGIN.left) / inner) * width;
    const reach = (width / inner) * 3;
    (this.shown || []).forEach((line, at) => {
      this.list.children[at].classList.toggle("pointed", !charts.cursor.hidden && Math.abs(line.time - time) <= reach);
    });
  }
}
