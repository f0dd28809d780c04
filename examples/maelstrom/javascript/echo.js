#!/usr/bin/env node
// Says back what it is told. With the argument --wrong it makes a mistake: it says it in capitals.

const lines = require("node:readline").createInterface({ input: process.stdin });
const wrong = process.argv.includes("--wrong");
let nodeId = "";

lines.on("line", (line) => {
  const { src, body } = JSON.parse(line);
  let reply;
  if (body.type === "init") {
    nodeId = body.node_id;
    reply = { type: "init_ok" };
  } else {
    reply = { type: "echo_ok", echo: wrong ? body.echo.toUpperCase() : body.echo };
  }
  reply.in_reply_to = body.msg_id;
  process.stdout.write(JSON.stringify({ src: nodeId, dest: src, body: reply }) + "\n");
});
