"use strict";
/* States over time: a row for each node or client, stretches and moments; see reports/tracks.py. */

/* exported drawTracks */
/* global cutTo, drawAxis, drawShades, formatMoment, stretchedTime, svg */
const TRACK = { row: 58, bar: 18, character: 6.7, shapes: { asked: "M0 -5L5 0L0 5L-5 0Z", vote: "M0 -5L5 4L-5 4Z", decision: "M0 5L5 -4L-5 -4Z", sent: "M-4 -6L6 0L-4 6Z", delivered: "M0 6L6 -4L-6 -4Z", missing: "M-5 -5L5 5M5 -5L-5 5" } };

class Tracks {
  constructor(figure, drawing, faults, show) {
    Object.assign(this, { figure, drawing, faults, show });
    this.frame = document.createElement("div");
    this.frame.className = "canvas";
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "group");
    this.frame.setAttribute("aria-label", drawing.title);
    this.said = document.createElement("p");
    this.said.className = "said";
    this.said.setAttribute("aria-live", "polite");
    figure.append(this.frame, this.said);
    this.frame.addEventListener("scroll", () => this.keepNames());
    this.paint();
    this.frame.scrollLeft = this.frame.scrollWidth; // what was wrong stands at the end
  }

  keepNames() {
    this.names.setAttribute("transform", `translate(${this.frame.scrollLeft} 0)`);
  }

  paint() {
    const { rows, bands, marks } = this.drawing;
    const longest = Math.max(...rows.map((row) => Math.min(Math.max(row.name.length, row.note.length), 13)));
    this.labels = longest * TRACK.character + 22;
    const moments = rows.flatMap((row) => [...row.stretches.flatMap((s) => [s.start, s.end]), ...row.moments.map((m) => m.time)]);
    moments.push(...marks.map(([time]) => time));
    const room = Math.max(this.figure.clientWidth, 300) - this.labels - 60;
    const scale = this.scale = stretchedTime(moments.map((start) => ({ start, end: null })), room, 1);
    const width = Math.max(this.labels + scale.width + 60, this.figure.clientWidth - 2);
    const [first, last] = [scale.times[0], scale.times[scale.times.length - 1]];
    const cuts = this.faults.filter((fault) => !["kill", "pause"].includes(fault.kind));
    const active = cuts.filter((fault) => fault.end >= first && fault.start <= last).length;
    const top = 8 + Math.min(active, 3) * 13 + (bands.length || marks.length ? 15 : 0);
    const bottom = top + rows.length * TRACK.row + 2;
    const picture = svg("svg", { width, height: bottom + 24, viewBox: `0 0 ${width} ${bottom + 24}` });
    drawShades(picture, cuts, scale, this.labels, width, top, bottom);
    this.bands(picture, top, bottom);
    this.marks(picture, top, bottom, width);
    this.links(picture, top);
    rows.forEach((row, at) => this.row(picture, row, top + at * TRACK.row, width));
    drawAxis(picture, scale, bottom, this.labels);
    const names = this.names = svg("g", { class: "names" });
    names.append(svg("rect", { x: 0, y: top, width: this.labels - 10, height: bottom - top - 1 }));
    rows.forEach((row, at) => {
      const y = top + at * TRACK.row;
      names.append(svg("text", { x: 8, y: y + 36 }, cutTo(row.name, 12)));
      names.append(svg("text", { x: 8, y: y + 49, class: "quiet" }, cutTo(row.note, 14)));
    });
    picture.append(names);
    this.frame.replaceChildren(picture);
  }

  x(time) {
    return this.labels + this.scale.at(time);
  }

  bands(picture, top, bottom) {
    for (const [start, end, label] of this.drawing.bands) {
      const [x, right] = [this.x(start), this.x(end)];
      const band = svg("rect", { class: "band", x, y: top - 2, width: Math.max(right - x, 3), height: bottom - top + 2 });
      band.append(svg("title", {}, label));
      picture.append(band, svg("text", { class: "band-name", x: x + 3, y: top - 6 }, label));
    }
  }

  /* Moments that concern every row. */
  marks(picture, top, bottom, width) {
    for (const [time, label] of this.drawing.marks) {
      const x = this.x(time);
      const at = Math.min(x + 3, width - label.length * TRACK.character - 4);
      picture.append(svg("line", { class: "mark-line", x1: x, x2: x, y1: top - 14, y2: bottom }), svg("text", { class: "quiet", x: at, y: top - 6 }, label));
    }
  }

  /* From where something was sent to where it came, or should have come. */
  links(picture, top) {
    const y = (row) => top + row * TRACK.row + 26;
    for (const link of this.drawing.links) {
      const [x, right] = [this.x(link.time), this.x(link.to_time)];
      picture.append(svg("path", { class: `link ${link.kind}`, d: `M${x} ${y(link.row)}L${right} ${y(link.to_row)}`, "aria-hidden": "true" }));
    }
  }

  /* Stretches below, what happened above them; labels where there is room. */
  row(picture, row, y, width) {
    picture.append(svg("line", { x1: 0, x2: width, y1: y + TRACK.row - 1, y2: y + TRACK.row - 1, class: "lane" }));
    for (const stretch of row.stretches) this.stretch(picture, stretch, y + 26);
    let free = -Infinity;
    let second = -Infinity;
    for (const moment of row.moments) {
      const x = this.x(moment.time);
      const group = this.part(`moment ${moment.kind}`, moment, `${moment.label}. ${moment.said}`);
      const shape = TRACK.shapes[moment.kind.split(" ")[0]];
      group.append(shape
        ? svg("path", { d: shape, transform: `translate(${x} ${y + 26})` })
        : svg("circle", { cx: x, cy: y + 26, r: 4.5 }));
      const length = moment.label.length * TRACK.character + 8;
      const at = Math.max(Math.min(x - 2, width - length), this.labels);
      if (at >= free) { free = at + length; group.append(svg("text", { x: at, y: y + 19, "aria-hidden": "true" }, moment.label)); }
      else if (at >= second) { second = at + length; group.append(svg("text", { x: at, y: y + 8, "aria-hidden": "true" }, moment.label)); }
      picture.append(group);
    }
  }

  stretch(picture, stretch, y) {
    const x = this.x(stretch.start);
    const wide = Math.max(this.x(stretch.end) - x, 3);
    const group = this.part(`stretch ${stretch.kind}`, stretch, `${stretch.label}. ${stretch.said}`);
    const height = stretch.kind === "asking" ? 4 : TRACK.bar;
    group.append(svg("rect", { x, y: y + (TRACK.bar - height) / 2, width: wide, height, rx: 2 }));
    if (["doubt", "down", "state-2"].includes(stretch.kind)) {
      const lean = stretch.kind === "doubt" ? 9 : -9;
      let lines = "";
      for (let at = x + 4; at < x + wide - 4; at += 7) lines += `M${at} ${y + (lean > 0 ? TRACK.bar : 0)}L${Math.min(at + 9, x + wide)} ${y + (lean > 0 ? 0 : TRACK.bar)}`;
      group.append(svg("path", { class: "hatch", d: lines }));
    }
    const fits = Math.floor((wide - 8) / TRACK.character);
    if (fits >= 3 && stretch.label) {
      const text = cutTo(stretch.label, fits);
      const back = svg("rect", { class: "back", x: x + 3, y: y + 2.5, width: text.length * TRACK.character + 4, height: 13, rx: 2 });
      group.append(back, svg("text", { x: x + 5, y: y + 13, "aria-hidden": "true" }, text));
    }
    picture.append(group);
  }

  part(kind, what, name) {
    const group = svg("g", { class: kind, tabindex: 0, role: "button", "aria-label": name });
    group.append(svg("title", {}, what.said));
    for (const event of ["click", "focus", "pointerenter"]) group.addEventListener(event, () => this.tell(what));
    return group;
  }

  tell(what) {
    const time = what.time === undefined ? `${formatMoment(what.start / 1e3)} – ${formatMoment(what.end / 1e3)}` : formatMoment(what.time / 1e3, 6);
    this.said.replaceChildren(`${time}: ${what.said}. `);
    if (!(what.index >= 0)) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show in the history";
    button.addEventListener("click", () => this.show(what.index));
    this.said.append(button);
  }
}

function drawTracks(figure, drawing, faults, show) {
  return new Tracks(figure, drawing, faults, show);
}
