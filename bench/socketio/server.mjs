// The server of Node.js: it answers what serve in server.go answers.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

const require = createRequire(new URL("../../internal/testkit/nodejs/package.json", import.meta.url));
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http, { pingInterval: 600_000 });
io.on("connection", (socket) => {
  socket.join("lobby");
  socket.on("echo", (text, ack) => ack(text));
});

const frame = (at) => JSON.stringify(["message", { at, room: "lobby", body: "" }]);
const body = "x".repeat(115 - 2 - frame(now()).length);

// now is the time in µs since 1970.
function now() {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

function resident() {
  for (let i = 0; i < 3; i++) global.gc();
  return /VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1];
}

let cpu, began;
const answers = {
  memory: resident,
  begin() {
    cpu = process.cpuUsage();
    began = process.hrtime.bigint();
    return "ok";
  },
  async broadcast(n, pause) {
    for (let i = 0; i < n; i++) {
      io.to("lobby").emit("message", { at: now(), room: "lobby", body });
      if (pause > 0) await setTimeout(pause);
    }
    return "ok";
  },
  cost() {
    const used = process.cpuUsage(cpu);
    return `${used.user + used.system} ${(process.hrtime.bigint() - began) / 1000n}`;
  },
};

http.listen(0, "127.0.0.1", () => {
  console.log(`127.0.0.1:${http.address().port}`);
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const [question, ...numbers] = line.split(" ");
    console.log(answers[question] ? String(await answers[question](...numbers.map(Number))) : `unknown question ${line}`);
  });
  lines.on("close", () => process.exit(0));
});
