// Writes vectors.json: what socket.io-parser 4.2.7 makes of frames, and into which frames it makes packets.
//
//   npm install --no-save socket.io-parser@4.2.7 && node generate.mjs
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Decoder, Encoder } = createRequire(import.meta.url)("socket.io-parser");

// A frame is a text, or {"$bin": base64}.
const bin = (text) => ({ $bin: Buffer.from(text).toString("base64") });
const toFrame = (f) => (typeof f === "string" ? f : Buffer.from(f.$bin, "base64"));
const fromFrame = (f) => (typeof f === "string" ? f : { $bin: Buffer.from(f).toString("base64") });
const deep = (v, leaf) => {
  const l = leaf(v);
  if (l !== undefined) return l;
  if (Array.isArray(v)) return v.map((e) => deep(e, leaf));
  if (v && typeof v === "object") return Object.fromEntries(Object.entries(v).map(([k, e]) => [k, deep(e, leaf)]));
  return v;
};
const show = (v) => deep(v, (b) => (Buffer.isBuffer(b) ? fromFrame(b) : undefined));
const read = (v) => deep(v, (b) => (b && b.$bin !== undefined ? toFrame(b) : undefined));

function decode(frames) {
  const packets = [];
  const decoder = new Decoder();
  decoder.on("decoded", (p) => packets.push(p));
  try {
    for (const f of frames) decoder.add(toFrame(f));
  } catch (e) {
    return { frames, error: e.message };
  }
  return { frames, packets: packets.map((p) => ({ type: p.type, nsp: p.nsp, id: p.id, data: show(p.data) })) };
}

const p = (n) => `{"_placeholder":true,"num":${n}}`;
const texts = [
  "0", "0{}", '0{"token":"123"}', "0/admin", "0/admin,", '0/admin,{"a":1}', '0/admin?token=1,{"a":1}', "0/admin?a=1&b={},",
  "0[]", "0null", '0"a"', "0{", "0true", "01", "0 {}", "0/,", "0/,{}",
  "1", "1/admin,", "1/admin", "1{}", "1[]", "1null", "112",
  '2["a"]', '2["a",1,{"b":[true,null,"\\u00e9"]}]', '2/admin,["a"]', '2/admin,7["a"]', '27["a"]', '20["a"]', '2007["a"]',
  '29007199254740991["a"]', '2/admin["a"]', '2/a,b,["a"]', '2/a,12["x,y"]', '2[1]', '2[1.5,"x"]', '2[1e3]', '2["",1]', '2[""]', "2", "2[]", "2{}", "2[null]", "2[true]",
  '2[{"a":1}]', "2[[]]", '2"a"', '2["a"', '2["a"]]', '2["a",]', "2['a']", '2["a"] ', '2["a"]x', "2/admin,", "2/admin,7", "27",
  ...["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "connection", "error"].map((e) => `2["${e}"]`),
  '2 ["a"]', '2-1["a"]', '2+1["a"]', '21.5["a"]', '20x10["a"]', '2\t["a"]',
  "3[]", '312["ok"]', '3/admin,12["ok"]', "312", "3", "312{}", '312"ok"', "312null",
  "4", '4"no"', '4{"message":"no"}', '4/admin,{"message":"no","data":{"code":1}}', "4[]", "4null", "41",
  "7", '7["a"]', "8", "9", "a", "-1", "", " ", "\u00e9", "x2",
  '5["a"]', "5", "5-", '5-["a"]', '50-["a"]', '5-1-["a"]', '5x-["a"]', '51', '51["a"]', '511-["a"]', '51.5-["a"]',
  '5+1-["a"]', '51e0-["a"]', '5 1-["a"]', '501-["a"]', '5999999999999-["a"]', '61-{}', '61-"a"', '51-{}', '51-["connect"]', '51-[', "51-", "61-7", "6-[]",
];
const sequences = [
  [`51-["e",${p(0)}]`, bin("a")],
  [`52-["e",${p(0)},{"x":[${p(1)}]}]`, bin("a"), bin("b")],
  [`52-["e",${p(1)},${p(0)},${p(1)}]`, bin("a"), bin("b")],
  [`51-/admin,12["e",${p(0)}]`, bin("")],
  [`61-12[${p(0)}]`, bin("a")],
  [`61-/admin,12[1,${p(0)}]`, bin("a")],
  [`51-["e",1]`, bin("never named")],
  [`51-["e",{"num":0,"_placeholder":true}]`, bin("a")],
  [`51-["e",{"_placeholder":true,"num":0,"more":1}]`, bin("a")],
  [`510-["e",${[...Array(10).keys()].map(p)}]`, ...[..."0123456789"].map(bin)],
  [`51-["e",${p(1)}]`, bin("a")],
  [`51-["e",${p(-1)}]`, bin("a")],
  [`51-["e",{"_placeholder":true,"num":"0"}]`, bin("a")],
  [`51-["e",{"_placeholder":true}]`, bin("a")],
  [`51-["e",{"_placeholder":"true","num":9}]`, bin("a")],
  [`51-["e",${p(0)}]`, '2["e"]'],
  [`52-["e",${p(0)}]`, bin("a"), '2["e"]'],
  [bin("a")],
  ['2["e"]', bin("a")],
  [`51-["e",${p(0)}]`, bin("a"), bin("b")],
  [`51-["e",${p(0)}]`, bin("a"), '2["f"]', `51-["g",${p(0)}]`, bin("c")],
  [`2["e",${p(0)}]`],
];
const packets = [
  { type: 0, nsp: "/" }, { type: 0, nsp: "/", data: { sid: "x" } }, { type: 0, nsp: "/admin", data: { sid: "x" } },
  { type: 1, nsp: "/" }, { type: 1, nsp: "/admin" }, { type: 2, nsp: "/", data: ["a", 1, "\u2028é"] },
  { type: 2, nsp: "/", id: 0, data: ["a"] }, { type: 2, nsp: "/admin", id: 12, data: ["a", { b: [] }] },
  { type: 3, nsp: "/", id: 12, data: [] }, { type: 3, nsp: "/admin", id: 9007199254740991, data: ["ok"] },
  { type: 4, nsp: "/", data: { message: "no" } }, { type: 4, nsp: "/admin", data: "no" },
  { type: 2, nsp: "/", data: ["e", bin("a")] }, { type: 2, nsp: "/admin", id: 3, data: ["e", { x: [bin("a"), bin("")] }, bin("c")] },
  { type: 3, nsp: "/", id: 3, data: [bin("a")] }, { type: 3, nsp: "/admin", id: 3, data: [1, bin("a")] },
];
const decoded = [...texts.map((t) => [t]), ...sequences].map(decode);
const encoded = packets.map((packet) => ({ packet, frames: new Encoder().encode({ ...packet, data: read(packet.data) }).map(fromFrame) }));
const lines = (list) => "[\n" + list.map((v) => "    " + JSON.stringify(v)).join(",\n") + "\n  ]";
writeFileSync("vectors.json", `{
  "source": "socket.io-parser 4.2.7",
  "decoded": ${lines(decoded)},
  "encoded": ${lines(encoded)}
}
`);
