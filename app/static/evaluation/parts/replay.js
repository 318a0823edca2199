// 回放: all tracks of a session in step, the events beside them, and the proof while it plays.
// <section data-part="evaluation:replay" data-manifest="/…/manifest.json" data-files="/…/" data-key="02…"
//   data-names='{"3": "…"}' data-kinds='{"score.given": "评分"}' data-words='{…}'></section>
import { judge } from "../chain.js";
import { Leader, moment, spoken } from "../leader.js";
import { Track } from "../track.js";

const WORDS = {
  play: "播放", pause: "暂停", speed: "速度", position: "时间", search: "查找事件", events: "事件", link: "复制此刻的链接", copied: "已复制",
  absent: "不在场", bad: "此段未通过核对", alone: "只听此人", all: "听全部", screen: "屏幕", proof: "证据核对", failed: "录像无法打开",
  checking: "正在核对证据链…", whole: "证据链完整：{items} 项，签名有效", broken: "第 {n} 项（{what}）未通过核对：{fault}",
  checked: "已在本机核对 {checked} / {segments} 段", waiting: "正在读取…", gap: "录制中断 {seconds} 秒", layout: "版式", everything: "核对全部",
  altered: "内容被改动", missing: "缺失", out_of_order: "顺序错误", forged: "签名无效", cut: "结尾被截断", malformed: "格式错误", none: "没有事件",
};
const SPEEDS = [0.5, 1, 1.5, 2, 4];

const fill = (text, facts) => text.replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "");

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export default async function start(element) {
  const words = { ...WORDS, ...JSON.parse(element.dataset.words || "{}") };
  try {
    const reply = await fetch(element.dataset.manifest);
    if (!reply.ok) throw new Error(String(reply.status));
    await new Replay(element, await reply.json(), words).open();
  } catch (problem) {
    console.error("replay", problem);
    element.append(make("p", { role: "alert", text: words.failed }));
  }
}

class Replay {
  constructor(element, recording, words) {
    Object.assign(this, { element, recording, words });
    this.names = JSON.parse(element.dataset.names || "{}");
    this.kinds = JSON.parse(element.dataset.kinds || "{}");
    const { items } = recording;
    const names = [...new Set(items.filter((item) => item.kind === "segment").map((item) => item.track))].sort();
    this.grid = make("ul", { class: "replay-grid", "data-count": String(names.length) });
    const ends = items.map((item) => (item.t0 ?? item.at ?? 0) + (item.kind === "segment" ? item.duration : 0));
    this.leader = new Leader(Math.max(1, ...ends));
    this.tracks = names.map((name) => this.tile(name, items));
    this.segments = this.tracks.reduce((sum, track) => sum + track.segments.length, 0);
    this.seen = new Set();
    this.bad = null;
  }

  tile(name, items) {
    const [participant, source] = name.split(".");
    const called = (this.names[participant] ?? participant) + (source === "screen" ? ` · ${this.words.screen}` : "");
    const video = make("video", { playsinline: "", "aria-label": called });
    const state = make("span", { class: "replay-state" });
    const solo = make("button", { type: "button", "aria-pressed": "false", text: this.words.alone });
    const tile = make("li", { "data-track": name }, video, make("p", {}, make("strong", { text: called }), " ", state, " ", solo));
    this.grid.append(tile);
    const track = new Track(video, name, items, {
      address: this.element.dataset.files, told: (what, item) => this.told(what, item),
    });
    solo.addEventListener("click", () => this.listen(solo.getAttribute("aria-pressed") === "true" ? null : track));
    return Object.assign(track, { tile, stateLine: state, solo });
  }

  async open() {
    this.element.append(this.grid, this.controls(), this.proofLine(), this.rail());
    await Promise.all(this.tracks.map((track) => track.open()));
    this.leader.seek(moment(new URLSearchParams(location.search).get("t")) ?? 0);
    document.addEventListener("keydown", (event) => this.key(event));
    this.element.dataset.state = "ready";
    const turn = () => { this.turn(); setTimeout(turn, 50); };
    turn();
    await this.prove();
  }

  // --- the proof ---

