// The page of `roombus serve`: rooms, messages, and who is there. No framework, no build.
"use strict";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const polling = query.get("transport") === "polling";

const socket = io({
  path: document.querySelector('meta[name="roombus-path"]').content,
  transports: polling ? ["polling"] : ["polling", "websocket"],
});

const ids = new Set(); // all socket ids that this page has had
const rooms = new Map(); // name -> {messages, unread}, in the order of joining
let current = "";

// Acks wait no longer than this; the server's own limits are shorter.
const patience = 10_000;

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

const short = (id) => id.slice(0, 8);

let noticeTimer;
function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  clearTimeout(noticeTimer);
  if (text) noticeTimer = setTimeout(() => notice(""), 8000);
}

// ask sends an event and returns the server's answer; an {error} is thrown.
async function ask(event, argument) {
  const answer = await socket.timeout(patience).emitWithAck(event, argument);
  if (answer && answer.error) throw new Error(answer.error);
  return answer;
}

// --- connection ---

function showState(state) {
  $("state").textContent = state;
  $("state").dataset.state = state;
  $("send").disabled = state !== "connected";
}

function showTransport() {
  $("transport").textContent = socket.connected ? socket.io.engine.transport.name : "none";
}

socket.on("connect", () => {
  const before = ids.size > 0;
  ids.add(socket.id);
  showState("connected");
  $("you").textContent = short(socket.id);
  $("you").title = socket.id;
  showTransport();
  socket.io.engine.once("upgrade", showTransport);
  $("session").textContent = socket.recovered ? "recovered" : "new";
  notice(before && !socket.recovered ? "The session was not recovered: messages of the time without a connection may be missing." : "");
  if (socket.recovered) {
    refresh(); // it is in its rooms, and gets what it has missed
    return;
  }
  const known = rooms.size > 0 ? [...rooms.keys()] : [location.hash.slice(1) ? decodeURIComponent(location.hash.slice(1)) : "lobby"];
  known.forEach(join); // a new connection is in no room
});

socket.on("disconnect", (reason) => {
  showState(socket.active ? "reconnecting" : "disconnected");
  showTransport();
  $("you").textContent = "…";
  $("node").textContent = "…";
  $("sockets").replaceChildren(element("li", "empty", "Not known while there is no connection."));
  $("nodes").replaceChildren();
  $("partial").hidden = true;
  if (!socket.active) notice(`The server has closed the connection (${reason}). Reload the page to come back.`);
});

socket.on("connect_error", (error) => {
  showState(socket.active ? "reconnecting" : "disconnected");
  notice(`The server cannot be reached (${error.message}). ${socket.active ? "Trying again." : ""}`);
});

// --- rooms ---

async function join(room) {
  try {
    await ask("join", room);
  } catch (error) {
    notice(`${room} was not joined: ${error.message}`);
    return;
  }
  if (!rooms.has(room)) rooms.set(room, { messages: [], unread: 0 });
  if (!current) current = room;
  show();
  refresh();
}

async function leave(room) {
  try {
    await ask("leave", room);
  } catch (error) {
    notice(`${room} was not left: ${error.message}`);
    return;
  }
  rooms.delete(room);
  if (current === room) open(rooms.size > 0 ? [...rooms.keys()][0] : "");
  else show();
  refresh();
}

function open(room) {
  current = room;
  if (room) rooms.get(room).unread = 0;
  show();
  refresh();
}

function show() {
  const focused = document.activeElement?.dataset?.room;
  const list = $("rooms");
  list.replaceChildren();
  for (const [name, room] of rooms) {
    const item = element("li");
    const button = element("button", "open", name);
    button.type = "button";
    button.dataset.room = name;
    button.title = name;
    button.setAttribute("aria-current", String(name === current));
    if (room.unread > 0) button.append(" ", element("span", "count", `${room.unread} new`));
    button.onclick = () => open(name);
    const away = element("button", "leave", "Leave");
    away.type = "button";
    away.setAttribute("aria-label", `Leave ${name}`);
    away.onclick = () => leave(name);
    item.append(button, away);
    list.append(item);
    if (name === focused) button.focus();
  }
  $("talk-title").textContent = current || "No room";
  $("body").disabled = !current;
  history.replaceState(null, "", current ? `#${encodeURIComponent(current)}` : location.pathname + location.search);
  showMessages();
}

$("join-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const room = $("join-room").value;
  await join(room);
  if (rooms.has(room)) {
    $("join-room").value = "";
    open(room);
  }
});

// --- messages ---

