"use strict";
/* By how much each node's wall clock was off, over the charts' time axis. */

/* exported drawClocks */
/* global MARGIN, colour, formatDuration */
const CLOCKS = { top: 10, bottom: 150, height: 174, least: 0.001 };
const DASHES = [[], [6, 3], [2, 2], [8, 2, 2, 2]];

/* Linear up to a millisecond, then by powers of ten, on both sides of the truth. */
const clockScale = (seconds) => Math.asinh(seconds / CLOCKS.least);

/* Powers of ten on both sides of the truth, as far as their labels do not meet. */
function clockTicks(most, y) {
  const found = [0];
  let last = CLOCKS.top - 20;
  for (let power = Math.floor(Math.log10(most)); power >= -3; power--) {
    const at = y(10 ** power);
    if (at - last < 13 || y(0) - at < 13) continue;
    found.push(10 ** power, -(10 ** power));
    last = at;
  }
  return found;
}

/* One stretch: out of the truth, along, and back. A drift bends, for the scale does. */
function drawTrack(charts, area, track, y) {
  const { pen, inner } = area;
  const [start, end] = [track.start / 1e3, track.end / 1e3];
  if (end < charts.view.from || start > charts.view.to) return;
  const points = [];
  for (let i = 0; i <= 24; i++) {
    const share = i / 24;
    points.push([charts.x(start + share * (end - start), inner), track.first_s + share * (track.last_s - track.first_s)]);
  }
  if (track.strobe_s) {
    pen.globalAlpha = 0.3;
    const [low, high] = [y(track.first_s), y(track.first_s + track.strobe_s)].sort((a, b) => a - b);
    pen.fillRect(points[0][0], low, Math.max(points[24][0] - points[0][0], 1), high - low);
    pen.globalAlpha = 1;
  }
  pen.beginPath();
  pen.moveTo(points[0][0], y(0));
  for (const [x, off] of points) pen.lineTo(x, y(off));
  pen.lineTo(points[24][0], y(0));
  pen.stroke();
}

function drawClocks(charts) {
  const tracks = charts.clocks;
  const area = charts.prepare("clocks", CLOCKS.height);
  const { pen, inner } = area;
  const sizes = tracks.flatMap((t) => [t.first_s, t.last_s, t.first_s + t.strobe_s].map(Math.abs));
  const most = sizes.reduce((a, b) => Math.max(a, b), CLOCKS.least * 10);
  const middle = (CLOCKS.top + CLOCKS.bottom) / 2;
  const y = (seconds) => middle - (clockScale(seconds) / clockScale(most)) * (CLOCKS.bottom - CLOCKS.top) / 2;
  for (const at of clockTicks(most, y)) {
    const sign = at > 0 ? "+" : "−";
    charts.valueAxis(area, y(at), at, at === 0 ? "true" : sign + formatDuration(Math.abs(at) * 1e6).replace(/\.0+ /, " "));
  }
  pen.fillStyle = colour("soft");
  pen.fillRect(MARGIN.left, Math.round(y(0)), inner, 1);
  pen.save();
  pen.beginPath();
  pen.rect(MARGIN.left, 0, inner, CLOCKS.height);
  pen.clip();
  const nodes = [...new Set(tracks.map((track) => track.node))].sort();
  pen.lineWidth = 1.6;
  for (const track of tracks) {
    const at = nodes.indexOf(track.node);
    pen.strokeStyle = pen.fillStyle = colour(`kind${at % 6}`);
    pen.setLineDash(DASHES[Math.floor(at / 6) % DASHES.length]);
    drawTrack(charts, area, track, y);
  }
  pen.setLineDash([]);
  nameTracks(charts, area, tracks, y);
  pen.restore();
  charts.timeAxis(area, CLOCKS.bottom, true);
}

/* Names where there is room for them: none over another. */
function nameTracks(charts, area, tracks, y) {
  const { pen, inner } = area;
  const taken = [];
  pen.textAlign = "left";
  pen.fillStyle = colour("ink");
  for (const track of tracks) {
    const x = Math.max(charts.x(track.start / 1e3, inner), MARGIN.left) + 4;
    const width = pen.measureText(track.node).width;
    if (x + width > charts.x(track.end / 1e3, inner)) continue;
    const off = track.strobe_s ? track.first_s + track.strobe_s : (track.first_s + track.last_s) / 2;
    const at = Math.min(Math.max(y(off) + (off > 0 ? 8 : -8), CLOCKS.top + 4), CLOCKS.bottom - 6);
    if (taken.some(([l, r, t]) => x < r && x + width > l && Math.abs(at - t) < 11)) continue;
    taken.push([x, x + width + 4, at]);
    pen.fillText(track.node, x, at);
  }
}
