"use strict";
/* What pointer and keyboard do to a space-time diagram. */

/* exported listenToDiagram, offerTypes */
/* global DIAGRAM */

function listenToDiagram(diagram, figure) {
  const { box, canvas } = diagram;
  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  const placeAt = (x) => diagram.view.from + ((x - diagram.left) / diagram.inner) * (diagram.view.to - diagram.view.from);
  let grip = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const [x] = at(event);
    grip = { x, view: diagram.view, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (grip === null) {
      point(diagram, x, y);
      return;
    }
    if (Math.abs(x - grip.x) > 4) grip.moved = true;
    if (!grip.moved) return;
    const by = ((grip.x - x) / diagram.inner) * (grip.view.to - grip.view.from);
    diagram.tooltip.hidden = true;
    diagram.zoom(grip.view.from + by, grip.view.to + by);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (grip && !grip.moved) diagram.select(diagram.near(...at(event)));
    grip = null;
  });
  canvas.addEventListener("pointercancel", () => { grip = null; });
  canvas.addEventListener("pointerleave", () => { diagram.tooltip.hidden = true; });
  canvas.addEventListener("dblclick", (event) => {
    const place = placeAt(at(event)[0]);
    const width = (diagram.view.to - diagram.view.from) / 3;
    diagram.zoom(place - width / 2, place + width / 2);
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const how = { ArrowLeft: "left", ArrowRight: "right", "+": "in", "=": "in", "-": "out", 0: "focus" }[event.key];
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (how) diagram.move(how);
    else if (by) step(diagram, by);
    else if (event.key === "Escape") diagram.select(-1);
    else return;
    event.preventDefault();
  });
  for (const button of figure.querySelectorAll("[data-move]")) {
    button.addEventListener("click", () => diagram.move(button.dataset.move));
  }
  figure.querySelector("[data-stretch]").addEventListener("change", (event) => {
    diagram.stretch(event.target.checked);
    diagram.schedule();
  });
  diagram.list.addEventListener("toggle", () => diagram.schedule());
  new ResizeObserver(() => diagram.schedule()).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => diagram.schedule());
  window.addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; diagram.draw(); });
  window.addEventListener("afterprint", () => diagram.schedule());
}

/* To the next or the last message in view. */
function step(diagram, by) {
  const place = diagram.drawn.indexOf(diagram.selected);
  const next = place < 0 ? (by > 0 ? 0 : diagram.drawn.length - 1) : place + by;
  if (next >= 0 && next < diagram.drawn.length) diagram.select(diagram.drawn[next]);
}

/* The tooltip: the message, call, mark or lane under the pointer. */
function point(diagram, x, y) {
  const { tooltip, data } = diagram;
  const found = diagram.near(x, y);
  let text = found >= 0 ? diagram.tell(found).join("\n") : "";
  const lane = Math.floor((y - DIAGRAM.top) / DIAGRAM.lane);
  if (!text && lane >= 0 && lane < data.lanes.length) {
    const mark = data.marks.find((m) => m.lane === lane && Math.abs(diagram.x(m.time) - x) < 6);
    const call = data.calls.find((c) => c.lane === lane && diagram.x(c.start) <= x && (c.end < 0 || x <= diagram.x(c.end)));
    if (mark) text = `${data.lanes[lane].name}: ${mark.text}`;
    else if (call) text = call.said;
    else if (x < diagram.left) text = [data.lanes[lane].name, data.lanes[lane].note].filter(Boolean).join("\n");
  }
  diagram.canvas.classList.toggle("on", found >= 0);
  tooltip.hidden = !text;
  tooltip.textContent = text;
  const flip = x > diagram.box.clientWidth / 2;
  tooltip.style.left = flip ? "auto" : `${x + 14}px`;
  tooltip.style.right = flip ? `${diagram.box.clientWidth - x + 14}px` : "auto";
  tooltip.style.top = `${y + 14}px`;
}

/* A box for each type of message, so that heartbeats can be put aside, and one for the clients
   that have no part in the story: where there is much to see they begin hidden. */
function offerTypes(diagram, parent) {
  const { from, to, type } = diagram.messages;
  const counts = new Array(diagram.data.types.length).fill(0);
  for (const code of type) counts[code]++;
  diagram.data.types.forEach((name, code) => offerBox(diagram, parent, code, name, counts[code], true));
  diagram.others = diagram.data.lanes.findIndex((lane) => lane.kind === "others");
  if (diagram.others < 0) return;
  const theirs = from.filter((lane, i) => lane === diagram.others || to[i] === diagram.others).length;
  offerBox(diagram, parent, "others", "any of other clients", theirs, diagram.count <= DIAGRAM.many);
}

function offerBox(diagram, parent, what, name, count, shown) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = shown;
  if (!shown) diagram.hidden.add(what);
  box.addEventListener("change", () => {
    if (box.checked) diagram.hidden.delete(what);
    else diagram.hidden.add(what);
    diagram.schedule();
  });
  label.append(box, ` ${name} (${count.toLocaleString("en")})`);
  parent.append(label);
}