// A message is {body, from, node, at, own, receipt, failed, back}. Own ones are shown at once; when they come back from
// the log they take the place that they have there, before those that are still on their way.

function showMessages() {
  const list = $("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const messages = rooms.get(current)?.messages ?? [];
  list.replaceChildren(...messages.map(messageItem));
  if (messages.length === 0) {
    list.append(element("li", "empty", current ? "Nothing was said here yet." : "Join a room to talk."));
  }
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function messageItem(m) {
  const item = element("li", m.own ? "own" : "");
  const meta = element("div", "meta");
  const from = element("span", "from", m.own ? "you" : short(String(m.from ?? "somebody")));
  from.title = String(m.from ?? "");
  meta.append(from, element("span", "", m.node ? `on ${m.node}` : "on its way"), element("time", "", m.at.toLocaleTimeString()));
  item.append(meta, element("p", "body", textOf(m.body)));
  if (m.own) {
    const receipt = element("p", m.failed ? "receipt failed" : "receipt");
    if (m.failed) receipt.textContent = m.failed;
    else if (m.receipt) receipt.append("in the log at ", element("code", "offset", m.receipt));
    else receipt.textContent = "sending";
    item.append(receipt);
  }
  return item;
}

function textOf(body) {
  if (typeof body === "string") return body;
  if (body instanceof ArrayBuffer) return `${body.byteLength} bytes`;
  return JSON.stringify(body);
}

socket.on("message", (message) => {
  const room = rooms.get(message?.room);
  if (!room) return;
  const own = ids.has(message.from);
  let m = own && room.messages.find((x) => x.own && !x.back && x.body === message.body);
  if (m) room.messages.splice(room.messages.indexOf(m), 1);
  else m = { own, body: message.body, from: message.from };
  Object.assign(m, { back: true, node: message.node, at: new Date() });
  const waiting = room.messages.findIndex((x) => x.own && !x.back && !x.failed);
  room.messages.splice(waiting < 0 ? room.messages.length : waiting, 0, m);
  if (room.messages.length > 500) room.messages.shift();
  if (message.room === current) {
    showMessages();
  } else {
    room.unread++;
    show();
  }
});

// Somebody asks all in a room (the event "ask", which is not on this page).
socket.on("question", (question, reply) => reply?.("here"));

$("send-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const room = current;
  const body = $("body").value;
  if (!room || !socket.connected) return;
  $("body").value = "";
  const m = { own: true, body, from: socket.id, at: new Date() };
  rooms.get(room).messages.push(m);
  showMessages();
  $("messages").scrollTop = $("messages").scrollHeight;
  try {
    m.receipt = (await ask("message", { room, body })).offset;
  } catch (error) {
    m.failed = `not sent: ${error.message}`;
  }
  showMessages();
});

// --- who is there ---

let asking = false;
async function refresh() {
  if (asking || !socket.connected || document.hidden) return;
  asking = true;
  const room = current;
  try {
    const who = await ask("who", room);
    if (room === current) showWho(who);
  } catch (error) {
    $("partial").textContent = `Who is here is not known: ${error.message}`;
    $("partial").hidden = false;
  } finally {
    asking = false;
  }
  if (room !== current) refresh();
}

function showWho(who) {
  $("node").textContent = who.node;
  $("node").title = who.id;
  $("sockets-title").textContent = current ? `Sockets in ${current}` : "Sockets in the room";
  $("sockets").replaceChildren(
    ...who.sockets.map((s) => {
      const self = s.id === socket.id;
      return line(self ? `${short(s.id)} (you)` : short(s.id), s.node, s.id, self);
    }),
  );
  if (who.sockets.length === 0) $("sockets").append(element("li", "empty", current ? "Nobody." : "Join a room to see who is in it."));
  if (who.count > who.sockets.length) $("sockets").append(element("li", "empty", `and ${who.count - who.sockets.length} more`));
  $("nodes").replaceChildren(
    ...who.nodes.map((n) => line(n.self ? `${n.name} (yours)` : n.name, n.note, n.id, n.self)),
  );
  $("partial").textContent = who.partial ?? "";
  $("partial").hidden = !who.partial;
}

function line(text, note, title, self) {
  const item = element("li", self ? "self" : "");
  const name = element("span", "", text);
  name.title = title;
  item.append(name);
  if (note) item.append(element("span", "", note));
  return item;
}

setInterval(refresh, 3000);
document.addEventListener("visibilitychange", refresh);

if (polling) {
  $("polling").textContent = "With WebSocket";
  $("polling").href = "?";
}
showState("connecting");
show();
