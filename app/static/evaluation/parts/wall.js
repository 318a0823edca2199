// 监看墙: many tracks live over HTTP, a few seconds behind, for those who watch without taking part.
// <ul data-part="evaluation:wall"><li data-playlist="/…/index.m3u8"><video muted></video> … </li></ul>
// Needs /static/vendor/hls.light.min.js on the page (global Hls), or a browser that plays HLS by itself.
const AGAIN_MS = 4000;

export function play(tile, { Hls = globalThis.Hls, later = setTimeout } = {}) {
  const video = tile.querySelector("video");
  const { playlist } = tile.dataset;
  const say = (state) => { tile.dataset.state = state; };
  video.muted = true;
  if (!Hls?.isSupported()) {
    video.src = playlist;
    video.addEventListener("playing", () => say("live"));
    video.play().catch(() => say("waiting"));
    return null;
  }
  const hls = new Hls({ enableWorker: false, liveSyncDurationCount: 1, maxBufferLength: 12, backBufferLength: 10, lowLatencyMode: false });
  hls.on(Hls.Events.ERROR, (_, problem) => {
    if (!problem.fatal) return;
    say("waiting");
    hls.destroy();
    later(() => { if (tile.isConnected) play(tile, { Hls, later }); }, AGAIN_MS);
  });
  video.addEventListener("playing", () => say("live"));
  hls.loadSource(playlist);
  hls.attachMedia(video);
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play().catch(() => undefined));
  return hls;
}

export default function start(element) {
  const playing = new Map();
  // only what can be seen is fetched: a wall of sixteen in a corner of the screen costs nothing
  const seen = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting && !playing.has(target)) playing.set(target, play(target));
      if (!isIntersecting) {
        playing.get(target)?.destroy();
        playing.delete(target);
      }
    }
  });
  for (const tile of element.querySelectorAll("[data-playlist]")) seen.observe(tile);
  new MutationObserver(() => {
    for (const tile of element.querySelectorAll("[data-playlist]")) seen.observe(tile);
  }).observe(element, { childList: true, subtree: true });
}
