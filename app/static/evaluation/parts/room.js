// 评标室: the panel sees and hears each other, and is recorded. One publishes by WHIP and plays the others by WHEP.
// <section data-part="evaluation:room" data-recorder="http://…:8001" data-session="7" data-me="3"
//   data-ticket="…" (or data-ticket-address="/…" answering {"token": "…"}) data-publish="yes"
//   data-words='{"connecting": "正在连接…", …}'> with a [data-room="grid"] list of
//   <li data-participant="4">name</li> and a [data-room="state"] line with role=status.
import { keepUp, negotiate, prefer } from "../whip.js";

const WORDS = {
  connecting: "正在连接…", connected: "已连接，正在录音录像", waiting: "连接中断，正在重新连接…", refused: "未获准进入评标室",
  alone: "没有可用的摄像头和麦克风，仅可观看", absent: "未在场", mute: "静音", unmute: "取消静音", share: "共享屏幕", unshare: "停止共享",
};
const PICTURE = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 15, max: 15 } };
const LARGEST_BIT = 600_000;

export async function ticket(element, fetcher = globalThis.fetch) {
  if (!element.dataset.ticketAddress) return element.dataset.ticket;
  const reply = await fetcher(element.dataset.ticketAddress, { headers: { Accept: "application/json" } });
  if (!reply.ok) throw new Error(`no ticket: ${reply.status}`);
  return (await reply.json()).token;
}

// Camera and microphone, or whichever of them there is; null when neither.
export async function capture(devices = navigator.mediaDevices) {
  for (const wanted of [{ video: PICTURE, audio: true }, { audio: true }, { video: PICTURE }]) {
    try {
      return await devices.getUserMedia(wanted);
    } catch {
      // the next poorer wish
    }
  }
  return null;
}

async function publish(element, stream, source) {
  const connection = new RTCPeerConnection();
  for (const track of stream.getTracks()) {
    const transceiver = connection.addTransceiver(track, {
      direction: "sendonly", streams: [stream], sendEncodings: track.kind === "video" ? [{ maxBitrate: LARGEST_BIT }] : [{}],
    });
    prefer(transceiver, track.kind);
  }
  const { recorder, session } = element.dataset;
  const address = `${recorder}/whip/${encodeURIComponent(session)}?source=${source}`;
  return { connection, end: await negotiate(connection, address, await ticket(element)) };
}

async function watch(element, name, video) {
  const connection = new RTCPeerConnection();
  const stream = new MediaStream();
  for (const kind of ["audio", "video"]) prefer(connection.addTransceiver(kind, { direction: "recvonly" }), kind);
  connection.addEventListener("track", (event) => {
    stream.addTrack(event.track);
    video.srcObject = stream;
    video.play().catch(() => { video.muted = true; video.play().catch(() => undefined); });
  });
  const { recorder, session } = element.dataset;
  const address = `${recorder}/whep/${encodeURIComponent(session)}/${encodeURIComponent(name)}`;
  return { connection, end: await negotiate(connection, address, await ticket(element)) };
}

function picture(tile) {
  const video = document.createElement("video");
  video.autoplay = true;
  video.playsInline = true;
  tile.prepend(video);
  return video;
}

export default async function start(element) {
  const words = { ...WORDS, ...JSON.parse(element.dataset.words || "{}") };
  const line = element.querySelector('[data-room="state"]');
  const endings = [];
  const say = (state) => {
    element.dataset.state = state;
    if (line) line.textContent = words[state] ?? "";
  };

  for (const tile of element.querySelectorAll("[data-participant]")) {
    const name = tile.dataset.participant;
    const video = picture(tile);
    if (name === element.dataset.me) {
      video.muted = true;
      tile.dataset.own = "yes";
    } else {
      const told = (state) => { tile.dataset.state = state; };
      endings.push(keepUp(() => watch(element, name, video), { told }));
    }
  }

  if (element.dataset.publish === "yes") {
    const stream = await capture();
    if (stream === null) {
      say("alone");
    } else {
      const own = element.querySelector('[data-own="yes"] video');
      if (own) own.srcObject = stream;
      endings.push(keepUp(() => publish(element, stream, "camera"), { told: say }));
      muting(element, stream, words);
    }
    sharing(element, words, endings);
  } else {
    say("watching");
  }
  globalThis.addEventListener("pagehide", () => { for (const end of endings) end(); });
}

function muting(element, stream, words) {
  const button = element.querySelector('[data-room="mute"]');
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const quiet = button.getAttribute("aria-pressed") !== "true";
    for (const track of stream.getAudioTracks()) track.enabled = !quiet;
    button.setAttribute("aria-pressed", String(quiet));
    button.textContent = quiet ? words.unmute : words.mute;
  });
}

// The screen is a track of its own: it can come and go while the camera stays.
function sharing(element, words, endings) {
  const button = element.querySelector('[data-room="share"]');
  if (!button || !navigator.mediaDevices.getDisplayMedia) return;
  let end = null;
  button.hidden = false;
  const stop = () => {
    end?.();
    end = null;
    button.textContent = words.share;
  };
  button.addEventListener("click", async () => {
    if (end) return stop();
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 10 } }, audio: false });
      const leave = keepUp(() => publish(element, stream, "screen"));
      end = () => { leave(); for (const track of stream.getTracks()) track.stop(); };
      stream.getVideoTracks()[0].addEventListener("ended", stop);
      button.textContent = words.unshare;
    } catch {
      // the choice was cancelled
    }
    return undefined;
  });
  endings.push(stop);
}
