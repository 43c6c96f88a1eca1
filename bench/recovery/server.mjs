// The server of Node.js: it answers what serve in server.go answers. The first argument is the URL of Redis.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { createServer } from "node:http";

const require = createRequire(new URL("../../internal/testkit/nodejs/package.json", import.meta.url));
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-streams-adapter-0.3");
const { createClient } = require("redis-5");

const window = 600_000;
const client = createClient({ url: process.argv[2] });
client.on("error", (error) => console.error("redis:", error.message));
await client.connect();
const http = createServer();
const io = new Server(http, {
  pingInterval: window,
  // By default a client that has waited 45 s for its session is sent away.
  connectTimeout: window,
  connectionStateRecovery: { maxDisconnectionDuration: window },
  adapter: createAdapter(client, { maxLen: 100_000 }),
});
io.on("connection", () => {});

const used = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const answers = {
  cpu: used,
  begin: used,
  end: used,
  sockets: () => io.of("/").sockets.size,
  resident: () => Math.round(process.resourceUsage().maxRSS / 1024),
};

http.listen(0, "127.0.0.1", () => {
  console.log(`127.0.0.1:${http.address().port}`);
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => console.log(answers[line] ? String(answers[line]()) : `unknown question ${line}`));
  lines.on("close", () => process.exit(0));
});
