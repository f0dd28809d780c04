"use strict";
/* Brings the page to life. Text from nodes and clients is only ever set as textContent. */

/* global loadHistory, Charts, HistoryTable, NodeLogs, drawDoubts, drawEvidence, drawSpaceTime, drawTracks, linkCycle */

/* Draws each figure once, those in closed sections when they are opened. */
function whenSeen(selector, draw) {
  for (const figure of document.querySelectorAll(selector)) {
    let isDrawn = false;
    const once = () => {
      if (isDrawn || figure.clientWidth === 0) return;
      isDrawn = true;
      draw(figure);
    };
    once();
    for (let at = figure.closest("details"); at; at = at.parentElement.closest("details")) {
      at.addEventListener("toggle", once);
    }
  }
}

async function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const packed = document.getElementById("packed");
  const history = await loadHistory(data.history, packed.textContent.trim());
  packed.remove();
  const charts = new Charts(data, history);
  const table = new HistoryTable(history);
  const logs = new NodeLogs(charts, data);
  const doubts = () => { if (data.doubts) drawDoubts(charts, data.doubts); };
  charts.onView = (view) => { table.setWindow(view); logs.setWindow(); doubts(); };
  doubts();

  const chooser = document.getElementById("chart-f");
  const functions = history.tables.f;
  const clients = new Set();
  for (let i = 0; i < history.rows; i++) if (history.process[i] !== 0) clients.add(history.f[i]);
  for (const code of clients) chooser.append(new Option(functions.get(code), code));
  chooser.addEventListener("change", () => {
    charts.f = chooser.value === "" ? -1 : Number(chooser.value);
    charts.schedule();
  });

  for (const button of document.querySelectorAll("[data-fault]")) {
    const fault = charts.faults[Number(button.dataset.fault)];
    button.addEventListener("click", () => {
      const around = Math.max((fault.end - fault.start) * 0.3, 50000);
      charts.zoom(fault.start - around, fault.end + around);
      document.getElementById("time").scrollIntoView();
    });
  }

  const show = (row) => table.jump(row);
  for (const figure of document.querySelectorAll("figure.cycle")) linkCycle(figure, show);
  whenSeen("[data-evidence]", (figure) => {
    drawEvidence(figure, data.evidence[Number(figure.dataset.evidence)], data.faults, show);
  });
  whenSeen("[data-tracks]", (figure) => {
    drawTracks(figure, data.tracks[Number(figure.dataset.tracks)], data.faults, show);
  });
  whenSeen("[data-diagram]", (figure) => drawSpaceTime(figure, data.diagrams[Number(figure.dataset.diagram)]));
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  const note = document.createElement("p");
  note.className = "note";
  note.setAttribute("role", "alert");
  note.textContent = `The charts and the table could not be shown: ${error.message}`;
  document.getElementById("main").prepend(note);
});
