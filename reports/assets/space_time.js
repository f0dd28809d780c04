"use strict";
/* A space-time diagram: a line for each process, an arrow for each message; see
   reports/space_time.py. On a canvas, so that thousands of messages cost no element each. */

/* exported drawSpaceTime */
/* global EvenTime, StretchedTime, colour, diagramTicks, formatDuration, formatMoment, listenToDiagram, lowerBound, offerTypes, storyMoments */
const DIAGRAM = { lane: 44, top: 30, bottom: 26, right: 16, labelled: 70, listed: 200, many: 400 };

class SpaceTime {
  constructor(figure, data) {
    this.data = data;
    this.messages = data.messages;
    this.count = data.messages.sent.length;
    this.hidden = new Set();
    this.selected = -1;
    this.chain = new Set();
    this.first = data.messages.sent.reduce((least, time) => Math.min(least, time), 0);
    this.stretch(true);
    this.canvas = figure.querySelector("canvas");
    this.box = this.canvas.parentElement;
    this.tooltip = figure.querySelector(".tooltip");
    this.said = figure.querySelector(".said");
    this.range = figure.querySelector("output");
    this.list = figure.querySelector("details");
    offerTypes(this, figure.querySelector(".types"));
    listenToDiagram(this, figure);
    this.draw();
  }

  /* Places on the scale, in the units of time, of everything that is drawn. */
  stretch(on) {
    const { messages, data } = this;
    const shown = this.view && [this.scale.time(this.view.from), this.scale.time(this.view.to)];
    this.scale = on ? new StretchedTime(this.first, data.end, storyMoments(this)) : new EvenTime(this.first, data.end);
    this.sentAt = Float64Array.from(messages.sent, (time) => this.scale.at(time));
    this.endAt = Float64Array.from(messages.end, (time, i) => (time < 0 ? this.sentAt[i] : this.scale.at(time)));
    this.longest = 0;
    for (let i = 0; i < this.count; i++) this.longest = Math.max(this.longest, this.endAt[i] - this.sentAt[i]);
    this.focus = data.focus.map((time) => this.scale.at(time));
    const [from, to] = shown ? shown.map((time) => this.scale.at(time)) : this.focus;
    this.view = { from, to };
  }

  isHidden(i) {
    const { from, to, type } = this.messages;
    return this.hidden.has(type[i]) || (this.hidden.has("others") && (from[i] === this.others || to[i] === this.others));
  }

  x(time) {
    return this.xOf(this.scale.at(time));
  }

  xOf(place) {
    return this.left + ((place - this.view.from) / (this.view.to - this.view.from)) * this.inner;
  }

  y(lane) {
    return DIAGRAM.top + lane * DIAGRAM.lane + DIAGRAM.lane / 2;
  }

