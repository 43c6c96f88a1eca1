// Writes vectors.json: what @msgpack/msgpack 2.8.0 makes of JavaScript values, and what it reads.
//
//   npm install --no-save @msgpack/msgpack@2.8.0 && node generate.mjs
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const { encode, decode } = createRequire(import.meta.url)("@msgpack/msgpack");
const base64 = (bytes) => Buffer.from(bytes).toString("base64");

// flat replaces the binaries of a value by placeholders, as socket.io-parser does.
function flat(value, attachments) {
  if (ArrayBuffer.isView(value)) {
    attachments.push(base64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)));
    return { _placeholder: true, num: attachments.length - 1 };
  }
  if (Array.isArray(value)) return value.map((v) => flat(v, attachments));
  if (value && typeof value === "object" && !(value instanceof Date)) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, flat(v, attachments)]));
  }
  return value;
}

function toJSON(value) {
  const attachments = [];
  return { json: JSON.stringify(flat(value, attachments)), attachments };
}

const text = (n) => "x".repeat(n);
const numbers = [
  "0", "-0", "1", "1.0", "1e0", "10e-1", "127", "128", "255", "256", "65535", "65536", "4294967295", "4294967296",
  "9007199254740991", "9007199254740992", "9007199254740993", "18446744073709551615", "18446744073709551616",
  "-1", "-32", "-33", "-128", "-129", "-32768", "-32769", "-2147483648", "-2147483649", "-9007199254740991",
  "-9007199254740992", "0.1", "-1.5", "1e20", "1e21", "1e22", "1e400", "-1e400", "1e-400", "5e-324", "1e-7",
  "123456789012345678901234567890", "1.7976931348623157e308", "3.141592653589793", "0.000001",
];
const texts = [
  '""', '"a"', `"${text(31)}"`, `"${text(32)}"`, `"${text(255)}"`, `"${text(256)}"`, `"${text(65536)}"`, '"é😀\u2028"',
  '"\\u00e9\\ud83d\\ude00\\n\\"\\\\\\/\\b\\f\\r\\t\\u0000"', `"${text(201)}\\ud83d"`,
];
const others = [
  "null", "true", "false", "[]", "{}", "[[],{}]", ' { "b" : [ 1 , null ] , "a" : { "" : true } } ',
  JSON.stringify(Array(15).fill(0)), JSON.stringify(Array(16).fill([])), JSON.stringify(Array(65536).fill(1)),
  JSON.stringify(Object.fromEntries(Array.from({ length: 15 }, (_, i) => ["k" + i, i]))),
  JSON.stringify(Object.fromEntries(Array.from({ length: 16 }, (_, i) => ["k" + i, [i]]))),
  JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, i) => ["k" + i, { i }]))),
  "[".repeat(100) + "]".repeat(100),
];
const written = [...numbers, ...texts, ...others].map((json) => ({ json, msgpack: base64(encode(JSON.parse(json))) }));
for (const value of [
  Buffer.from("abc"), Buffer.alloc(0), ["e", Buffer.alloc(255, 1), { a: Buffer.alloc(256, 2), b: [Buffer.from("z")] }],
]) {
  written.push({ ...toJSON(value), msgpack: base64(encode(value)) });
}

// Bytes that the encoder never writes, and values that JSON cannot hold.
const bytes = (...parts) => Buffer.concat(parts.map((p) => (typeof p === "string" ? Buffer.from(p, "hex") : p)));
const f32 = (f) => { const b = Buffer.alloc(5); b[0] = 0xca; b.writeFloatBE(f, 1); return b; };
const read = [
  ...[0.1, 1, -0, NaN, Infinity, 16777216, 1e-45].map(f32),
  ...[NaN, Infinity, -Infinity, -0, 1e21, 1e-7, 5e-324, 0.1, 123456789012345680000, 1.5e300, -1e-9].map((f) => encode([f])),
  ...["cfffffffffffffffff", "cf0020000000000001", "cf0020000000000003", "d3ffdfffffffffffff", "d38000000000000000",
    "cc01", "cd0001", "ce00000001", "d001", "d1ffff", "d2ffffffff", "d90161", "da000161", "db0000000161",
    "dc000101", "dd0000000101", "de0001a16101", "df00000001a16101", "c500017a", "c6000000017a",
    "8101a161", "81ffc0", "81cb3ff8000000000000c0", "81cfffffffffffffffffc0", "82a16101a16102",
    "d40510", "d5050102", "d60501020304", "d7050102030405060708", "d805" + "00".repeat(16), "c70305010203", "c70005",
    "c8000105aa", "c90000000105aa", "a3eda0bd", "a6eda0bdedb880", "a4610a0922", "a11f",
  ].map((hex) => bytes(hex)),
  ...[0, 1600000000123, 4294967295000, 4294967296000, 17179869183999, 17179869184000, 253402300799999, 253402300800000,
    -1, -62135596800000, -62167219200001, 8.64e15, -8.64e15].map((ms) => encode({ at: new Date(ms) })),
  bytes("c70cff", "00000000", "7fffffffffffffff"), bytes("c70cff", "3b9ac9ff", "ffffffffffffffff"),
  bytes("d7ff", "fffffffc00000000"), bytes("c70cff", "00000000", "000007db7c4d3a00"),
].map((msgpack) => ({ msgpack: base64(msgpack), ...toJSON(decode(msgpack)) }));

// What it refuses to read.
const refused = [
  "", "c1", "91", "92c0", "81a161", "c0c0", "a261", "c402aa", "d6ff0000", "d5ff0000", "c704050102", "81c0c0", "81c2c0",
  "81c40161c0", "8190c0", "81a95f5f70726f746f5f5fc0", "ddffffffff", "dfffffffff", "cb00", "ca", "cd00",
];
for (const hex of refused) {
  let fine = true;
  try { decode(Buffer.from(hex, "hex")); } catch { fine = false; }
  if (fine) throw new Error(`${hex} is read`);
}
// The long ones are left to the test itself; the file stays small.
const small = (list) => list.filter((v) => v.msgpack.length < 4000);
const digest = written.filter((v) => v.msgpack.length >= 4000).map((v) => ({ length: v.json.length, size: Buffer.from(v.msgpack, "base64").length, head: Buffer.from(v.msgpack, "base64").subarray(0, 8).toString("hex") }));
const lines = (list) => "[\n" + list.map((v) => "    " + JSON.stringify(v)).join(",\n") + "\n  ]";
writeFileSync("vectors.json", `{
  "source": "@msgpack/msgpack 2.8.0",
  "written": ${lines(small(written))},
  "longWritten": ${lines(digest)},
  "read": ${lines(read)},
  "refused": ${lines(refused)}
}
`);
