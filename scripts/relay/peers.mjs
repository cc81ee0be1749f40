// Two peers as a web page would have them, with simple-peer: they signal through the room relay until a real data channel
// is open between them, and say something through it each way. Then one of them goes, and the other is told.
//
// usage: RELAY_MODULES=DIR node peers.mjs ws://127.0.0.1:3002
import { createRequire } from "node:module";
const require = createRequire(`${process.env.RELAY_MODULES}/`);
const WebSocket = require("ws");
const wrtc = require("@roamhq/wrtc");
const SimplePeer = require("simple-peer");

const url = `${process.argv[2]}/?roomId=data-channel`;
const started = Date.now();
const fail = (why) => {
  console.error(`failed: ${why}`);
  process.exit(1);
};
setTimeout(() => fail("nothing happened in 60 s"), 60_000);

/** A client of the relay, in its room. */
const enter = () =>
  new Promise((entered) => {
    const socket = new WebSocket(url);
    socket.once("open", () => entered(socket));
    socket.once("error", (error) => fail(error.message));
    socket.on("close", (code, reason) => code !== 1000 && fail(`closed with ${code} ${reason}`));
  });

/** Connects one side; resolves with what the other side said through the data channel. */
const connect = (socket, initiator, says) =>
  new Promise((heard) => {
    const peer = new SimplePeer({ initiator, wrtc });
    peer.on("signal", (data) => socket.send(JSON.stringify({ type: "signal", data })));
    peer.on("connect", () => peer.send(says));
    peer.on("data", (data) => heard([peer, data.toString()]));
    peer.on("error", (error) => fail(error.message));
    socket.on("message", (text) => {
      const message = JSON.parse(text);
      if (message.type === "signal" && !peer.destroyed) peer.signal(message.data);
    });
  });

const answering = await enter();
const offering = await enter();
const both = [connect(answering, false, "from the answering"), connect(offering, true, "from the offering")];
const [[, first], [, second]] = await Promise.all(both);
if (first !== "from the offering" || second !== "from the answering") fail(`heard ${first} and ${second}`);
console.log(`a data channel is open after ${Date.now() - started} ms`);

answering.on("message", (text) => {
  const message = JSON.parse(text);
  if (message.type !== "peer-disconnected") return;
  if (!/^client:[0-9a-f-]{36}$/.test(message.clientId)) fail(text);
  console.log("all is well");
  process.exit(0);
});
offering.close(1000);
