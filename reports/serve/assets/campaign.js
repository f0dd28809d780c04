"use strict";
/* While a campaign runs, takes in what has changed of this page; what is the same stays as it is. */

const EVERY_MS = 3000;

function takeIn(now, fresh) {
  const parts = (main) => [...main.children].filter((part) => part.id);
  const ids = (main) => parts(main).map((part) => part.id).join(" ");
  if (ids(now) !== ids(fresh)) {
    now.replaceChildren(...fresh.childNodes);
    return;
  }
  const old = parts(now);
  parts(fresh).forEach((part, at) => {
    if (part.outerHTML !== old[at].outerHTML) old[at].replaceWith(part);
  });
}

async function follow() {
  const main = document.getElementById("main");
  while ("running" in main.dataset) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    if (document.hidden) continue;
    try {
      const answer = await fetch(window.location.href);
      if (!answer.ok) continue;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      document.title = page.title;
      if (!("running" in fresh.dataset)) delete main.dataset.running;
      takeIn(main, fresh);
    } catch {
      continue; // the server was ended, or is about to be there again
    }
  }
}

follow();
