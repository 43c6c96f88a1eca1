// What client.mjs and server.mjs share: the conversation with the Go side.
//
// Each line of the standard input is a request, {id, op, ...}, and is answered by
// one line {reply: id, value} or {reply: id, error}. What happens without being
// asked for is a line {event: {...}}. Binary data is {"$bin": base64} both ways.
// The end of the input ends the process.

import { createInterface } from "node:readline";

/** Turns binary data inside a value into {"$bin": base64}. */
export function encode(value) {
  if (value instanceof ArrayBuffer) {
    return { $bin: Buffer.from(value).toString("base64") };
  }
  if (ArrayBuffer.isView(value)) {
    return { $bin: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  }
  if (Array.isArray(value)) {
    return value.map(encode);
  }
  if (value && typeof value === "object" && typeof value.toJSON !== "function") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encode(item)]));
  }
  return value;
}

/** Turns {"$bin": base64} inside a value into Buffers. */
export function decode(value) {
  if (Array.isArray(value)) {
    return value.map(decode);
  }
  if (value && typeof value === "object") {
    const keys = Object.keys(value);
    if (keys.length === 1 && keys[0] === "$bin") {
      return Buffer.from(value.$bin, "base64");
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item)]));
  }
  return value;
}

function write(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

/** Reports something that happened. */
export function report(event) {
  write({ event: { at: performance.timeOrigin + performance.now(), ...event } });
}

/**
 * Acknowledgement functions that wait for the Go side, and the answers that it
 * has set for events of a name.
 */
export class Acks {
  #waiting = new Map();
  #answers = new Map();
  #last = 0;

  /** Sets the answer (an array of arguments) for the events of a key. */
  answer(key, args) {
    this.#answers.set(key, decode(args ?? []));
  }

  /**
   * Takes the acknowledgement function off the end of an event's arguments.
   * Calls it if an answer is set for the key; else keeps it, by the number that
   * is returned.
   */
  take(key, args) {
    if (typeof args.at(-1) !== "function") {
      return { args: encode(args) };
    }
    const call = args.at(-1);
    const ack = ++this.#last;
    if (this.#answers.has(key)) {
      call(...this.#answers.get(key));
    } else {
      this.#waiting.set(ack, call);
    }
    return { args: encode(args.slice(0, -1)), ack };
  }

  /** Calls a kept acknowledgement function. */
  call(ack, args) {
    const call = this.#waiting.get(ack);
    if (!call) {
      throw new Error(`no acknowledgement ${ack} waits to be sent`);
    }
    this.#waiting.delete(ack);
    call(...decode(args ?? []));
  }
}

/** The promise of what an acknowledgement callback (error, answers) is called with. */
export function acked(start) {
  return new Promise((resolve) => {
    start((error, ...answers) => resolve({ error: error?.message, answers: encode(answers) }));
  });
}

/** Answers requests by the operations' functions, until the input ends. */
export function serve(operations) {
  const input = createInterface({ input: process.stdin, crlfDelay: Infinity });
  input.on("line", async (line) => {
    const request = JSON.parse(line);
    try {
      const operation = operations[request.op];
      if (!operation) {
        throw new Error(`no operation is called ${request.op}`);
      }
      write({ reply: request.id, value: (await operation(request)) ?? null });
    } catch (error) {
      write({ reply: request.id, error: error?.message ?? String(error) });
    }
  });
  input.on("close", () => process.exit(0));
}
