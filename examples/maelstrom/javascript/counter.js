#!/usr/bin/env node
// A counter that goes up and down (g-counter, pn-counter): every node keeps what each node added
// and subtracted, sends that around, and takes the larger of two numbers it has of the same.
//
// With the argument --deltas it makes a mistake: it sends what was added since it last sent, and
// whoever gets that adds it. A message that is lost, or comes twice, makes nodes disagree.

const lines = require("node:readline").createInterface({ input: process.stdin });
const sendsDeltas = process.argv.includes("--deltas");
const GOSSIP_EVERY_MS = 100;

let nodeId = "";
let others = [];
const up = {}; // by node: all that it added
const down = {}; // by node: all that it subtracted
let unsent = 0;
let foreign = 0;

function send(dest, body) {
  process.stdout.write(JSON.stringify({ src: nodeId, dest, body }) + "\n");
}

function gossip() {
  for (const other of others) {
    if (sendsDeltas) send(other, { type: "delta", delta: unsent });
    else send(other, { type: "gossip", up, down });
  }
  unsent = 0;
}

function learn(mine, theirs) {
  for (const [node, count] of Object.entries(theirs)) {
    mine[node] = Math.max(mine[node] ?? 0, count);
  }
}

const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

function handle(body) {
  switch (body.type) {
    case "init":
      nodeId = body.node_id;
      others = body.node_ids.filter((node) => node !== nodeId);
      setInterval(gossip, GOSSIP_EVERY_MS);
      return { type: "init_ok" };
    case "add": {
      const counts = body.delta > 0 ? up : down;
      counts[nodeId] = (counts[nodeId] ?? 0) + Math.abs(body.delta);
      unsent += body.delta;
      return { type: "add_ok" };
    }
    case "read":
      return { type: "read_ok", value: total(up) - total(down) + foreign };
    case "gossip":
      learn(up, body.up);
      learn(down, body.down);
      return null;
    case "delta":
      foreign += body.delta;
      return null;
  }
  return { type: "error", code: 10, text: `I do not know ${body.type}` };
}

lines.on("line", (line) => {
  const { src, body } = JSON.parse(line);
  const reply = handle(body);
  if (reply !== null) send(src, { ...reply, in_reply_to: body.msg_id });
});
lines.on("close", () => process.exit(0));