  schedule() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
  }

  /* From where to where an arrow goes on the canvas; a lost one ends on its way. */
  segment(i) {
    const { from, to, end, why } = this.messages;
    const x1 = this.xOf(this.sentAt[i]);
    const y1 = this.y(from[i]);
    let x2 = this.xOf(this.endAt[i]);
    let y2 = this.y(to[i]);
    if (from[i] === to[i]) y2 -= 9;
    const share = end[i] < 0 ? 0.3 : why[i] ? 0.72 : 1;
    x2 = x1 + (x2 - x1) * share + (end[i] < 0 ? 8 : 0);
    y2 = y1 + (y2 - y1) * share;
    return [x1, y1, x2, y2];
  }

  /* The messages under way in the view whose type is shown. */
  inView() {
    const { sentAt, endAt } = this;
    const found = [];
    const first = lowerBound(sentAt, this.view.from - this.longest);
    for (let i = first; i < this.count && sentAt[i] <= this.view.to; i++) {
      if (Math.max(endAt[i], sentAt[i]) >= this.view.from && !this.isHidden(i)) found.push(i);
    }
    return found;
  }

  prepare() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.box.clientWidth;
    const height = DIAGRAM.top + this.data.lanes.length * DIAGRAM.lane + DIAGRAM.bottom;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    this.left = width < 560 ? 74 : 184;
    this.inner = Math.max(width - this.left - DIAGRAM.right, 40);
    this.bottom = height - DIAGRAM.bottom;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = `11px ${colour("mono")}`;
    pen.textBaseline = "middle";
    return pen;
  }

  draw() {
    const pen = this.pen = this.prepare();
    this.taken = [];
    this.drawn = this.inView();
    this.drawLanes(pen);
    pen.save();
    pen.beginPath();
    pen.rect(this.left, 0, this.inner + DIAGRAM.right, this.bottom + 1);
    pen.clip();
    this.drawGaps(pen);
    this.drawFaults(pen);
    this.drawCalls(pen);
    this.drawMessages(pen);
    this.drawMarks(pen);
    this.labelMessages(pen);
    pen.restore();
    this.drawAxis(pen);
    const lost = this.drawn.filter((i) => this.messages.why[i]).length;
    const [from, to] = [this.view.from, this.view.to].map((place) => formatMoment((this.data.begin + this.scale.time(place)) / 1e3, 4));
    this.range.textContent = `${from} – ${to}: `
      + `${this.drawn.length.toLocaleString("en")} messages${lost ? `, ${lost.toLocaleString("en")} lost` : ""}`;
    if (this.list.open) this.fillList();
  }

  drawLanes(pen) {
    const small = this.left < 100;
    this.data.lanes.forEach((lane, at) => {
      const y = this.y(at);
      pen.textAlign = "left";
      pen.fillStyle = colour("ink");
      const noted = lane.note && !small;
      pen.fillText(lane.name, 8, noted ? y - 7 : y, this.left - 14);
      if (noted) {
        pen.fillStyle = colour("soft");
        const room = Math.floor((this.left - 14) / 6.7);
        pen.fillText(lane.note.length > room ? `${lane.note.slice(0, room - 1)}…` : lane.note, 8, y + 8);
      }
      pen.fillStyle = colour(lane.kind === "node" ? "soft" : "rule");
      pen.fillRect(this.left, y, this.inner + DIAGRAM.right, 1);
    });
  }

  /* Whether a text may stand here: none does yet. Takes the place if so. */
  hasRoom(x, y, width, height) {
    for (const [a, b, w, h] of this.taken) {
      if (x < a + w && a < x + width && y < b + h && b < y + height) return false;
    }
    this.taken.push([x, y, width, height]);
    return true;
  }

  /* Hatched where messages were left out. */
  drawGaps(pen) {
    pen.strokeStyle = colour("rule");
    pen.lineWidth = 1;
    for (const [start, end] of this.data.gaps) {
      const left = Math.max(this.x(start), this.left);
      const right = Math.min(this.x(end), this.left + this.inner + DIAGRAM.right);
      if (right - left < 1) continue;
      pen.save();
      pen.beginPath();
      pen.rect(left, DIAGRAM.top, right - left, this.bottom - DIAGRAM.top);
      pen.clip();
      pen.beginPath();
      const height = this.bottom - DIAGRAM.top;
      for (let x = left - height; x < right; x += 9) { pen.moveTo(x, this.bottom); pen.lineTo(x + height, DIAGRAM.top); }
      pen.stroke();
      pen.restore();
    }
  }

  drawFaults(pen) {
    let row = 0;
    for (const fault of this.data.faults) {
      const x = Math.max(this.x(fault.start), this.left);
      const width = Math.min(this.x(fault.end), this.left + this.inner + DIAGRAM.right) - x;
      if (width <= 0) continue;
      pen.fillStyle = colour("fault");
      pen.globalAlpha = 0.1;
      if (fault.lanes.length === 0) pen.fillRect(x, DIAGRAM.top - 2, width, this.bottom - DIAGRAM.top + 2);
      for (const lane of fault.lanes) pen.fillRect(x, this.y(lane) - DIAGRAM.lane / 2 + 2, width, DIAGRAM.lane - 4);
      pen.globalAlpha = 1;
      pen.textAlign = "left";
      pen.fillStyle = colour("soft");
      const room = Math.floor((this.left + this.inner - x) / 6.7);
      const text = `⚡ ${fault.said}`;
      if (row < 2 && room > 8) pen.fillText(text.length > room ? `${text.slice(0, room - 1)}…` : text, x + 3, 7 + 13 * row++);
    }
  }

  drawCalls(pen) {
    for (const call of this.data.calls) {
      const x = this.x(call.start);
      const end = call.end < 0 ? this.left + this.inner + DIAGRAM.right : this.x(call.end);
      if (end < this.left || x > this.left + this.inner) continue;
      const y = this.y(call.lane);
      pen.fillStyle = pen.strokeStyle = colour(call.role === "stuck" ? "bad" : call.outcome === "info" ? "info" : call.outcome);
      pen.globalAlpha = 0.3;
      pen.fillRect(x, y - 5, Math.max(end - x, 4), 11);
      pen.globalAlpha = 1;
      pen.strokeRect(x, y - 5, Math.max(end - x, 4), 11);
      const text = (call.role === "stuck" ? "✕ " : "") + call.label;
      const width = pen.measureText(text).width;
      const at = Math.min(Math.max(x, this.left + 2), this.left + this.inner - width);
      pen.textAlign = "left";
      pen.fillStyle = colour(call.role === "stuck" ? "bad" : "ink");
      if (this.hasRoom(at, y - 20, width, 12)) pen.fillText(text, at, y - 13);
    }
  }

  drawMarks(pen) {
    for (const mark of this.data.marks) {
      const x = this.x(mark.time);
      if (x < this.left || x > this.left + this.inner || mark.lane < 0) continue;
      const y = this.y(mark.lane);
      pen.fillStyle = colour(mark.kind === "log" ? "soft" : "ink");
      if (mark.kind === "log") {
        pen.fillRect(x, y - 3, 1, 7);
        continue;
      }
      pen.beginPath();
      pen.moveTo(x, y - 6);
      pen.lineTo(x + 5, y);
      pen.lineTo(x, y + 6);
      pen.lineTo(x - 5, y);
      pen.fill();
      const text = mark.text.length > 34 ? `${mark.text.slice(0, 33)}…` : mark.text;
      const width = pen.measureText(text).width;
      const at = Math.min(x + 7, this.left + this.inner - width);
      pen.textAlign = "left";
      if (this.hasRoom(at, y - 19, width, 12)) this.write(pen, text, at, y - 12, "ink");
    }
  }

  /* Text that stays readable on lines. */
  write(pen, text, x, y, tone) {
    pen.textAlign = "left";
    pen.lineWidth = 3;
    pen.strokeStyle = colour("paper");
    pen.strokeText(text, x, y);
    pen.fillStyle = colour(tone);
    pen.fillText(text, x, y);
  }

  /* Those of the story, or of the chain that was chosen, stand out from the rest. */
  drawMessages(pen) {
    const { from, to, why, story } = this.messages;
    const nodes = this.data.lanes.map((lane) => lane.kind === "node");
    const chosen = this.chain.size > 0;
    const stands = (i) => (chosen ? this.chain.has(i) : story[i] === 1);
    const faint = this.drawn.length > DIAGRAM.many ? 0.25 : chosen ? 0.22 : 0.5;
    const latest = new Map();
    for (const pass of [false, true]) {
      for (const i of this.drawn) {
        if (stands(i) !== pass) continue;
        const [x1, y1, x2, y2] = this.segment(i);
        // Of many side by side one is enough to be seen.
        const way = from[i] * 1000 + to[i];
        if (!pass && !why[i] && x1 - latest.get(way) < 3) continue;
        latest.set(way, x1);
        const lost = why[i] !== 0;
        pen.strokeStyle = pen.fillStyle = lost ? colour("bad") : colour(nodes[from[i]] && nodes[to[i]] ? "ink" : "ok");
        pen.globalAlpha = pass || (lost && !chosen) ? 1 : faint;
        pen.lineWidth = pass ? 2.2 : 1;
        pen.setLineDash(lost || this.messages.end[i] < 0 ? [5, 3] : []);
        pen.beginPath();
        pen.moveTo(x1, y1);
        pen.lineTo(x2, y2);
        pen.stroke();
        pen.setLineDash([]);
        this.drawHead(pen, x1, y1, x2, y2, lost);
      }
    }
    pen.globalAlpha = 1;
  }

  labelMessages(pen) {
    const { why, type, story } = this.messages;
    const chosen = this.chain.size > 0;
    const stands = (i) => (chosen ? this.chain.has(i) : story[i] === 1);
    const first = this.drawn.filter(stands);
    const others = chosen ? [] : this.drawn.filter((i) => !stands(i));
    for (const [group, most, tone] of [[first, DIAGRAM.labelled, "ink"], [others, DIAGRAM.labelled / 2, "soft"]]) {
      if (group.length > most) continue;
      for (const i of group) this.labelArrow(pen, this.data.types[type[i]], this.segment(i), why[i] ? "bad" : tone);
    }
  }

  drawHead(pen, x1, y1, x2, y2, lost) {
    if (lost) {
      pen.lineWidth = this.drawn.length > DIAGRAM.many ? 1.2 : 2;
      pen.beginPath();
      for (const [a, b] of [[1, 1], [1, -1]]) { pen.moveTo(x2 - 4 * a, y2 - 4 * b); pen.lineTo(x2 + 4 * a, y2 + 4 * b); }
      pen.stroke();
      return;
    }
    const angle = Math.atan2(y2 - y1, x2 - x1);
    pen.beginPath();
    pen.moveTo(x2, y2);
    for (const turn of [2.75, -2.75]) pen.lineTo(x2 + 8 * Math.cos(angle + turn), y2 + 8 * Math.sin(angle + turn));
    pen.fill();
  }

  /* Beside the arrow, where there is room for it. */
  labelArrow(pen, text, [x1, y1, x2, y2], tone) {
    const width = pen.measureText(text).width;
    for (const share of [0.5, 0.3, 0.7]) {
      const x = x1 + (x2 - x1) * share + 5;
      const y = y1 + (y2 - y1) * share - 6;
      if (x < this.left || x + width > this.left + this.inner || !this.hasRoom(x, y - 6, width, 12)) continue;
      this.write(pen, text, x, y, tone);
      return;
    }
  }

  drawAxis(pen) {
    pen.fillStyle = colour("rule");
    pen.fillRect(this.left, this.bottom, this.inner, 1);
    pen.textAlign = "center";
    const { found, digits } = diagramTicks(this);
    for (const at of found) {
      const x = this.x(at * 1e9 - this.data.begin);
      pen.fillStyle = colour("rule");
      pen.fillRect(x, this.bottom, 1, 4);
      pen.fillStyle = colour("soft");
      pen.fillText(`${at.toFixed(digits)} s`, Math.min(Math.max(x, this.left + 24), this.left + this.inner - 12), this.bottom + 13);
    }
  }

  /* A message in words. */
  tell(i) {
    const { from, to, sent, end, type, why, cause, body } = this.messages;
    const name = (lane) => (lane < 0 ? "?" : this.data.lanes[lane].name);
    const fate = why[i] ? `lost (${this.data.whys[why[i]]}) after ${formatDuration((end[i] - sent[i]) / 1e3)}`
      : end[i] < 0 ? "not seen to arrive" : `arrived after ${formatDuration((end[i] - sent[i]) / 1e3)}`;
    const lines = [`${this.data.types[type[i]]}, ${name(from[i])} → ${name(to[i])}: sent at ${formatMoment((this.data.begin + sent[i]) / 1e3, 5)}, ${fate}`, body[i]];
    if (cause[i] >= 0) lines.push(`sent on receipt of ${this.data.types[type[cause[i]]]} from ${name(from[cause[i]])}`);
    return lines;
  }

  /* Selects a message and with it what caused it and what it caused. */
  select(i) {
    this.selected = i;
    this.chain = new Set();
    if (i >= 0) {
      const { cause } = this.messages;
      for (let at = i; at >= 0 && !this.chain.has(at); at = cause[at]) this.chain.add(at);
      const after = new Set([i]);
      for (let at = i + 1; at < this.count; at++) if (after.has(cause[at])) after.add(at);
      for (const at of after) this.chain.add(at);
      const [first, ...rest] = this.tell(i);
      const others = this.chain.size - 1;
      this.said.textContent = [first, ...rest, others ? `Highlighted with it: ${others} that led to it or came of it.` : ""].filter(Boolean).join("\n");
    } else this.said.textContent = "";
    this.schedule();
  }

  /* The nearest message to a point, if one is near. */
  near(x, y) {
    let best = -1;
    let least = 7;
    for (const i of this.drawn) {
      const [x1, y1, x2, y2] = this.segment(i);
      const length = (x2 - x1) ** 2 + (y2 - y1) ** 2 || 1;
      const t = Math.min(1, Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length));
      const far = Math.hypot(x - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1));
      if (far < least) [least, best] = [far, i];
    }
    return best;
  }

  fillList() {
    const list = this.list.querySelector("ol");
    list.replaceChildren(...this.drawn.slice(0, DIAGRAM.listed).map((i) => {
      const item = document.createElement("li");
      item.textContent = this.tell(i).slice(0, 2).join(" ");
      return item;
    }));
    const more = this.drawn.length - DIAGRAM.listed;
    this.list.querySelector("p").textContent = more > 0 ? `${more.toLocaleString("en")} more; zoom in to list them.` : "";
  }

  zoom(from, to) {
    const { low, high } = this.scale;
    const width = Math.min(Math.max(to - from, 20000), high - low);
    const start = Math.min(Math.max(from, low), high - width);
    this.view = { from: start, to: start + width };
    this.schedule();
  }

  move(how) {
    const { from, to } = this.view;
    const width = to - from;
    const shift = { left: -0.25, right: 0.25 }[how];
    if (how === "all") this.zoom(this.scale.low, this.scale.high);
    else if (how === "focus") this.zoom(...this.focus);
    else if (shift) this.zoom(from + shift * width, to + shift * width);
    else {
      const factor = how === "in" ? 0.25 : -0.5;
      this.zoom(from + factor * width, to - factor * width);
    }
  }
}

function drawSpaceTime(figure, data) {
  return new SpaceTime(figure, data);
}
