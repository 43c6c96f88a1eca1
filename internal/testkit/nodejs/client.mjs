// Many official socket.io-client sockets in one process, driven by package
// nodejs over the standard input and output (lines.mjs).

import { Acks, acked, decode, report, serve } from "./lines.mjs";

// The package to use: one of the releases in package.json.
const { io } = await import(process.argv[2]);

const clients = new Map(); // name -> {socket, acks}

function find(name) {
  const client = clients.get(name);
  if (!client) {
    throw new Error(`no client is called ${name}`);
  }
  return client;
}

/** Watches a socket that has not been connected yet, and connects it. */
function add(name, nsp, socket) {
  if (clients.has(name)) {
    throw new Error(`a client is called ${name} already`);
  }
  const acks = new Acks();
  clients.set(name, { socket, acks });
  const happened = (event) => report({ client: name, nsp, socket: socket.id, ...event });

  socket.on("connect", () =>
    happened({
      kind: "connect",
      recovered: socket.recovered,
      pid: socket._pid,
      transport: socket.io.engine.transport.name,
    }),
  );
  socket.on("disconnect", (reason, details) =>
    happened({ kind: "disconnect", reason, details: details?.description?.toString?.() ?? details?.message }),
  );
  socket.on("connect_error", (error) =>
    happened({ kind: "connect_error", reason: error.message, data: error.data, details: error.description?.toString?.() }),
  );
  socket.onAny((event, ...args) => happened({ kind: "event", name: event, ...acks.take(event, args) }));
  const watchUpgrade = () =>
    socket.io.engine.on("upgrade", (transport) => happened({ kind: "upgrade", transport: transport.name }));
  socket.io.on("open", watchUpgrade);
  if (socket.io._readyState === "open") {
    watchUpgrade();
  }
  socket.io.on("reconnect_attempt", () => happened({ kind: "reconnect_attempt" }));
  socket.connect();
}

serve({
  connect({ client, url, nsp, opts }) {
    add(client, nsp, io(url + nsp, { forceNew: true, ...opts, autoConnect: false }));
  },

  // A further namespace on the connection of another client.
  share({ client, of, nsp, auth }) {
    // The manager was made with autoConnect: false, so the socket waits for add.
    add(client, nsp, find(of).socket.io.socket(nsp, { auth }));
  },

  emit({ client, event, args, volatile }) {
    const { socket } = find(client);
    (volatile ? socket.volatile : socket).emit(event, ...decode(args));
  },

  emitWithAck({ client, event, args, timeout }) {
    const { socket } = find(client);
    return acked((done) => {
      if (socket.timeout) {
        socket.timeout(timeout).emit(event, ...decode(args), done);
        return;
      }
      // socket.timeout came with 4.4.
      const timer = setTimeout(() => done(new Error("operation has timed out")), timeout);
      socket.emit(event, ...decode(args), (...answer) => {
        clearTimeout(timer);
        done(null, ...answer);
      });
    });
  },

  answer({ client, event, args }) {
    find(client).acks.answer(event, args);
  },

  ack({ client, ack, args }) {
    find(client).acks.call(ack, args);
  },

  disconnect({ client }) {
    find(client).socket.disconnect();
  },

  reconnect({ client }) {
    find(client).socket.connect();
  },

  // Ends the connection below Socket.IO, without a farewell where the transport
  // allows it; the client then reconnects by its own rules.
  break({ client }) {
    const { engine } = find(client).socket.io;
    const raw = engine.transport.ws?._socket;
    if (raw) {
      raw.destroy();
    } else {
      engine.close();
    }
  },

  // Has the client come back to another server from now on.
  move({ client, url }) {
    find(client).socket.io.uri = url;
  },

  state({ client }) {
    const { socket } = find(client);
    return {
      socket: socket.id ?? "",
      connected: socket.connected,
      transport: socket.io.engine?.transport?.name ?? "",
      offset: socket._lastOffset ?? "",
    };
  },
});
