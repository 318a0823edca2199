// The server's clock on this page: what matters is never the visitor's own clock, which may be an hour wrong.
//
// The page brings the server's time at which it was made; asking the time address once more corrects for how long
// the page was on its way (half of the round trip, as in NTP). Between, only the monotonic clock runs.
const clocks = new Map();

export class ServerTime {
  constructor(serverNow, tick = () => performance.now()) {
    this.tick = tick;
    this.set(serverNow, tick());
  }

  set(serverNow, atTick) {
    this.base = serverNow - atTick;
  }

  now() {
    return this.base + this.tick();
  }

  async ask(address, fetcher = fetch) {
    const before = this.tick();
    const answer = await fetcher(address, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!answer.ok) return;
    const { now } = await answer.json();
    const after = this.tick();
    const told = Date.parse(now);
    if (Number.isFinite(told)) this.set(told, (before + after) / 2);
  }
}

/** One clock for all parts of a page that name the same time address. */
export function serverTime(element) {
  const address = element.dataset.time ?? "";
  if (!clocks.has(address)) {
    const clock = new ServerTime(Date.parse(element.dataset.serverNow));
    clocks.set(address, clock);
    if (address) {
      const ask = () => clock.ask(address).catch(() => {});
      ask();
      setInterval(() => document.hidden || ask(), 60_000);
      document.addEventListener("visibilitychange", () => document.hidden || ask());
    }
  }
  return clocks.get(address);
}
