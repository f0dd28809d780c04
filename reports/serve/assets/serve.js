"use strict";
/* The list of runs works without this; it only saves clicks and tells when there is news. */

const EVERY_MS = 4000;

function submitOnChange(form) {
  for (const select of form.querySelectorAll("select")) {
    select.addEventListener("change", () => form.requestSubmit());
  }
  // Empty fields would only make the address long.
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
  });
  window.addEventListener("pageshow", () => {
    for (const field of form.elements) field.disabled = false;
  });
}

function pickTwo(form) {
  const button = form.querySelector("button");
  const hint = document.getElementById("compare-hint");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const update = () => {
    const picked = boxes.filter((box) => box.checked).length;
    button.disabled = picked !== 2;
    hint.textContent = ["Tick two runs to see them side by side.", "One more."][picked] ?? (picked === 2 ? "" : "Two at a time.");
  };
  form.addEventListener("change", update);
  window.addEventListener("pageshow", update);
  update();
}

async function watchForNews(main) {
  const seen = Number(main.dataset.changes);
  const isIndexing = main.dataset.indexing === "yes";
  const note = document.getElementById("changed");
  const progress = document.getElementById("indexing");
  for (;;) {
    await new Promise((done) => setTimeout(done, isIndexing ? 700 : EVERY_MS));
    if (document.hidden) continue;
    let status;
    try {
      status = await (await fetch("/api/status")).json();
    } catch {
      continue; // the server was ended, or is about to be there again
    }
    if (isIndexing) {
      if (!status.indexing) return window.location.reload();
      const { done, total } = status.indexing;
      progress.textContent = `Reading run folders, newest first: ${done.toLocaleString("en")} of ${total.toLocaleString("en")}.`;
    } else if (status.changes !== seen) {
      note.hidden = false;
      return undefined;
    }
  }
}

const narrow = document.getElementById("narrow");
if (window.matchMedia("(max-width: 720px)").matches && !document.querySelector(".active")) narrow.open = false;
for (const time of document.querySelectorAll("time")) {
  time.title = `${new Date(time.dateTime).toLocaleString()} (your time)`;
}
submitOnChange(document.getElementById("filters"));
const compare = document.getElementById("compare");
if (compare) pickTwo(compare);
watchForNews(document.getElementById("main"));
document.documentElement.dataset.ready = "yes";
