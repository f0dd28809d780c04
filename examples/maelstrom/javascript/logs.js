#!/usr/bin/env node
// Logs of messages (kafka): every log belongs to one node, which all others ask.
//
// With the argument --local it makes a mistake: every node keeps what it is sent itself, and
// counts offsets by itself.

const lines = require("node:readline").createInterface({ input: process.stdin });
const isLocal = process.argv.includes("--local");

let nodeId = "";
let nodes = [];
let nextId = 0;
const later = new Map(); // by msg_id of a request to another node: what to do with the answer
const logs = {}; // by key, of which this node is the owner: the messages, from offset 0 on
const committed = {};
const answers = new Map(); // to other nodes' requests: the network may deliver one twice
const MOST_AT_ONCE = 50;

function send(dest, body) {
  process.stdout.write(JSON.stringify({ src: nodeId, dest, body }) + "\n");
}

function ask(dest, body) {
  return new Promise((resolve) => {
    nextId += 1;
    later.set(nextId, resolve);
    send(dest, { ...body, msg_id: nextId });
  });
}

function owner(key) {
  if (isLocal) return nodeId;
  let hash = 0;
  for (const letter of key) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  return nodes[hash % nodes.length];
}

// What the owner of all keys of a request does.
function own(body) {
  switch (body.type) {
    case "send": {
      const log = (logs[body.key] ??= []);
      log.push(body.msg);
      return { type: "send_ok", offset: log.length - 1 };
    }
    case "poll": {
      const msgs = {};
      for (const [key, from] of Object.entries(body.offsets)) {
        const found = (logs[key] ?? []).slice(from, from + MOST_AT_ONCE);
        msgs[key] = found.map((message, at) => [from + at, message]);
      }
      return { type: "poll_ok", msgs };
    }
    case "commit_offsets":
      for (const [key, offset] of Object.entries(body.offsets)) {
        committed[key] = Math.max(committed[key] ?? 0, offset);
      }
      return { type: "commit_offsets_ok" };
    default: {
      const offsets = {};
      for (const key of body.keys) if (key in committed) offsets[key] = committed[key];
      return { type: "list_committed_offsets_ok", offsets };
    }
  }
}

// Asks the owner of each key for its part; the answers are put together.
async function spread(body) {
  if (body.type === "send") return at(owner(body.key), body);
  const parts = new Map();
  if (Array.isArray(body.keys)) {
    for (const key of body.keys) {
      const to = owner(key);
      if (!parts.has(to)) parts.set(to, { type: body.type, keys: [] });
      parts.get(to).keys.push(key);
    }
  } else {
    for (const [key, offset] of Object.entries(body.offsets)) {
      const to = owner(key);
      if (!parts.has(to)) parts.set(to, { type: body.type, offsets: {} });
      parts.get(to).offsets[key] = offset;
    }
  }
  const whole = { type: `${body.type}_ok` };
  if (body.type === "poll") whole.msgs = {};
  if (body.type === "list_committed_offsets") whole.offsets = {};
  const answers = await Promise.all([...parts].map(([to, part]) => at(to, part)));
  for (const answer of answers) {
    Object.assign(whole.msgs ?? {}, answer.msgs);
    Object.assign(whole.offsets ?? {}, answer.offsets);
  }
  return whole;
}

const at = (node, body) => (node === nodeId ? own(body) : ask(node, { type: "own", body }));

lines.on("line", async (line) => {
  const { src, body } = JSON.parse(line);
  if (body.in_reply_to !== undefined) {
    later.get(body.in_reply_to)?.(body.answer);
    later.delete(body.in_reply_to);
    return;
  }
  if (body.type === "init") {
    nodeId = body.node_id;
    nodes = body.node_ids;
    send(src, { type: "init_ok", in_reply_to: body.msg_id });
  } else if (body.type === "own") {
    const request = `${src}/${body.msg_id}`;
    if (!answers.has(request)) answers.set(request, own(body.body));
    send(src, { type: "own_ok", answer: answers.get(request), in_reply_to: body.msg_id });
  } else {
    send(src, { ...(await spread(body)), in_reply_to: body.msg_id });
  }
});
