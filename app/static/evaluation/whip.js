// One WebRTC connection by WHIP (RFC 9725) or WHEP: offer by POST, answer in the reply, DELETE to end.
// Neither trickle nor restart: whoever falls out of the connection posts a new offer.
const GATHER_MS = 2000;
const QUIET_MS = 3000;

export class Refused extends Error {
  constructor(status, retryAfter) {
    super(`refused: ${status}`);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

function preferred(kind) {
  const { codecs } = RTCRtpReceiver.getCapabilities(kind);
  if (kind === "audio") return codecs.filter((codec) => codec.mimeType.toLowerCase() === "audio/opus");
  const plain = codecs.filter((codec) => codec.mimeType.toLowerCase() === "video/h264"
    && /profile-level-id=42/i.test(codec.sdpFmtpLine ?? "") && /packetization-mode=1/.test(codec.sdpFmtpLine ?? ""));
  return [...plain, ...codecs.filter((codec) => codec.mimeType.toLowerCase() === "video/rtx")];
}

export function prefer(transceiver, kind) {
  const codecs = preferred(kind);
  if (codecs.length && transceiver.setCodecPreferences) transceiver.setCodecPreferences(codecs);
}

function gathered(connection) {
  if (connection.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(done, GATHER_MS);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState === "complete") { clearTimeout(timer); done(); }
    });
  });
}

// Negotiates and gives back a function that ends the connection on the other side too.
export async function negotiate(connection, address, token, { fetcher = globalThis.fetch } = {}) {
  await connection.setLocalDescription(await connection.createOffer());
  await gathered(connection);
  const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` };
  const reply = await fetcher(address, { method: "POST", headers, body: connection.localDescription.sdp });
  if (reply.status !== 201) throw new Refused(reply.status, Number(reply.headers.get("Retry-After") ?? 0));
  const resource = new URL(reply.headers.get("Location"), address).href;
  await connection.setRemoteDescription({ type: "answer", sdp: await reply.text() });
  return () => {
    connection.close();
    return fetcher(resource, { method: "DELETE", headers: { Authorization: headers.Authorization }, keepalive: true })
      .catch(() => undefined);
  };
}

// Keeps a connection up: `make()` negotiates one and resolves to {connection, end}; again after each fall.
// A browser takes half a minute to call a dead line "failed"; three seconds without a sign are enough for us.
export function keepUp(make, { told = () => undefined, later = setTimeout } = {}) {
  let over = false;
  let current = null;
  let failures = 0;

  async function attempt() {
    if (over) return;
    told("connecting");
    try {
      const made = await make();
      if (over) { made.end(); return; }
      current = made;
      made.connection.addEventListener("connectionstatechange", () => changed(made));
    } catch (problem) {
      if (problem instanceof Refused && [401, 403, 404].includes(problem.status)) { told("refused", problem); return; }
      again(problem.retryAfter || 0, problem);
    }
  }

  function changed(made) {
    if (made !== current) return;
    const state = made.connection.connectionState;
    if (state === "connected") { failures = 0; told("connected"); }
    if (state === "failed" || state === "closed") fallen(made);
    if (state === "disconnected") {
      later(() => { if (made === current && made.connection.connectionState !== "connected") fallen(made); }, QUIET_MS);
    }
  }

  function fallen(made) {
    if (made !== current) return;
    current = null;
    made.end();
    again(0);
  }

  function again(seconds, problem) {
    if (over) return;
    failures += 1;
    told("waiting", problem);
    later(attempt, Math.max(seconds, Math.min(2 ** failures / 2, 10)) * 1000);
  }

  attempt();
  return () => {
    over = true;
    const last = current;
    current = null;
    return last?.end();
  };
}
