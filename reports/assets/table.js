"use strict";
/* The history as a table: only the rows in sight are in the page, filters run over the columns. */

/* exported HistoryTable */
/* global TYPES, formatDuration, formatMoment, lowerBound */
const ROW = 24;
// Browsers stop at some 17 to 33 million pixels; beyond this the scroll bar is scaled.
const TALLEST = 8e6;

class HistoryTable {
  constructor(history) {
    this.history = history;
    this.rows = document.getElementById("rows");
    this.spacer = document.getElementById("spacer");
    this.table = document.getElementById("table");
    this.detail = document.getElementById("row-detail");
    this.chosen = null;
    this.count = history.rows;
    this.selected = -1;
    this.pool = [];
    this.window = { from: 0, to: Infinity };
    this.first = 0; // of the rows in the window, where nothing else is asked
    this.turn = 0;
    this.fillChoices();
    this.listen();
    this.filter();
  }

  rowAt(place) {
    return this.chosen ? this.chosen[place] : this.first + place;
  }

  placeOf(row) {
    return this.chosen ? lowerBound(this.chosen, row) : row - this.first;
  }

  fillChoices() {
    for (const name of ["f", "node"]) {
      const table = this.history.tables[name];
      const select = document.getElementById(`filter-${name}`);
      for (let code = 1; code < Math.min(table.length, 500); code++) select.append(new Option(table.get(code), code));
    }
  }

