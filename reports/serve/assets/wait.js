"use strict";
/* Goes to the live view as soon as a trial runs. */

async function wait() {
  for (;;) {
    await new Promise((done) => setTimeout(done, 1000));
    try {
      const status = await (await fetch("/api/status")).json();
      if (status.running.length) return window.location.replace(`/runs/${status.running[0]}`);
    } catch {
      continue; // the server was ended, or is about to be there again
    }
  }
}

wait();
