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
function stretchedTime(calls, room) {
  const times = [...new Set(calls.flatMap((c) => (c.end === null ? [c.start] : [c.start, c.end])))].sort((a, b) => a - b);
  const gaps = times.slice(1).map((t, i) => t - times[i]);
  const least = Math.max(Math.min(...gaps, Infinity), 1000);
  const weights = gaps.map((gap) => 1 + 0.75 * Math.log10(1 + gap / (Number.isFinite(least) ? least : 1)));
  const total = weights.reduce((a, b) => a + b, 0) || 1;
  const unit = Math.min(Math.max(room / total, 15), 120);
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
  scale.times.forEach((time, i) => {
    const x = offset + scale.places[i];
    parent.append(svg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, class: "lane" }));
    if (x < free) return;
    parent.append(svg("text", { x, y: bottom + 16, class: "quiet", "text-anchor": "middle" }, `${(time / 1e9).toFixed(4)}`));
    free = x + 62;
  });
}

function drawShades(parent, faults, scale, offset, width, top, bottom) {
  const first = scale.times[0];
  const last = scale.times[scale.times.length - 1];
  let row = 0;
  for (const fault of faults) {
    if (fault.end < first || fault.start > last) continue;
    const left = Math.max(offset + scale.at(fault.start), offset - 12);
    const right = Math.min(offset + scale.at(fault.end), width - 4);
    const shade = svg("rect", { x: left, y: top, width: Math.max(right - left, 2), height: bottom - top, class: "shade" });
    shade.append(svg("title", {}, fault.said));
    parent.append(shade);
    const fits = Math.max(Math.floor((width - left - 8) / CHARACTER), 4);
    parent.append(svg("text", { x: left + 3, y: 13 + (row % 3) * 13, class: "quiet" }, cutTo(`⚡ ${fault.said}`, fits)));
    row++;
  }
  return row;
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

/* The order that the checker tried: a point in each bar, joined in turn. */
function drawOrder(parent, calls, placed) {
  const ordered = calls.filter((c) => c.order !== null).sort((a, b) => a.order - b.order);
  if (ordered.length < 2) return;
  let latest = -Infinity;
  const points = ordered.map((call) => {
    const { x, end, y } = placed.get(call.index);
    latest = Math.min(Math.max(latest + 3, x + 7), Math.max(end - 3, x + 7));
    return { x: latest, y: y + 24, call };
  });
  // Behind the bars, so that no label is crossed out.
  const line = svg("path", { class: "order", d: `M${points.map((p) => `${p.x} ${p.y}`).join("L")}` });
  parent.insertBefore(line, parent.querySelector(".call"));
  for (const { x, y, call } of points) {
    const point = svg("circle", { class: "point", cx: x, cy: y, r: 7 });
    point.append(svg("title", {}, `${call.order}. ${call.said}${call.state ? ` — state then: ${call.state}` : ""}`));
    parent.append(point, svg("text", { class: "point-number", x, y: y + 3, "aria-hidden": "true" }, call.order));
  }
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

function drawEvidence(figure, drawing, faults, show) {
  const { calls, edges } = drawing;
  const processes = [...new Set(calls.map((c) => c.process))].sort((a, b) => a - b);
  const frame = document.createElement("div");
  frame.className = "canvas";
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "The calls of the counterexample, by process");
  const room = Math.max(figure.clientWidth, 300) - LABELS - 60;
  const scale = stretchedTime(calls, room);
  const width = Math.max(LABELS + scale.width + 60, figure.clientWidth - 2);
  const first = scale.times[0];
  const last = scale.times[scale.times.length - 1];
  const active = faults.filter((f) => f.end >= first && f.start <= last).length;
  const top = 8 + Math.min(active, 3) * 13;
  const bottom = top + processes.length * LANE + 4;
  const picture = svg("svg", { width, height: bottom + 24, viewBox: `0 0 ${width} ${bottom + 24}` });
  drawShades(picture, faults, scale, LABELS, width, top, bottom);
  processes.forEach((process, row) => {
    const y = top + row * LANE;
    const nodes = [...new Set(calls.filter((c) => c.process === process).map((c) => c.node))].filter(Boolean);
    picture.append(svg("text", { x: 8, y: y + 21 }, `process ${process}`));
    picture.append(svg("text", { x: 8, y: y + 34, class: "quiet" }, cutTo(nodes.join(" "), 12)));
    picture.append(svg("line", { x1: 0, x2: width, y1: y + LANE - 1, y2: y + LANE - 1, class: "lane" }));
  });
  const placed = new Map();
  for (const call of calls) {
    const x = LABELS + scale.at(call.start);
    const end = call.end === null ? LABELS + scale.width + 40 : LABELS + scale.at(call.end);
    placed.set(call.index, { x, end, y: top + processes.indexOf(call.process) * LANE });
  }
  const said = document.createElement("p");
  said.className = "said";
  said.setAttribute("aria-live", "polite");
  for (const call of calls) {
    const { x, end, y } = placed.get(call.index);
    const after = calls.filter((c) => c.process === call.process && c.start > call.start).map((c) => placed.get(c.index).x);
    const group = drawCall(call, x, end, y, Math.min(...after, width) - x - 4);
    const choose = () => {
      for (const other of picture.querySelectorAll(".chosen")) other.classList.remove("chosen");
      group.classList.add("chosen");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Show in the history";
      button.addEventListener("click", () => show(call.index));
      said.replaceChildren(`${formatMoment(call.start / 1e3, 6)}: ${call.said}. `, button);
    };
    group.addEventListener("click", choose);
    group.addEventListener("focus", choose);
    picture.append(group);
  }
  drawOrder(picture, calls, placed);
  drawEdges(picture, edges, placed);
  drawAxis(picture, scale, bottom, LABELS);
  frame.append(picture);
  figure.append(frame, said);
}
