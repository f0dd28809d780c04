"use strict";
/* Transactions in doubt, a lane for each node, on the time axis of the charts; see doubts.py. */

/* exported drawDoubts */
/* global MARGIN, colour */
const DOUBT_LANE = 20;

function drawDoubts(charts, doubts) {
  const bottom = 4 + Math.max(doubts.nodes.length, 1) * DOUBT_LANE;
  const area = charts.prepare("doubts", bottom + 22);
  const { pen, inner } = area;
  charts.shadeFaults(area, 2, bottom);
  doubts.nodes.forEach((node, row) => {
    const y = 4 + row * DOUBT_LANE + DOUBT_LANE / 2;
    pen.textAlign = "right";
    pen.fillStyle = colour("soft");
    pen.fillText(node, MARGIN.left - 6, y, MARGIN.left - 8);
    pen.fillStyle = colour("rule");
    pen.fillRect(MARGIN.left, y, inner, 1);
  });
  pen.save();
  pen.beginPath();
  pen.rect(MARGIN.left, 0, inner + 1, bottom);
  pen.clip();
  pen.strokeStyle = colour("doubt");
  for (let i = 0; i < doubts.from.length; i++) {
    const [from, to] = [doubts.from[i], doubts.to[i]];
    if (to < charts.view.from || from > charts.view.to) continue;
    const x = charts.x(from, inner);
    const width = Math.max(charts.x(to, inner) - x, 1.5);
    const y = 6 + doubts.node[i] * DOUBT_LANE;
    pen.fillStyle = colour("doubt");
    pen.globalAlpha = 0.3; // darker where several are
    pen.fillRect(x, y, width, DOUBT_LANE - 5);
    pen.globalAlpha = 1;
    if (width > 8) pen.strokeRect(x, y, width, DOUBT_LANE - 5);
    const text = `${doubts.txn[i]}`;
    if (pen.measureText(text).width + 8 < width) {
      pen.textAlign = "left";
      pen.fillStyle = colour("ink");
      pen.fillText(text, Math.max(x, MARGIN.left) + 4, y + DOUBT_LANE / 2 - 2);
    }
  }
  pen.restore();
  charts.timeAxis(area, bottom, true);
}
