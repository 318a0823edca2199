// One track of a recording in one <video>: segments are fetched, compared with the chain, and only then shown.
import { fault } from "./chain.js";

const AHEAD_MS = 16_000;
const AGAIN_MS = 1_000;
const BEHIND_MS = 20_000;
const FAR_S = 0.3; // beyond this the picture jumps, below it runs a little faster or slower

export class Track {
  constructor(video, name, items, { address, fetcher = (url) => fetch(url), told = () => undefined }) {
    Object.assign(this, { video, name, address, fetcher, told });
    this.segments = [];
    this.inits = new Map();
    this.state = new Map(); // segment name -> "asked" | "there" | "bad"
    this.checked = 0;
    this.bad = null;
    let init = null;
    for (const item of items) {
      if (item.track !== name) continue;
      if (item.kind === "init") init = item;
      if (item.kind === "segment") this.segments.push({ ...item, init });
    }
    this.end = Math.max(0, ...this.segments.map((segment) => segment.t0 + segment.duration));
    this.jobs = Promise.resolve();
  }

  async open() {
    this.source = new MediaSource();
    this.video.src = URL.createObjectURL(this.source);
    await new Promise((done) => this.source.addEventListener("sourceopen", done, { once: true }));
    const first = this.segments[0]?.init;
    if (!first) return;
    this.mime = `video/mp4; codecs="${first.codecs}"`;
    this.buffer = this.source.addSourceBuffer(this.mime);
    this.source.duration = this.end / 1000;
  }

  // The segment in which a moment lies, or undefined: then he was not there.
  at(ms) {
    return this.segments.find((segment) => segment.t0 <= ms && ms < segment.t0 + segment.duration);
  }

  // Nothing to wait for at this moment: not there, refused, or in the buffer (a gap inside a segment is no reason).
  ready(ms) {
    const segment = this.at(ms);
    return !segment || ["there", "bad"].includes(this.state.get(segment.name));
  }

  // Ask for what is needed around a moment, one after the other.
  feed(ms) {
    const wanted = this.segments.filter((segment) => segment.t0 < ms + AHEAD_MS && segment.t0 + segment.duration > ms - 500
      && !this.state.has(segment.name));
    for (const segment of wanted.slice(0, 3)) {
      this.state.set(segment.name, "asked");
      this.jobs = this.jobs.then(() => this.show(segment)).catch(() => {
        setTimeout(() => this.state.delete(segment.name), AGAIN_MS); // the line or the server failed: ask again
      });
    }
    this.forget(ms);
  }

  async load(item) {
    const reply = await this.fetcher(this.address + item.name);
    if (reply.status === 404) return null;
    if (!reply.ok) throw new Error(String(reply.status));
    return reply.arrayBuffer();
  }

  // Fetch and compare; the content, or null when it is not what the chain says.
  async check(item) {
    const content = await this.load(item);
    const wrong = await fault(item, content);
    if (wrong) {
      this.state.set(item.name, "bad");
      this.bad ??= { ...item, fault: wrong };
      this.told("bad", { ...item, fault: wrong });
      return null;
    }
    return content;
  }

  async show(segment) {
    if (segment.init && this.init !== segment.init.name) {
      const head = await this.check(segment.init);
      if (head === null) return;
      const mime = `video/mp4; codecs="${segment.init.codecs}"`;
      if (mime !== this.mime) { this.buffer.changeType(mime); this.mime = mime; }
      await this.append(head);
      this.init = segment.init.name;
    }
    const content = await this.check(segment);
    if (content === null) return;
    await this.append(content);
    this.state.set(segment.name, "there");
    this.checked += 1;
    this.told("checked", segment);
  }

  append(content) {
    return new Promise((done, failed) => {
      this.buffer.addEventListener("updateend", done, { once: true });
      this.buffer.addEventListener("error", failed, { once: true });
      this.buffer.appendBuffer(content);
    });
  }

  // Memory stays flat: what lies far behind (or far ahead, after a jump back) goes out of the buffer.
  forget(ms) {
    const gone = this.segments.filter((segment) => this.state.get(segment.name) === "there"
      && (segment.t0 + segment.duration < ms - BEHIND_MS || segment.t0 > ms + 3 * AHEAD_MS));
    if (!gone.length) return;
    for (const segment of gone) this.state.delete(segment.name);
    const [from, to] = [Math.min(...gone.map((one) => one.t0)), Math.max(...gone.map((one) => one.t0 + one.duration))];
    const keep = this.segments.find((one) => this.state.get(one.name) === "there" && one.t0 >= from && one.t0 < to);
    this.jobs = this.jobs.then(() => new Promise((done) => {
      this.buffer.addEventListener("updateend", done, { once: true });
      this.buffer.remove(from / 1000, (keep ? keep.t0 : to) / 1000);
    })).catch(() => undefined);
  }

  // Keep the picture with the leader's clock.
  follow(ms, { playing, rate }) {
    const { video } = this;
    const segment = this.at(ms);
    if (!segment || this.state.get(segment.name) === "bad") {
      if (!video.paused) video.pause();
      return segment ? "bad" : "absent";
    }
    const ahead = ms / 1000 - video.currentTime;
    if (!playing) {
      if (!video.paused) video.pause();
      if (Math.abs(ahead) > 0.02 && !video.seeking) video.currentTime = ms / 1000;
      return "here";
    }
    if (Math.abs(ahead) > FAR_S * Math.max(1, rate)) {
      if (!video.seeking) video.currentTime = ms / 1000;
    } else {
      video.playbackRate = Math.min(16, Math.max(0.1, rate * (1 + Math.max(-0.1, Math.min(0.1, ahead * 1.5)))));
    }
    if (video.paused) video.play().catch(() => undefined);
    return "here";
  }

  // How far the picture is from the leader, milliseconds.
  drift(ms) {
    return this.at(ms) && !this.video.paused ? Math.round(this.video.currentTime * 1000 - ms) : 0;
  }
}
