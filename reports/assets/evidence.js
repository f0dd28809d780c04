"use strict";
/* Draws an anomaly: a bar for each call, one lane a process; see reports/evidence.py. */

/* exported drawEvidence */
/* global formatMoment */
const LANE = 40;
const LABELS = 96;
const CHARACTER = 6.7;

function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/* A time scale on which every wait gets room: monotone, so order and overlap stay true. */
function stretchedTime(calls, room, zoom) {
  const times = [...new Set(calls.flatMap((c) => (c.end === null ? [c.start] : [c.start, c.end])))].sort((a, b) => a - b);
  const gaps = times.slice(1).map((t, i) => t - times[i]);
  const least = Math.max(Math.min(...gaps, Infinity), 1000);
  const weights = gaps.map((gap) => 1 + 0.75 * Math.log10(1 + gap / (Number.isFinite(least) ? least : 1)));
  const total = weights.reduce((a, b) => a + b, 0) || 1;
  const unit = Math.min(Math.max(room / total, 15), 120) * zoom;
  const places = [0];
  for (const weight of weights) places.push(places[places.length - 1] + weight * unit);
  const last = times.length - 1;
  const at = (time) => {
    if (time <= times[0]) return time < times[0] ? -12 : 0;
    if (time >= times[last]) return places[last] + (time > times[last] ? 26 : 0);
    let low = 0;
    while (times[low + 1] <= time) low++;
    return places[low] + ((time - times[low]) / (times[low + 1] - times[low])) * (places[low + 1] - places[low]);
  };
  return { times, places, at, width: places[last] };
}

function drawAxis(parent, scale, bottom, offset) {
  let free = -Infinity;
  // A history without times is given counters; seconds would show nothing but zeros.
  const isCounted = scale.times[scale.times.length - 1] < 100000;
  scale.times.forEach((time, i) => {
    const x = offset + scale.places[i];
    parent.append(svg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, class: "lane" }));
    if (x < free) return;
    parent.append(svg("text", { x, y: bottom + 16, class: "quiet", "text-anchor": "middle" }, isCounted ? `${time} ns` : (time / 1e9).toFixed(4)));
    free = x + 62;
  });
}

function drawShades(parent, faults, scale, offset, width, top, bottom) {
  const first = scale.times[0];
  const last = scale.times[scale.times.length - 1];
  const free = [-Infinity, -Infinity, -Infinity];
  for (const fault of faults) {
    if (fault.end < first || fault.start > last) continue;
    const left = Math.max(offset + scale.at(fault.start), offset - 12);
    const right = Math.min(offset + scale.at(fault.end), width - 4);
    const shade = svg("rect", { x: left, y: top, width: Math.max(right - left, 2), height: bottom - top, class: "shade" });
    shade.append(svg("title", {}, fault.said));
    parent.append(shade);
    const fits = Math.max(Math.floor((width - left - 8) / CHARACTER), 4);
    const text = cutTo(`⚡ ${fault.said}`, Math.min(fits, 56));
    const row = free.findIndex((end) => end <= left);
    if (row < 0) continue;
    free[row] = left + (text.length + 2) * CHARACTER;
    parent.append(svg("text", { x: left + 3, y: 13 + row * 13, class: "quiet" }, text));
  }
}

const cutTo = (text, length) => (text.length <= length ? text : `${text.slice(0, Math.max(length - 1, 1))}…`);

function drawCall(call, x, end, y, room) {
  const mark = { stuck: "✕ ", evidence: "", context: "" }[call.role] + { ok: "", fail: "✗fail ", info: "? " }[call.outcome];
  const label = cutTo(mark + call.label, Math.max(Math.floor(room / CHARACTER), 3));
  const name = `${label}: ${call.said}`;
  const group = svg("g", { class: `call ${call.outcome} ${call.role}`, tabindex: 0, role: "button", "aria-label": name });
  group.append(svg("title", {}, call.said));
  const open = call.end === null;
  const width = Math.max(end - x, 6);
  if (open) {
    const tip = x + width;
    group.append(svg("path", { class: "bar", d: `M${x} ${y + 17}H${tip - 8}L${tip} ${y + 24}L${tip - 8} ${y + 31}H${x}Z` }));
  } else {
    group.append(svg("rect", { class: "bar", x, y: y + 17, width, height: 14, rx: 2 }));
  }
  group.append(svg("text", { x, y: y + 12, "aria-hidden": "true" }, label));
  return group;
}

