// The leader's clock of a replay: one time for all tracks, which waits when one of them is not ready.
export class Leader {
  constructor(end, now = () => performance.now()) {
    Object.assign(this, { end, now, rate: 1, playing: false, waiting: false });
    this.base = 0;
    this.since = now();
  }

  get ms() {
    const moved = this.playing && !this.waiting ? (this.now() - this.since) * this.rate : 0;
    return Math.min(this.end, Math.max(0, this.base + moved));
  }

  seek(ms) {
    this.base = Math.min(this.end, Math.max(0, ms));
    this.since = this.now();
  }

  change(changes) {
    this.seek(this.ms);
    Object.assign(this, changes);
  }
}

export function spoken(ms) {
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"));
  return [Math.floor(seconds / 3600), ...parts].join(":");
}

// "?t=75", "?t=1:15" and "?t=0:01:15.5" all mean the same moment; null for anything else.
export function moment(text) {
  if (!/^\d+(\.\d+)?$|^(\d+:)?\d{1,2}:\d{1,2}(\.\d+)?$/.test(text ?? "")) return null;
  return Math.round(text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0) * 1000);
}