  listen() {
    let waiting = 0;
    const soon = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.filter(), 150);
    };
    const form = document.getElementById("filters");
    form.addEventListener("input", soon);
    form.addEventListener("reset", soon);
    form.addEventListener("submit", (event) => event.preventDefault());
    this.rows.addEventListener("scroll", () => {
      if (!this.pending) this.pending = requestAnimationFrame(() => { this.pending = 0; this.paint(); });
    });
    new ResizeObserver(() => this.paint()).observe(this.rows);
    this.rows.addEventListener("click", (event) => {
      const row = event.target.closest("[data-place]");
      if (row) this.select(Number(row.dataset.place));
    });
    this.rows.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.floor(this.rows.clientHeight / ROW) - 1);
      const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
      if (!by) return;
      event.preventDefault();
      this.select(Math.min(Math.max(this.selected + by, 0), this.count - 1), true);
    });
  }

  setWindow(view) {
    this.window = view;
    if (document.getElementById("filter-window").checked) this.filter();
  }

  asked(name) {
    return document.getElementById(`filter-${name}`).value.trim();
  }

  /* Tests that a row has to pass; `matching` says which values and errors hold the text. */
  conditions(matching) {
    const { type, f, key, value, node, error, process, tables } = this.history;
    const tests = [];
    if (matching) tests.push((i) => matching.value[value[i]] || matching.error[error[i]]);
    for (const [name, column] of Object.entries({ type, f, node })) {
      const wanted = this.asked(name);
      if (wanted) tests.push((i) => column[i] === Number(wanted));
    }
    const who = this.asked("process");
    if (who) {
      const wanted = "nemesis".startsWith(who.toLowerCase()) ? 0 : Number(who) + 1;
      tests.push((i) => process[i] === wanted);
    }
    if (this.asked("key")) {
      const wanted = tables.key.equal(this.asked("key"));
      tests.push((i) => wanted[key[i]]);
    }
    return tests;
  }

  /* Filters at once, unless there is so much text to search that it takes several frames. */
  filter() {
    const turn = ++this.turn;
    const text = this.asked("text").toLowerCase();
    if (!text) this.apply(null);
    else this.search(text, () => turn === this.turn);
  }

  async search(text, isWanted) {
    const matching = {};
    for (const name of ["value", "error"]) {
      const table = this.history.tables[name];
      matching[name] = new Uint8Array(table.length);
      for (let code = table.mark(matching[name], text, 0); code < table.length; code = table.mark(matching[name], text, code)) {
        document.getElementById("table-count").textContent = "searching …";
        await new Promise(requestAnimationFrame);
        if (!isWanted()) return;
      }
    }
    this.apply(matching);
  }

  apply(matching) {
    const kept = this.selected >= 0 && this.selected < this.count ? this.rowAt(this.selected) : -1;
    const tests = this.conditions(matching);
    const { rows, time } = this.history;
    const isWindow = document.getElementById("filter-window").checked;
    const first = isWindow ? lowerBound(time, this.window.from) : 0;
    const end = isWindow ? lowerBound(time, this.window.to + 1e-6) : rows;
    this.chosen = null;
    this.first = first;
    this.count = end - first;
    if (tests.length) {
      const found = new Int32Array(end - first);
      let count = 0;
      for (let i = first; i < end; i++) {
        let passes = true;
        for (let t = 0; passes && t < tests.length; t++) passes = tests[t](i);
        if (passes) found[count++] = i;
      }
      this.chosen = found.slice(0, count);
      this.count = count;
    }
    const total = this.history.rows.toLocaleString("en");
    document.getElementById("table-count").textContent = tests.length || isWindow
      ? `${this.count.toLocaleString("en")} of ${total} operations` : `${total} operations`;
    this.table.setAttribute("aria-rowcount", this.count + 1);
    this.spacer.style.height = `${Math.min(this.count * ROW, TALLEST)}px`;
    const place = kept < 0 ? -1 : this.placeOf(kept);
    this.selected = place >= 0 && place < this.count && this.rowAt(place) === kept ? place : -1;
    if (this.selected >= 0) this.reveal(this.selected);
    else {
      this.rows.scrollTop = 0;
      this.detail.textContent = "";
    }
    this.paint();
  }

  /* The first place in sight, as a fraction: scaled where the table is taller than browsers allow. */
  topPlace() {
    const room = this.rows.clientHeight;
    const tall = this.count * ROW;
    if (tall <= TALLEST) return this.rows.scrollTop / ROW;
    return (this.rows.scrollTop / (TALLEST - room)) * ((tall - room) / ROW);
  }

  reveal(place) {
    const room = this.rows.clientHeight;
    const tall = this.count * ROW;
    const top = this.topPlace();
    const inSight = room / ROW;
    let wanted = top;
    if (place < top) wanted = place;
    else if (place + 1 > top + inSight) wanted = place + 1 - inSight;
    if (wanted === top) return;
    this.rows.scrollTop = tall <= TALLEST ? wanted * ROW : (wanted / ((tall - room) / ROW)) * (TALLEST - room);
  }

  select(place, byKey = false) {
    if (this.count === 0) return;
    this.selected = place;
    if (byKey) this.reveal(place);
    this.paint();
    const row = this.rowAt(place);
    const partner = this.history.pair[row];
    const lines = [this.describe(row)];
    if (partner >= 0) {
      const took = formatDuration(Math.abs(this.history.time[partner] - this.history.time[row]));
      lines.push(`${this.describe(partner)}`, `${took} from invocation to completion`);
    }
    this.detail.textContent = lines.join("\n");
  }

  /* Selects an operation by its index, dropping filters that hide it. */
  jump(row) {
    const at = this.placeOf(row);
    if (at < 0 || at >= this.count || this.rowAt(at) !== row) {
      document.getElementById("filters").reset();
      this.filter();
    }
    const place = this.placeOf(row);
    this.rows.scrollIntoView({ block: "center" });
    this.rows.focus({ preventScroll: true });
    this.select(place, true);
  }

  cells(row) {
    const h = this.history;
    const { f, key, value, node, error } = h.tables;
    return [row, formatMoment(h.time[row], 6), h.process[row] === 0 ? "nemesis" : h.process[row] - 1, TYPES[h.type[row]],
      f.get(h.f[row]), key.get(h.key[row]), value.get(h.value[row]), node.get(h.node[row]), error.get(h.error[row])];
  }

  describe(row) {
    const [index, time, process, type, f, key, value, node, error] = this.cells(row);
    const parts = [`${index}  ${time}  process ${process}  ${type} ${f}`];
    if (key) parts.push(`key ${key}`);
    if (value) parts.push(`value ${value}`);
    if (node) parts.push(`on ${node}`);
    if (error) parts.push(`error ${error}`);
    return parts.join("  ");
  }

  makeRow() {
    const element = document.createElement("div");
    element.setAttribute("role", "row");
    for (let i = 0; i < 9; i++) {
      const cell = document.createElement("span");
      cell.setAttribute("role", "cell");
      if (i === 3) cell.className = "type";
      element.append(cell);
    }
    this.rows.append(element);
    return element;
  }

  paint() {
    const top = this.topPlace();
    const first = Math.floor(top);
    const room = this.rows.clientHeight;
    const visible = Math.min(Math.ceil(room / ROW) + 1, this.count - first);
    const shift = this.rows.scrollTop - (top - first) * ROW;
    const partner = this.selected >= 0 ? this.history.pair[this.rowAt(this.selected)] : -1;
    while (this.pool.length < visible) this.pool.push(this.makeRow());
    this.pool.forEach((element, i) => {
      element.hidden = i >= visible;
      element.style.display = i >= visible ? "none" : "";
      if (i >= visible) return;
      const place = first + i;
      const row = this.rowAt(place);
      element.dataset.place = place;
      element.setAttribute("aria-rowindex", place + 2);
      element.className = `row t${this.history.type[row]}${this.history.process[row] === 0 ? " nemesis" : ""}`
        + `${place === this.selected ? " selected" : ""}${row === partner ? " partner" : ""}`;
      element.style.top = `${shift + i * ROW}px`;
      this.cells(row).forEach((text, column) => { element.children[column].textContent = text; });
    });
  }
}
