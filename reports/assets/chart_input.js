"use strict";
/* What pointer and keyboard do to the charts. */

/* exported listenToCharts */
/* global MARGIN, OUTCOMES, formatDuration, formatMoment */

function listenToCharts(charts) {
  const inner = () => Math.max(charts.box.clientWidth - MARGIN.left - MARGIN.right, 10);
  const left = (event) => {
    const x = event.clientX - charts.box.getBoundingClientRect().left;
    return Math.min(Math.max(x, MARGIN.left), MARGIN.left + inner());
  };
  const timeAt = (x) => charts.view.from + ((x - MARGIN.left) / inner()) * (charts.view.to - charts.view.from);
  let dragged = null;
  charts.box.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType !== "touch") dragged = left(event);
  });
  window.addEventListener("pointerup", (event) => {
    if (dragged === null) return;
    const a = Math.min(dragged, left(event));
    const b = Math.max(dragged, left(event));
    dragged = null;
    charts.cursor.classList.remove("drag");
    charts.cursor.style.width = "1px";
    if (b - a > 5) charts.zoom(timeAt(a), timeAt(b));
  });
  charts.box.addEventListener("pointermove", (event) => {
    const x = left(event);
    charts.cursor.hidden = false;
    charts.cursor.classList.toggle("drag", dragged !== null);
    charts.cursor.style.left = `${dragged === null ? x : Math.min(x, dragged)}px`;
    charts.cursor.style.width = `${dragged === null ? 1 : Math.abs(x - dragged)}px`;
    explain(charts, timeAt(x), x, event.clientY - charts.box.getBoundingClientRect().top);
  });
  charts.box.addEventListener("pointerleave", () => {
    if (dragged === null) charts.cursor.hidden = true;
    charts.tooltip.hidden = true;
  });
  charts.box.addEventListener("dblclick", () => charts.move("all"));
  charts.box.addEventListener("keydown", (event) => {
    const how = { ArrowLeft: "left", ArrowRight: "right", "+": "in", "=": "in", "-": "out", 0: "all" }[event.key];
    if (!how || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    charts.move(how);
  });
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => charts.move(button.dataset.zoom));
  }
  new ResizeObserver(() => charts.schedule()).observe(charts.box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.schedule());
  window.addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; charts.draw(); });
  window.addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; charts.draw(); });
}

/* The tooltip: rates, quantiles and faults at a moment. */
function explain(charts, time, x, y) {
  const share = (time - charts.view.from) / (charts.view.to - charts.view.from);
  const at = (count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
  const lines = [formatMoment(time)];
  const { counts, bins } = charts.rates;
  lines.push(OUTCOMES.map(([code, name]) => `${name} ${Math.round(counts[code][at(bins)]).toLocaleString("en")}/s`).join("  "));
  const { values, bins: wide } = charts.quantileLines;
  if (!Number.isNaN(values[0.5][at(wide)])) {
    lines.push(Object.entries(values).map(([q, v]) => `p${q * 100} ${formatDuration(v[at(wide)])}`).join("  "));
  }
  for (const fault of charts.faults) if (fault.start <= time && time <= fault.end) lines.push(fault.said);
  charts.tooltip.textContent = lines.slice(0, 9).join("\n");
  charts.tooltip.hidden = false;
  const flip = x > charts.box.clientWidth / 2;
  charts.tooltip.style.left = flip ? "auto" : `${x + 14}px`;
  charts.tooltip.style.right = flip ? `${charts.box.clientWidth - x + 14}px` : "auto";
  charts.tooltip.style.top = `${Math.max(0, y - 30)}px`;
}
