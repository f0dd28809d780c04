"use strict";
/* Unpacks the history: see reports/packing.py for the layout. Everything is typed arrays. */

/* exported loadHistory, TYPES */
/* global lowerBound */
const TYPES = ["invoke", "ok", "fail", "info"];
const SLICE = 4e6; // characters searched between two frames

class Table {
  /* A table of distinct values: one string, and where each line of it begins. */
  constructor(bytes, lines) {
    this.text = new TextDecoder().decode(bytes);
    this.starts = new Uint32Array(lines + 1);
    let at = 0;
    for (let line = 1; line < lines; line++) {
      at = this.text.indexOf("\n", at) + 1;
      this.starts[line] = at;
    }
    this.starts[lines] = this.text.length + 1;
    this.length = lines;
  }

  get(code) {
    return this.text.slice(this.starts[code], this.starts[code + 1] - 1);
  }

  /* Sets found[code] for codes from `first` on that hold a text, given in lower case, ignoring
   * case; stops after some four million characters. Returns the code to go on with. */
  mark(found, wanted, first) {
    const last = Math.min(this.length, Math.max(first + 1, lowerBound(this.starts, this.starts[first] + SLICE)));
    const from = this.starts[first];
    const until = this.starts[last] - 1;
    const text = this.text.slice(from, until).toLowerCase();
    if (text.length !== until - from) {
      for (let code = first; code < last; code++) {
        if (this.get(code).toLowerCase().includes(wanted)) found[code] = 1;
      }
      return last;
    }
    let code = first;
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at)) {
      while (this.starts[code + 1] - from <= at) code++;
      found[code] = 1;
      at = this.starts[code + 1] - from;
    }
    return last;
  }

  equal(text) {
    const found = new Uint8Array(this.length);
    for (let code = 0; code < this.length; code++) {
      if (this.get(code) === text) found[code] = 1;
    }
    return found;
  }
}

async function inflate(base64, size) {
  const binary = atob(base64);
  const packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const result = new Uint8Array(size);
  const reader = stream.getReader();
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return result;
    result.set(value, at);
    at += value.length;
  }
}

function joinPlanes(bytes, part, rows, into) {
  let scale = 1;
  for (let plane = 0; plane < part.width; plane++) {
    const from = part.at + plane * rows;
    if (plane === 0) for (let i = 0; i < rows; i++) into[i] = bytes[from + i];
    else for (let i = 0; i < rows; i++) into[i] += bytes[from + i] * scale;
    scale *= 256;
  }
  return into;
}

/* The row of the completion of each invocation and the reverse; -1 where there is none. */
function pairUp(rows, process, type) {
  const pair = new Int32Array(rows).fill(-1);
  let most = 0;
  for (let i = 0; i < rows; i++) if (process[i] > most) most = process[i];
  const open = new Int32Array(most + 1).fill(-1);
  for (let i = 0; i < rows; i++) {
    const who = process[i];
    if (type[i] === 0) open[who] = i;
    else if (open[who] >= 0) {
      pair[i] = open[who];
      pair[open[who]] = i;
      open[who] = -1;
    }
  }
  return pair;
}

async function loadHistory(layout, base64) {
  const bytes = await inflate(base64, layout.bytes);
  const rows = layout.rows;
  const column = (name, kind) => joinPlanes(bytes, layout.columns[name], rows, new kind(rows));
  const time = column("time", Float64Array);
  for (let i = 1; i < rows; i++) time[i] += time[i - 1];
  const history = { rows, time, tables: {} };
  history.type = column("type", Uint8Array);
  for (const name of ["process", "f", "key", "value", "node", "error"]) {
    history[name] = column(name, Int32Array);
  }
  for (const [name, part] of Object.entries(layout.tables)) {
    history.tables[name] = new Table(bytes.subarray(part.at, part.at + part.bytes), part.lines);
  }
  history.pair = pairUp(rows, history.process, history.type);
  return history;
}
