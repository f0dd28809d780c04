"use strict";
/* Joins the edges of a cycle with their reasons: pointing at one lights up both. */

/* exported linkCycle */
function linkCycle(figure, show) {
  const light = (edge, on) => {
    for (const part of figure.querySelectorAll(`[data-edge="${Number(edge)}"]`)) part.classList.toggle("lit", on);
  };
  for (const part of figure.querySelectorAll("[data-edge]")) {
    part.addEventListener("pointerenter", () => light(part.dataset.edge, true));
    part.addEventListener("pointerleave", () => light(part.dataset.edge, false));
  }
  const picture = figure.querySelector("svg");
  if (picture) picture.removeAttribute("aria-hidden");
  for (const box of figure.querySelectorAll("[data-row]")) {
    const name = box.querySelector("text").textContent;
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
    box.setAttribute("aria-label", `${name}: show in the history`);
    const jump = () => show(Number(box.dataset.row));
    box.addEventListener("click", jump);
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      jump();
    });
  }
}
