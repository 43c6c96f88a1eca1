// The Node.js adapter as a worker: the same orders and answers, line by line, as worker.go. Its setup is the first
// argument, as JSON, with its role and the folder of the packages.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const setup = JSON.parse(process.argv[2]);
const require = createRequire(setup.packages + "/package.json");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-streams-adapter-0.3");
const { createClient } = require("redis-5");

// As in message.go.
const before = '["message","';
const digits = 8;
const padding = "x".repeat(100 - before.length - digits - '"]'.length);
const marker = 99_999_999;
const BROADCAST = 3;

const name = `roombus-bench-${process.pid}`;
const client = createClient({ url: setup.redis, name });
client.on("error", (error) => console.error("redis:", error.message));
await client.connect();
const io = new Server({ adapter: createAdapter(client, { streamName: setup.stream, maxLen: setup.maxLength }) });
const adapter = io.of("/").adapter;

/** Waits until Redis sees this process wait for entries: only then is what follows sure to reach it. */
async function reading() {
  for (;;) {
    const list = (await client.sendCommand(["CLIENT", "LIST"])).toString().split("\n");
    if (list.some((line) => line.includes(` name=${name} `) && line.includes(" cmd=xread ") && / flags=\w*b/.test(line))) {
      return;
    }
    await delay(5);
  }
}

const now = () => Number(process.hrtime.bigint());

/** The call that io.to("lobby").emit(...) makes; the promise ends when the stream has the message. */
function send(number) {
  const text = String(number).padStart(digits, "0") + padding;
  return adapter.broadcast(
    { type: 2, data: ["message", text] },
    { rooms: new Set(["lobby"]), except: new Set(), flags: {} },
  );
}

async function flood(messages) {
  let next = 0;
  async function one() {
    while (next < messages) {
      await send(next++);
    }
  }
  await Promise.all(Array.from({ length: setup.window }, one));
}

async function pace(messages, rate) {
  const starts = [];
  const sent = [];
  const began = now();
  for (let number = 0; number < messages; number++) {
    const due = began + (number / rate) * 1e9;
    while (now() < due) {
      await delay(1);
    }
    starts.push(now());
    sent.push(send(number));
  }
  await Promise.all(sent);
  return starts;
}

/** What is counted of the phase; undefined before the first. */
let phase;

function expect(messages, withTimes) {
  phase = {
    seen: new Uint8Array(messages),
    arrivals: withTimes ? new Array(messages).fill(0) : undefined,
    received: 0,
    repeated: 0,
    last: 0,
  };
  phase.ended = new Promise((resolve) => (phase.end = resolve));
}

function count(number) {
  if (number === marker) {
    phase.last ||= now();
    phase.end();
  } else if (phase.seen[number]) {
    phase.repeated++;
  } else {
    phase.seen[number] = 1;
    phase.received++;
    if (phase.arrivals) {
      phase.arrivals[number] = now();
    }
    if (phase.received === phase.seen.length) {
      phase.last = now();
    }
  }
}

// Counted where the adapter has decoded an entry, in place of the delivery to sockets, of which there are none.
if (setup.role === "receiver") {
  const onMessage = adapter.onMessage;
  adapter.onMessage = function (message, offset) {
    if (message.type === BROADCAST && message.uid !== this.uid) {
      count(Number(message.data.packet.data[1].slice(0, digits)));
    } else {
      onMessage.call(this, message, offset);
    }
  };
}

let used;

function cost() {
  const { user, system } = process.cpuUsage(used);
  return { cpu: user + system };
}

const orders = {
  async publish({ messages, rate }) {
    used = process.cpuUsage();
    const first = now();
    const starts = rate ? await pace(messages, rate) : await flood(messages);
    await send(marker);
    return { first, starts };
  },

  cost,

  expect({ messages, rate }) {
    expect(messages, rate > 0);
    used = process.cpuUsage();
    return {};
  },

  async result() {
    await phase.ended;
    const { received, repeated, last, arrivals } = phase;
    return { received, repeated, last, arrivals, ...cost() };
  },
};

function answer(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

await reading();
answer({});
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  answer(await orders[order.do](order));
}
process.exit(0);