/* The order that the checker tried: a point in each bar, joined in turn, and where it ends. */
function drawOrder(parent, drawing, placed) {
  const ordered = drawing.calls.filter((c) => c.order !== null).sort((a, b) => a.order - b.order);
  if (ordered.length === 0) return;
  let latest = -Infinity;
  const points = ordered.map((call) => {
    const { x, end, y } = placed.get(call.index);
    latest = Math.min(Math.max(latest + 3, x + 7), Math.max(end - 3, x + 7));
    return { x: latest, y: y + 24, call };
  });
  // Behind the bars, so that no label is crossed out.
  const first = parent.querySelector(".call");
  parent.insertBefore(svg("path", { class: "order", d: `M${points.map((p) => `${p.x} ${p.y}`).join("L")}` }), first);
  drawDeadEnd(parent, drawing, points[points.length - 1], placed, first);
  for (const { x, y, call } of points) {
    const point = svg("circle", { class: "point", cx: x, cy: y, r: 7 });
    point.append(svg("title", {}, `${call.order}. ${call.said}${call.state ? `; the object then holds ${call.state}` : ""}`));
    parent.append(point, svg("text", { class: "point-number", x, y: y + 3, "aria-hidden": "true" }, call.order));
  }
}

/* From the last point to the call that no order can take in. */
function drawDeadEnd(parent, drawing, last, placed, first) {
  const stuck = drawing.calls.find((c) => c.role === "stuck");
  if (!stuck || stuck.order !== null || drawing.states.length === 0) return;
  const { x, y } = placed.get(stuck.index);
  parent.insertBefore(svg("path", { class: "order dead", d: `M${last.x} ${last.y}L${x} ${y + 24}` }), first);
  const mark = svg("g", { class: "dead-mark" });
  mark.append(svg("title", {}, `No order goes on from here: the object holds ${drawing.states.join(" or ")}`));
  mark.append(svg("circle", { cx: x, cy: y + 24, r: 7 }), svg("path", { d: `M${x - 3} ${y + 21}l6 6m0 -6l-6 6` }));
  parent.append(mark);
}

