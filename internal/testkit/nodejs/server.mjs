// A Node.js Socket.IO server, alone or in a cluster by the Redis Streams adapter,
// driven by package nodejs over the standard input and output (lines.mjs). Its
// configuration is the first argument, as JSON.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { Server } from "socket.io";
import { Acks, acked, decode, encode, report, serve } from "./lines.mjs";

const require = createRequire(import.meta.url);
const config = JSON.parse(process.argv[2]);
const name = `roombus-testkit-${process.pid}`;

// Each generation of the adapter with the Redis client that goes with it.
const generations = {
  "0.2": { adapter: "@socket.io/redis-streams-adapter-0.2", redis: "redis" },
  "0.3": { adapter: "@socket.io/redis-streams-adapter-0.3", redis: "redis-5" },
};

async function connectRedis() {
  const client = require(generations[config.adapter].redis).createClient({ url: config.redis, name });
  client.on("error", (error) => console.error("redis:", error.message));
  await client.connect();
  return client;
}

const redis = config.adapter ? await connectRedis() : undefined;
const http = createServer();
const io = new Server(http, {
  ...config.options,
  ...(redis && { adapter: require(generations[config.adapter].adapter).createAdapter(redis, config.adapterOptions) }),
});
const acks = new Acks();

if (config.admin) {
  const key = (id) => `socket.io-admin#${id}`;
  // What its RedisStore does, whose calls fit no client of today.
  const store = redis && {
    doesSessionExist: async (id) => (await redis.exists(key(id))) === 1,
    saveSession: (id) => redis.set(key(id), "1", { EX: 86_400 }),
  };
  require("@socket.io/admin-ui").instrument(io, { ...(store && { store }), ...config.admin });
}

for (const nsp of config.namespaces) {
  io.of(nsp).on("connection", (socket) => {
    const happened = (event) => report({ nsp, socket: socket.id, ...event });
    happened({
      kind: "connect",
      recovered: socket.recovered,
      pid: socket.pid,
      auth: encode(socket.handshake.auth),
      data: encode(socket.data),
      rooms: [...socket.rooms],
      transport: socket.conn.transport.name,
    });
    socket.onAny((event, ...args) => happened({ kind: "event", name: event, ...acks.take(key(nsp, event), args) }));
    socket.on("disconnect", (reason) => happened({ kind: "disconnect", reason }));
    socket.conn.on("upgrade", (transport) => happened({ kind: "upgrade", transport: transport.name }));
  });
}

/** Waits until Redis sees this process read the stream, and its subscriptions. */
async function inCluster() {
  const subscriptions = config.adapter === "0.3" ? 2 * config.namespaces.length : 0;
  for (;;) {
    const list = (await redis.sendCommand(["CLIENT", "LIST"])).toString().split("\n");
    const own = list
      .filter((line) => line.includes(` name=${name} `))
      .map((line) => Object.fromEntries(line.split(" ").map((field) => field.split("=", 2))));
    const reads = own.some((client) => client.cmd === "xread" && client.flags.includes("b"));
    const subscribed = own.reduce((sum, client) => sum + Number(client.sub ?? 0) + Number(client.ssub ?? 0), 0);
    if (reads && subscribed >= subscriptions) {
      return;
    }
    await delay(5);
  }
}

function key(nsp, event) {
  return JSON.stringify([nsp, event]);
}

function find(nsp, id) {
  const socket = io.of(nsp).sockets.get(id);
  if (!socket) {
    throw new Error(`no socket of ${nsp} on this server has the id ${id}`);
  }
  return socket;
}

/** The operator that a target describes. */
function operator({ nsp, from, rooms, except, volatile, local, compress, timeout }) {
  let operator = from ? find(nsp, from).broadcast : io.of(nsp);
  if (rooms?.length) operator = operator.to(rooms);
  if (except?.length) operator = operator.except(except);
  if (volatile) operator = operator.volatile;
  if (local) operator = operator.local;
  if (compress !== undefined) operator = operator.compress(compress);
  if (timeout) operator = operator.timeout(timeout);
  return operator;
}

http.listen(config.port ?? 0, "127.0.0.1", async () => {
  if (redis) {
    await inCluster();
  }
  report({ kind: "listening", port: http.address().port });
});

serve({
  emit({ target, event, args }) {
    operator(target).emit(event, ...decode(args));
  },

  emitWithAck({ target, event, args }) {
    return acked((done) => operator(target).emit(event, ...decode(args), done));
  },

  socketsJoin({ target, rooms }) {
    operator(target).socketsJoin(rooms);
  },

  socketsLeave({ target, rooms }) {
    operator(target).socketsLeave(rooms);
  },

  disconnectSockets({ target, close }) {
    operator(target).disconnectSockets(close);
  },

  async fetchSockets({ target }) {
    const sockets = await operator(target).fetchSockets();
    return sockets.map(({ id, rooms, data, handshake }) => ({
      id,
      rooms: [...rooms].sort(),
      data: encode(data),
      handshake: encode(handshake),
    }));
  },

  serverSideEmit({ nsp, event, args }) {
    io.of(nsp).serverSideEmit(event, ...decode(args));
  },

  serverSideEmitWithAck({ nsp, event, args }) {
    return acked((done) => io.of(nsp).serverSideEmit(event, ...decode(args), done));
  },

  serverCount({ nsp }) {
    return io.of(nsp).adapter.serverCount();
  },

  // Reports the server-side events of a name.
  onServerSide({ nsp, event }) {
    io.of(nsp).on(event, (...args) => {
      report({ kind: "server_side", nsp, name: event, ...acks.take(key(nsp, event), args) });
    });
  },

  answer({ nsp, event, args }) {
    acks.answer(key(nsp, event), args);
  },

  ack({ ack, args }) {
    acks.call(ack, args);
  },

  socketEmit({ nsp, socket, event, args, volatile }) {
    const sender = find(nsp, socket);
    (volatile ? sender.volatile : sender).emit(event, ...decode(args));
  },

  socketEmitWithAck({ nsp, socket, event, args, timeout }) {
    return acked((done) => find(nsp, socket).timeout(timeout).emit(event, ...decode(args), done));
  },

  socketJoin({ nsp, socket, rooms }) {
    return find(nsp, socket).join(rooms);
  },

  socketLeave({ nsp, socket, rooms }) {
    return Promise.all(rooms.map((room) => find(nsp, socket).leave(room)));
  },

  socketDisconnect({ nsp, socket, close }) {
    find(nsp, socket).disconnect(close);
  },

  setData({ nsp, socket, data }) {
    find(nsp, socket).data = decode(data);
  },

  // Leaves the cluster in order; the Go side then ends the input.
  async close() {
    await io.close();
    // Commands of one connection are answered in order: the farewell is sent.
    await redis?.ping();
  },
});