  proofLine() {
    const { words } = this;
    this.proof = make("p", { role: "status", text: words.checking });
    this.count = make("p", { class: "hint" });
    const all = make("button", { type: "button", class: "as-link", text: words.everything });
    all.addEventListener("click", () => { all.disabled = true; this.checkAll(); });
    return make("section", { class: "replay-proof", "aria-label": words.proof }, this.proof, this.count, all);
  }

  async prove() {
    const verdict = await judge(this.recording, { key: this.element.dataset.key ?? "" });
    this.verdict = verdict;
    this.say();
  }

  told(what, item) {
    if (what === "checked") this.seen.add(item.name);
    else if (!this.bad || item.n < this.bad.n) this.bad = { n: item.n, what: item.name, fault: item.fault };
    this.say();
  }

  say() {
    const { words, verdict } = this;
    const bad = verdict?.bad && (!this.bad || verdict.bad.n <= this.bad.n) ? verdict.bad : this.bad;
    this.element.dataset.proof = bad ? "bad" : verdict ? "whole" : "checking";
    if (bad) this.proof.textContent = fill(words.broken, { n: bad.n, what: bad.what, fault: words[bad.fault] });
    else if (verdict) this.proof.textContent = fill(words.whole, verdict);
    this.count.textContent = fill(words.checked, { checked: this.seen.size, segments: this.segments });
  }

  async checkAll() {
    for (const track of this.tracks) {
      for (const segment of track.segments) {
        if (!this.seen.has(segment.name) && await track.check(segment) !== null) this.told("checked", segment);
      }
    }
  }

  // --- time ---

  turn() {
    const { leader, tracks } = this;
    const ms = leader.ms;
    for (const track of tracks) track.feed(ms);
    const waiting = leader.playing && tracks.some((track) => !track.ready(ms));
    if (waiting !== leader.waiting) leader.change({ waiting });
    for (const track of tracks) {
      const state = track.follow(ms, { playing: leader.playing && !leader.waiting, rate: leader.rate });
      if (track.tile.dataset.state !== state) {
        track.tile.dataset.state = state;
        track.stateLine.textContent = state === "here" ? "" : this.words[state];
      }
    }
    this.drift = Math.max(0, ...tracks.map((track) => Math.abs(track.drift(ms))));
    if (ms >= leader.end && leader.playing) this.play(false);
    this.show(ms);
  }

  show(ms) {
    const text = `${spoken(ms)} / ${spoken(this.leader.end)}`;
    if (this.time.textContent !== text) {
      this.time.textContent = text;
      this.slider.setAttribute("aria-valuetext", spoken(ms));
      this.mark(ms);
    }
    if (!this.sliding) this.slider.value = String(Math.round(ms));
    this.element.dataset.at = String(Math.round(ms));
    this.element.dataset.drift = String(this.drift);
  }

  play(playing) {
    this.leader.change({ playing });
    this.button.textContent = playing ? this.words.pause : this.words.play;
    if (!playing) this.keepAddress();
  }

  seek(ms) {
    this.leader.seek(ms);
    if (!this.leader.playing) this.keepAddress();
  }

  keepAddress() {
    history.replaceState(null, "", this.link());
  }

  link() {
    const address = new URL(location.href);
    address.searchParams.set("t", (this.leader.ms / 1000).toFixed(1));
    return address.href;
  }

  // --- controls ---

  controls() {
    const { words } = this;
    this.button = make("button", { type: "button", class: "btn btn-primary", text: words.play });
    this.button.addEventListener("click", () => this.play(!this.leader.playing));
    this.time = make("output", { class: "replay-time figure" });
    this.slider = make("input", {
      type: "range", min: "0", max: String(this.leader.end), step: "100", value: "0", "aria-label": words.position,
    });
    this.slider.addEventListener("input", () => { this.sliding = true; this.seek(Number(this.slider.value)); });
    this.slider.addEventListener("change", () => { this.sliding = false; });
    this.speed = make("select", { "aria-label": words.speed });
    for (const speed of SPEEDS) this.speed.append(make("option", { value: String(speed), text: `${speed}×` }));
    this.speed.value = "1";
    this.speed.addEventListener("change", () => this.leader.change({ rate: Number(this.speed.value) }));
    const link = make("button", { type: "button", class: "btn", text: words.link });
    link.addEventListener("click", async () => {
      await navigator.clipboard?.writeText(this.link());
      link.textContent = words.copied;
      setTimeout(() => { link.textContent = words.link; }, 1500);
    });
    return make("div", { class: "replay-controls" }, this.button, this.slider, this.time, this.speed, link);
  }

