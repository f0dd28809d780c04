#!/usr/bin/env node
// Transactions on registers (txn-rw-register) that are always answered at once, whatever the
// network does: each node executes them on its own copy, and sends what was written to all others
// until they acknowledge it. Of two writes the later one stays, by Lamport's clock. What a
// transaction wrote is seen as a whole or not at all, so this is read committed, and no more.
//
// With the argument --piecewise it makes a mistake: it sends every single write as a message of its
// own, so that others read what was only for a moment.

const lines = require("node:readline").createInterface({ input: process.stdin });
const isPiecewise = process.argv.includes("--piecewise");
const AGAIN_EVERY_MS = 300;

let nodeId = "";
let others = [];
let clock = 0;
let nextId = 0;
const registers = new Map(); // by key: [value, stamp]
const unacknowledged = new Map(); // by msg_id: [dest, body]

function send(dest, body) {
  process.stdout.write(JSON.stringify({ src: nodeId, dest, body }) + "\n");
}

const isLater = (one, other) => one[0] > other[0] || (one[0] === other[0] && one[1] > other[1]);

function keep(writes, stamp) {
  clock = Math.max(clock, stamp[0]);
  for (const [key, value] of writes) {
    const known = registers.get(key);
    if (!known || isPiecewise || isLater(stamp, known[1])) registers.set(key, [value, stamp]);
  }
}

function tellOthers(writes, stamp) {
  for (const dest of others) {
    nextId += 1;
    const body = { type: "replicate", msg_id: nextId, writes, stamp };
    unacknowledged.set(nextId, [dest, body]);
    send(dest, body);
  }
}

function execute(transaction) {
  const own = new Map(); // what this transaction itself wrote
  const done = transaction.map(([f, key, value]) => {
    if (f === "r") return [f, key, own.has(key) ? own.get(key) : (registers.get(key)?.[0] ?? null)];
    own.set(key, value);
    return [f, key, value];
  });
  if (own.size > 0) {
    const stamp = [clock + 1, nodeId];
    keep([...own], stamp);
    if (!isPiecewise) tellOthers([...own], stamp);
    else for (const [f, key, value] of done) if (f === "w") tellOthers([[key, value]], stamp);
  }
  return done;
}

lines.on("line", (line) => {
  const { src, body } = JSON.parse(line);
  if (body.type === "init") {
    nodeId = body.node_id;
    others = body.node_ids.filter((node) => node !== nodeId);
    send(src, { type: "init_ok", in_reply_to: body.msg_id });
  } else if (body.type === "txn") {
    send(src, { type: "txn_ok", txn: execute(body.txn), in_reply_to: body.msg_id });
  } else if (body.type === "replicate") {
    keep(body.writes, body.stamp);
    send(src, { type: "replicate_ok", in_reply_to: body.msg_id });
  } else {
    unacknowledged.delete(body.in_reply_to);
  }
});
lines.on("close", () => process.exit(0));
setInterval(() => {
  for (const [dest, body] of unacknowledged.values()) send(dest, body);
}, AGAIN_EVERY_MS);