function drawEdges(parent, edges, placed) {
  for (const edge of edges) {
    const a = placed.get(edge.from);
    const b = placed.get(edge.to);
    if (!a || !b) continue;
    const [x1, y1, x2, y2] = [(a.x + a.end) / 2, a.y + 24, (b.x + b.end) / 2, b.y + 24];
    const bend = Math.max(30, Math.abs(y2 - y1) / 2);
    const path = svg("path", { class: "edge", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 + bend} ${y2} ${x2} ${y2}` });
    path.append(svg("title", {}, `${edge.type}: ${edge.why}`));
    parent.append(path, svg("text", { x: (x1 + x2) / 2 + bend * 0.75, y: (y1 + y2) / 2 }, edge.type));
  }
}

class Evidence {
  constructor(figure, drawing, faults, show) {
    Object.assign(this, { figure, drawing, faults, show });
    this.zoom = 1;
    this.processes = [...new Set(drawing.calls.map((c) => c.process))].sort((a, b) => a - b);
    this.frame = document.createElement("div");
    this.frame.className = "canvas";
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "group");
    this.frame.setAttribute("aria-label", "The calls of the counterexample, by process");
    this.said = document.createElement("p");
    this.said.className = "said";
    this.said.setAttribute("aria-live", "polite");
    figure.append(this.buttons(), this.frame, this.said);
    this.frame.addEventListener("scroll", () => this.keepNames());
    this.paint();
    this.reveal();
  }

  /* The names of the lanes stay in sight. */
  keepNames() {
    this.names.setAttribute("transform", `translate(${this.frame.scrollLeft} 0)`);
  }

  buttons() {
    const group = document.createElement("div");
    group.className = "buttons";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Zoom the calls");
    for (const [name, by] of [["Zoom in", 1.6], ["Zoom out", 1 / 1.6]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => this.zoomBy(by));
      group.append(button);
    }
    return group;
  }

  /* Keeps in the middle what is in the middle. */
  zoomBy(factor) {
    const { frame } = this;
    const middle = (frame.scrollLeft + frame.clientWidth / 2 - LABELS) / this.scale.width;
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.4), 30);
    this.paint();
    frame.scrollLeft = middle * this.scale.width + LABELS - frame.clientWidth / 2;
  }

  /* Scrolls to what cannot be, where the drawing is wider than the page. */
  reveal() {
    const stuck = this.drawing.calls.find((c) => c.role === "stuck");
    const place = stuck && this.placed.get(stuck.index);
    if (place && place.end > this.frame.clientWidth) this.frame.scrollLeft = place.end - this.frame.clientWidth + 60;
  }

  place(top) {
    this.placed = new Map();
    for (const call of this.drawing.calls) {
      const x = LABELS + this.scale.at(call.start);
      const end = call.end === null ? LABELS + this.scale.width + 40 : LABELS + this.scale.at(call.end);
      this.placed.set(call.index, { x, end, y: top + this.processes.indexOf(call.process) * LANE });
    }
  }

  paint() {
    const { calls, edges } = this.drawing;
    const room = Math.max(this.figure.clientWidth, 300) - LABELS - 60;
    const scale = this.scale = stretchedTime(calls, room, this.zoom);
    const width = Math.max(LABELS + scale.width + 60, this.figure.clientWidth - 2);
    const last = scale.times[scale.times.length - 1];
    const active = this.faults.filter((f) => f.end >= scale.times[0] && f.start <= last).length;
    const top = 8 + Math.min(active, 3) * 13;
    const bottom = top + this.processes.length * LANE + 4;
    const picture = svg("svg", { width, height: bottom + 24, viewBox: `0 0 ${width} ${bottom + 24}` });
    drawShades(picture, this.faults, scale, LABELS, width, top, bottom);
    this.place(top);
    const names = this.names = svg("g", { class: "names" });
    names.append(svg("rect", { x: 0, y: top, width: LABELS - 12, height: bottom - top - 1 }));
    this.processes.forEach((process, row) => {
      const y = top + row * LANE;
      const nodes = [...new Set(calls.filter((c) => c.process === process).map((c) => c.node))].filter(Boolean);
      names.append(svg("text", { x: 8, y: y + 21 }, `process ${process}`));
      names.append(svg("text", { x: 8, y: y + 34, class: "quiet" }, cutTo(nodes.join(" "), 12)));
      picture.append(svg("line", { x1: 0, x2: width, y1: y + LANE - 1, y2: y + LANE - 1, class: "lane" }));
    });
    for (const call of calls) picture.append(this.bar(picture, call, width));
    drawOrder(picture, this.drawing, this.placed);
    drawEdges(picture, edges, this.placed);
    drawAxis(picture, scale, bottom, LABELS);
    picture.append(names);
    this.frame.replaceChildren(picture);
    this.keepNames();
  }

  bar(picture, call, width) {
    const { x, end, y } = this.placed.get(call.index);
    const later = this.drawing.calls.filter((c) => c.process === call.process && c.start > call.start);
    const group = drawCall(call, x, end, y, Math.min(...later.map((c) => this.placed.get(c.index).x), width) - x - 4);
    const choose = () => {
      for (const other of picture.querySelectorAll(".chosen")) other.classList.remove("chosen");
      group.classList.add("chosen");
      this.tell(call);
    };
    for (const event of ["click", "focus", "pointerenter"]) group.addEventListener(event, choose);
    return group;
  }

  /* The call in words, its place in the order, and what the object holds before and after it. */
  tell(call) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show in the history";
    button.addEventListener("click", () => this.show(call.index));
    const before = this.drawing.calls.find((c) => call.order !== null && c.order === call.order - 1);
    let order = "";
    if (call.order !== null) {
      order = `Step ${call.order} of the longest order`;
      if (call.state) order += `: the object holds ${before && before.state ? `${before.state}, then ` : ""}${call.state}`;
      order += ". ";
    } else if (call.role === "stuck" && this.drawing.states.length) {
      order = `No order can take this in: the object can only hold ${this.drawing.states.join(" or ")}. `;
    }
    this.said.replaceChildren(`${formatMoment(call.start / 1e3, 6)}: ${call.said}. ${order}`, button);
  }
}

function drawEvidence(figure, drawing, faults, show) {
  return new Evidence(figure, drawing, faults, show);
}