  listen(track) {
    for (const one of this.tracks) {
      one.video.muted = track !== null && one !== track;
      one.solo.setAttribute("aria-pressed", String(one === track));
      one.solo.textContent = one === track ? this.words.all : this.words.alone;
    }
  }

  // Space or k: play; arrows: 5 s, with Shift 30 s; , and .: event before and after; - and +: speed; 0…9: who is heard.
  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const inside = event.target.closest?.("input, select, textarea, button, a, summary");
    if (inside && !(inside === this.slider && event.key === " ")) return;
    const jump = event.shiftKey ? 30_000 : 5_000;
    const speed = SPEEDS.indexOf(this.leader.rate);
    const acts = {
      " ": () => this.play(!this.leader.playing), k: () => this.play(!this.leader.playing),
      ArrowLeft: () => this.seek(this.leader.ms - jump), ArrowRight: () => this.seek(this.leader.ms + jump),
      Home: () => this.seek(0), End: () => this.seek(this.leader.end),
      ",": () => this.step(-1), ".": () => this.step(1),
      "-": () => this.faster(SPEEDS[Math.max(0, speed - 1)]),
      "+": () => this.faster(SPEEDS[Math.min(SPEEDS.length - 1, speed + 1)]),
    };
    acts["="] = acts["+"];
    const act = acts[event.key] ?? (/^\d$/.test(event.key) ? () => this.listen(this.tracks[Number(event.key) - 1] ?? null) : null);
    if (act) { event.preventDefault(); act(); }
  }

  faster(rate) {
    this.speed.value = String(rate);
    this.leader.change({ rate });
  }

  // --- the events ---

  rail() {
    const { words } = this;
    this.list = make("ol", { class: "replay-events" });
    this.events = this.recording.items.flatMap((item) => this.event(item)).sort((one, other) => one.at - other.at);
    for (const event of this.events) {
      const time = make("time", { text: spoken(event.at) });
      const button = make("button", { type: "button", class: "as-link" }, time, ` ${event.text}`);
      button.addEventListener("click", () => this.seek(event.at));
      event.row = make("li", { "data-kind": event.kind }, button);
      this.list.append(event.row);
    }
    if (!this.events.length) this.list.append(make("li", { class: "nothing", text: words.none }));
    const search = make("input", { type: "search", "aria-label": words.search, placeholder: words.search });
    search.addEventListener("input", () => {
      for (const event of this.events) event.row.hidden = !event.text.includes(search.value.trim());
    });
    return make("aside", { class: "replay-rail", "aria-label": words.events }, search, this.list);
  }

  event(item) {
    if (item.kind === "event") {
      const who = item.facts.by === undefined ? "" : ` · ${this.names[item.facts.by] ?? item.facts.by}`;
      return [{ at: item.at, kind: item.what, text: (this.kinds[item.what] ?? item.what) + who }];
    }
    if (item.kind === "gap" && item.duration >= 1000) {
      const participant = item.track.split(".")[0];
      const text = fill(this.words.gap, { seconds: Math.round(item.duration / 1000) });
      return [{ at: item.t0, kind: "gap", text: `${text} · ${this.names[participant] ?? participant}` }];
    }
    return [];
  }

  step(direction) {
    const at = this.leader.ms;
    const ahead = this.events.filter((event) => (direction > 0 ? event.at > at + 300 : event.at < at - 300));
    const next = direction > 0 ? ahead[0] : ahead.at(-1);
    if (next) this.seek(next.at);
  }

  mark(ms) {
    const now = this.events.filter((event) => event.at <= ms).at(-1);
    if (now === this.marked) return;
    this.marked?.row.removeAttribute("aria-current");
    now?.row.setAttribute("aria-current", "time");
    this.marked = now;
  }
}
