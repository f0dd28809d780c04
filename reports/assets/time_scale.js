"use strict";
/* Time for the space-time diagram: to scale, or stretched so that what happens within a millisecond
   and what takes seconds both show. Both keep the order of everything. */

/* exported EvenTime, StretchedTime, diagramTicks, storyMoments */
/* global ticks */

class EvenTime {
  constructor(low, high) {
    Object.assign(this, { low, high, moments: [] });
  }

  at(time) {
    return time;
  }

  time(place) {
    return place;
  }
}

/* Between two moments of the story time runs evenly; a wait gets room by the logarithm of its length. */
class StretchedTime {
  constructor(low, high, moments) {
    const inside = moments.filter((time) => time > low && time < high);
    this.moments = Float64Array.from(new Set([low, ...inside, high])).sort();
    this.places = new Float64Array(this.moments.length);
    for (let i = 1; i < this.moments.length; i++) {
      this.places[i] = this.places[i - 1] + Math.log10(1 + (this.moments[i] - this.moments[i - 1]) / 50000);
    }
    // In the same units as time, so that both scales zoom alike.
    const unit = (high - low) / (this.places[this.places.length - 1] || 1);
    for (let i = 0; i < this.places.length; i++) this.places[i] = low + this.places[i] * unit;
    Object.assign(this, { low, high });
  }

  at(time) {
    return StretchedTime.between(this.moments, this.places, time);
  }

  time(place) {
    return StretchedTime.between(this.places, this.moments, place);
  }

  static between(from, to, value) {
    const last = from.length - 1;
    if (value <= from[0]) return to[0] + (value - from[0]);
    if (value >= from[last]) return to[last] + (value - from[last]);
    let low = 0;
    let high = last;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (from[middle] <= value) low = middle;
      else high = middle;
    }
    return to[low] + ((value - from[low]) / (from[high] - from[low] || 1)) * (to[high] - to[low]);
  }
}

/* When something of the story happened. */
function storyMoments(diagram) {
  const { messages, data } = diagram;
  const found = [];
  const ofStory = messages.story.some((flag) => flag === 1);
  for (let i = 0; i < diagram.count; i++) {
    if (ofStory && messages.story[i] !== 1) continue;
    found.push(messages.sent[i]);
    if (messages.end[i] >= 0) found.push(messages.end[i]);
  }
  for (const call of data.calls) found.push(call.start, ...(call.end < 0 ? [] : [call.end]));
  for (const mark of data.marks) if (mark.kind !== "log") found.push(mark.time);
  for (const fault of data.faults) found.push(fault.start, fault.end);
  return found;
}

/* Moments, in seconds, that are written below: round ones, or on a stretched scale true ones. */
function diagramTicks(diagram) {
  const base = diagram.data.begin;
  const { moments } = diagram.scale;
  if (moments.length === 0) {
    const { step, found } = ticks((base + diagram.view.from) / 1e9, (base + diagram.view.to) / 1e9, Math.max(2, diagram.inner / 130));
    return { found, digits: Math.max(0, Math.min(9, Math.ceil(-Math.log10(step)))) };
  }
  const found = [];
  let free = diagram.left;
  for (const time of moments) {
    const x = diagram.x(time);
    if (x < free || x > diagram.left + diagram.inner) continue;
    found.push((base + time) / 1e9);
    free = x + 84;
  }
  return { found, digits: 4 };
}
