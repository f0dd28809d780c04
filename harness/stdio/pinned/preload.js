// Loaded by a Node program before its own code: chance and the wall clock are the same in every
// run. Math.random, crypto.randomBytes, randomInt and randomUUID follow from DURESS_SEED; Date
// begins at a fixed moment. Timers go by the true clock.
"use strict";

const crypto = require("node:crypto");

const BEGIN_MS = 1_700_000_000_000;
const began = performance.now();

// Mulberry32, seeded with a digest of the seed.
let state = crypto.createHash("sha256").update(process.env.DURESS_SEED ?? "").digest().readUInt32LE();
function chance() {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}

function randomBytes(size, callback) {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 1) bytes[at] = Math.floor(chance() * 256);
  if (callback) return void setImmediate(callback, null, bytes);
  return bytes;
}

function randomUUID() {
  const bytes = randomBytes(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

Math.random = chance;
crypto.randomBytes = randomBytes;
crypto.randomUUID = randomUUID;
crypto.randomInt = (low, high) =>
  high === undefined ? Math.floor(chance() * low) : low + Math.floor(chance() * (high - low));

const TrueDate = Date;
const now = () => Math.floor(BEGIN_MS + performance.now() - began);
globalThis.Date = class Date extends TrueDate {
  constructor(...parts) {
    if (parts.length === 0) super(now());
    else super(...parts);
  }

  static now() {
    return now();
  }
};
