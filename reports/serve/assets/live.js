"use strict";
/* Shows a trial as it runs: the server tells its state whenever that has changed. Text from nodes
   and clients is only ever set as textContent. */

/* global formatDuration */

const HEIGHT = 230;
const LEFT = 46;
const LANE = 16;
const LANES_MAX = 5;
const TOP = LANES_MAX * LANE + 6;
const BOTTOM = 208;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const seconds = (ns) => `${(ns / 1e9).toFixed(1)} s`;

function ago(s) {
  if (s < 120) return `${s} s ago`;
  return s < 7200 ? `${Math.round(s / 60)} min ago` : `${Math.round(s / 3600)} h ago`;
}

function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text; // else a screen reader says it again
}

function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function fill(body, rows) {
  body.replaceChildren(
    ...rows.map((cells) => {
      const row = document.createElement("tr");
      cells.forEach((text, at) => {
        const cell = document.createElement(at ? "td" : "th");
        if (!at) cell.scope = "row";
        cell.textContent = text;
        row.append(cell);
      });
      return row;
    }),
  );
}

/* Each fault in the first lane that is free; what finds none is in the table. */
function lanes(faults, end) {
  const free = [];
  const placed = [];
  for (const fault of [...faults].sort((a, b) => a.start_ns - b.start_ns)) {
    const until = fault.end_ns ?? Math.max(end, fault.start_ns);
    let lane = free.findIndex((at) => at <= fault.start_ns);
    if (lane < 0) lane = free.length;
    if (lane >= LANES_MAX) continue;
    free[lane] = until;
    placed.push({ ...fault, lane, until });
  }
  return placed;
}

function draw(state) {
  const chart = byId("chart");
  const wide = Math.max(chart.clientWidth, 300); // so that text keeps its size
  chart.setAttribute("viewBox", `0 0 ${wide} ${HEIGHT}`);
  const end = Math.max(state.time_ns, (state.time_limit_s ?? 0) * 1e9, 1e9);
  const x = (ns) => LEFT + ((wide - LEFT) * Math.min(Math.max(ns, 0), end)) / end;
  const parts = [];
  const kinds = [...new Set(state.faults.map((fault) => fault.kind))].sort();
  for (const fault of lanes(state.faults, state.time_ns)) {
    const [from, to] = [x(fault.start_ns), x(fault.until)];
    const width = Math.max(to - from, 2);
    parts.push(shape("rect", { class: "fault", x: from, y: TOP, width, height: BOTTOM - TOP }));
    const y = (LANES_MAX - 1 - fault.lane) * LANE;
    parts.push(shape("rect", { class: `lane kind${kinds.indexOf(fault.kind) % 6}`, x: from, y, width, height: LANE - 2, rx: 3 }));
    const text = fault.said.length * 6 < width ? fault.said : fault.kind.length * 6 < width ? fault.kind : "";
    if (text) parts.push(shape("text", { class: "lane-text", x: from + 4, y: y + LANE - 5 }, text));
  }
  const names = ["ok", "fail", "info"];
  const count = state.bins.ok.length;
  const most = Math.max(1, ...state.bins.ok.map((_, at) => names.reduce((sum, name) => sum + state.bins[name][at], 0)));
  const step = x(state.bin_s * 1e9) - x(0);
  for (let at = 0; at < count; at++) {
    let y = BOTTOM;
    for (const name of names) {
      const height = ((BOTTOM - TOP) * state.bins[name][at]) / most;
      if (!height) continue;
      y -= height;
      const left = x(at * state.bin_s * 1e9);
      parts.push(shape("rect", { class: name, x: left, y, width: Math.max(step - (step > 4 ? 1 : 0), 0.8), height }));
    }
  }
  parts.push(shape("line", { class: "rule", x1: LEFT, x2: wide, y1: BOTTOM, y2: BOTTOM }));
  for (const [text, y] of [[`${number(Math.round(most / state.bin_s))}/s`, TOP + 8], ["0", BOTTOM]]) {
    parts.push(shape("text", { class: "tick", x: LEFT - 6, y, "text-anchor": "end" }, text));
  }
  if (state.time_limit_s && state.time_limit_s * 1e9 < end) {
    const at = x(state.time_limit_s * 1e9);
    parts.push(shape("line", { class: "limit", x1: at, x2: at, y1: TOP, y2: BOTTOM }));
  }
  for (const [share, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
    const place = { class: "tick", x: x(end * share), y: BOTTOM + 16, "text-anchor": anchor };
    parts.push(shape("text", place, seconds(end * share)));
  }
  chart.replaceChildren(...parts);
}

function show(state) {
  const { phase } = state;
  say("phase", phase.charAt(0).toUpperCase() + phase.slice(1));
  if (state.sentence) say("sentence", state.sentence);
  const progress = byId("progress");
  if (state.time_ns && state.time_limit_s) progress.value = Math.min(1, state.time_ns / (state.time_limit_s * 1e9));
  else progress.removeAttribute("value");
  const limit = state.time_limit_s ? ` of ${state.time_limit_s} s` : "";
  say("clock", `${seconds(state.time_ns)}${limit} of trial time; started ${ago(state.wall_s)}`);
  say("silence", state.silent_s > 15 ? `Nothing was written for ${number(state.silent_s)} s.` : "");
  for (const name of ["ok", "fail", "info"]) say(name, number(state.calls[name]));
  say("open", number(state.open));
  say("rate", state.rate === null ? "–" : number(state.rate));
  for (const name of ["p50", "p95", "p99"]) {
    const ns = state.latency[name];
    say(name, ns === undefined ? "–" : formatDuration(ns / 1e3));
  }
  say("active", number(state.faults_active));
  say("fault-count", state.faults_total ? `${number(state.faults_total)} so far` : "none so far");
  fill(byId("faults"), [...state.faults].reverse().map((fault) => [
    fault.said, fault.state, seconds(fault.start_ns), fault.end_ns === null ? "" : seconds(fault.end_ns),
  ]));
  fill(byId("calls"), state.by_f.map((row) => [row.f, number(row.ok), number(row.fail), number(row.info)]));
  say("unreadable", state.unreadable ? `${number(state.unreadable)} lines could not be read.` : "");
  draw(state);
}

function start() {
  const main = byId("main");
  const source = new EventSource(main.dataset.events);
  source.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    if (state.state === "gone") say("phase", "The run folder is gone.");
    else show(state);
    document.documentElement.dataset.ready = "yes";
  });
  source.addEventListener("ended", () => {
    source.close();
    if (byId("phase").textContent === "The run folder is gone.") return;
    say("phase", "Judged. Here is the report.");
    window.location.replace(main.dataset.run);
  });
  source.addEventListener("error", () => say("silence", "The server does not answer; trying again."));
}

start();
