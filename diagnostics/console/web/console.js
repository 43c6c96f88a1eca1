// The console: asks its node once a second what is new, and draws it.

import {ask, byId, colour, el, keyed, text} from './dom.js';
import {drawCharts, span, sparkline} from './charts.js';
import {drawEvents} from './timeline.js';
import {refreshTraces, showTrace} from './traces.js';
import {ago, bytes, plural, seconds, short} from './format.js';

const every = 1000;

/** What is known: nodes by id with their samples, events by node and id. Times are put onto the log's clock. */
const state = {boot: '', revision: 0, nodes: new Map(), events: new Map(), view: null, heard: 0, error: ''};

async function poll() {
  try {
    take(await ask('state', {boot: state.boot, after: state.revision}));
    state.heard = performance.now();
    state.error = '';
  } catch (error) {
    state.error = error.message;
  }
  draw();
}

function take(view) {
  if (view.boot !== state.boot) {
    state.nodes.clear();
    state.events.clear();
  }
  state.boot = view.boot;
  state.revision = view.revision;
  state.view = view;
  const here = new Set(view.nodes.map(n => n.id));
  for (const id of state.nodes.keys()) if (!here.has(id)) state.nodes.delete(id);
  for (const n of view.nodes) {
    const known = state.nodes.get(n.id) ?? {samples: []};
    const ahead = n.clockKnown && Math.abs(n.clockAhead) > 0.05 ? n.clockAhead * 1e6 : 0;
    known.samples.push(...rows(n.samples, ahead));
    known.samples = known.samples.slice(-620);
    state.nodes.set(n.id, {...n, name: n.name || n.id, ahead, samples: known.samples, gone: n.state === 'left' || n.state === 'lost'});
  }
  const self = state.nodes.get(view.self);
  state.now = view.now - (self?.ahead ?? 0);
  for (const e of view.events) {
    const ahead = state.nodes.get(e.node)?.ahead ?? 0;
    state.events.set(`${e.node} ${e.id}`, {...e, first: e.first - ahead, last: e.last - ahead});
  }
  for (const [key, e] of state.events) if (e.last < state.now - span) state.events.delete(key);
}

/** A table of samples as objects. */
function rows({fields, rows}, ahead) {
  return rows.map(row => {
    const sample = {};
    fields.forEach((field, i) => { sample[field] = row[i]; });
    sample.time -= ahead;
    return sample;
  });
}

function draw() {
  drawLive();
  if (!state.view) return;
  const nodes = [...state.nodes.values()];
  nodes.forEach(n => colour(n.id));
  text(byId('self'), state.nodes.get(state.view.self)?.name ?? state.view.self);
  drawVerdict(nodes);
  keyed(byId('cards'), nodes, n => n.id, card, drawCard);
  drawOthers();
  keyed(byId('legend'), nodes, n => n.id, n => el('li', {}, el('span', {class: `swatch ${colour(n.id)}`}), el('span', {class: 'name'})), (item, n) => {
    text(item.lastChild, n.name);
    item.className = n.gone ? 'gone' : '';
  });
  drawCharts(byId('plots'), nodes, state.now);
  const events = [...state.events.values()];
  const tellers = nodes.filter(n => !n.gone || events.some(e => e.node === n.id));
  drawEvents(tellers, events, state.now, showTrace);
}

function drawLive() {
  const age = state.heard ? (performance.now() - state.heard) / 1000 : 0, live = byId('live');
  const stale = !state.heard || age > 4 || state.error;
  live.dataset.state = !state.heard && !state.error ? 'waiting' : stale ? 'stale' : 'live';
  text(byId('live-text'), state.error ? `no answer from this page’s node${state.heard ? ` for ${ago(age)}` : ''}` : state.heard ? 'live' : 'waiting for the first answer');
}

const verdictMarks = {
  healthy: 'M5 12.5l4.5 4.5L19 7.5', problem: 'M12 5v9M12 18.2v.6', fault: 'M12 5v9M12 18.2v.6', waiting: 'M12 6v6l4 2',
};

/** How the cluster is, in a sentence, and why. */
function drawVerdict(nodes) {
  const why = [];
  const self = state.nodes.get(state.view.self);
  let worst = 'healthy';
  const worse = level => { if (['healthy', 'problem', 'fault'].indexOf(level) > ['healthy', 'problem', 'fault'].indexOf(worst)) worst = level; };
  if (state.error) {
    worse('fault');
    why.push(`This page’s node does not answer: ${state.error} What is shown is what was known before.`);
  }
  if (state.view.error) {
    worse('fault');
    for (const problem of self?.problems ?? []) why.push(`${self.name}: ${problem}`);
    why.push(`The other nodes have not been reachable${state.view.unreached > 1 ? ` for ${ago(state.view.unreached)}` : ''}: what is shown of them is their last word, what is shown of ${self?.name ?? 'this node'} is its own record. (${state.view.error})`);
  }
  for (const n of nodes) {
    if (n.state === 'silent' && !state.view.error) {
      worse('fault');
      why.push(`${n.name} ${n.silentFor ? `has not answered for ${ago(n.silentFor)}` : 'does not answer'}.`);
    }
    if (n.state === 'lost') {
      worse('fault');
      why.push(`${n.name} is lost: it did not say goodbye and has not been heard for ${ago(n.silentFor)}. It is shown for ten minutes.`);
    }
    if (n.state === 'problem' && !(state.view.error && n === self)) {
      worse('problem');
      for (const problem of n.problems ?? []) why.push(`${n.name}: ${problem}`);
    }
    if (n.state === 'draining') {
      worse('problem');
      why.push(`${n.name} is draining: it sends its clients elsewhere and will leave.`);
    }
  }
  const present = nodes.filter(n => !n.gone), well = present.filter(n => n.state === 'healthy');
  const sockets = present.reduce((sum, n) => sum + (n.samples.at(-1)?.sockets ?? 0), 0);
  const faults = [...state.events.values()].filter(e => e.severity === 'fault').length;
  const verdict = byId('verdict');
  verdict.dataset.state = worst;
  byId('verdict-mark').setAttribute('d', verdictMarks[worst]);
  text(byId('verdict-text'), state.error ? 'This page is out of date.' : state.view.error ? `${self?.name ?? 'This node'} cannot reach the other nodes.` : worst === 'healthy'
    ? `${present.length === 1 ? 'The only node is' : `All ${present.length} nodes are`} healthy, with ${plural(sockets, 'socket')}.`
    : well.length === present.length ? `${plural(present.length, 'node')} healthy, but something is wrong.`
      : `${well.length} of ${plural(present.length, 'node')} ${well.length === 1 ? 'is' : 'are'} healthy.`);
  if (worst === 'healthy' && faults) why.push(`${plural(faults, 'fault')} in the last ten minutes: see what happened.`);
  keyed(byId('verdict-why'), why.map((line, i) => ({line, i})), w => w.i, () => el('li', {}), (item, w) => text(item, w.line));
}

const states = {
  healthy: 'healthy', problem: 'trouble', draining: 'draining', silent: 'no answer', left: 'has left', lost: 'lost',
};

function card(n) {
  return el('article', {class: 'card', 'data-node': n.id},
    el('h3', {}, el('span', {class: `swatch ${colour(n.id)}`}), el('span', {class: 'name'}), el('span', {class: 'pill'})),
    el('p', {class: 'words'}),
    el('div', {class: 'sparks'}, el('div', {}, el('span', {}, 'deliveries, ten minutes'), el('div', {class: 'spark-box'}))),
    el('dl', {class: 'figures'}, ...['sockets', 'rooms', 'read', 'published', 'lag', 'waiting'].map(term =>
      el('div', {'data-term': term}, el('dt', {}, term), el('dd', {})))),
    el('p', {class: 'meta'}));
}

function drawCard(article, n) {
  const last = n.samples.at(-1) ?? {};
  article.dataset.state = n.state;
  text(article.querySelector('.name'), n.name);
  text(article.querySelector('.pill'), states[n.state] ?? n.state);
  text(article.querySelector('.words'), words(n));
  article.querySelector('.spark-box').replaceChildren(sparkline(n, 'delivered', 1, state.now));
  const figures = {
    sockets: short(last.sockets ?? 0), rooms: short(last.rooms ?? 0), read: `${short(last.received ?? 0)}/s`,
    published: `${short(last.published ?? 0)}/s`, lag: seconds(last.lag ?? 0) + (last.behind >= 1 ? ` · ${short(last.behind)}` : ''), waiting: short(last.backlog ?? 0),
  };
  for (const box of article.querySelectorAll('[data-term]')) text(box.lastChild, n.samples.length ? figures[box.dataset.term] : '–');
  const up = n.started ? `up for ${ago((state.now - n.started + n.ahead) / 1e6)}` : '';
  const skew = n.clockKnown && Math.abs(n.clockAhead) > 0.05 ? `clock ${seconds(Math.abs(n.clockAhead))} ${n.clockAhead > 0 ? 'ahead of' : 'behind'} the log’s` : '';
  text(article.querySelector('.meta'), [n.id === state.view.self ? 'this page’s node' : '', n.gone ? '' : up, version(n.version), last.heap ? bytes(last.heap) : '', skew, `id ${n.id}`].filter(Boolean).join(' · '));
}

const version = text => text ? text.replace(/^\(devel\) ([0-9a-f]{8}).*$/, 'commit $1').slice(0, 40) : '';

/** How a node is, in a sentence. */
function words(n) {
  switch (n.state) {
    case 'healthy': return 'Answers, and reads the log as it is written.';
    case 'silent': return n.silentFor ? `Has not answered for ${ago(n.silentFor)}. What is shown is its last word.` : 'Is a member of the cluster, but does not answer.';
    case 'lost': return `Gone without a goodbye; last heard ${ago(n.silentFor)} ago.`;
    case 'left': return `Left in good order, ${ago(n.silentFor)} ago.`;
    case 'draining': return 'Sends its clients elsewhere and will leave.';
    default: return (n.problems ?? []).join(' ') || 'Something is wrong.';
  }
}

/** Members that have no diagnostics: Node.js servers, and nodes where they are off. */
function drawOthers() {
  const self = state.view.nodes.find(n => n.id === state.view.self), others = new Map();
  for (const ns of self?.namespaces ?? []) {
    for (const m of ns.members ?? []) {
      if (state.nodes.has(m.node)) continue;
      others.set(m.node, {name: m.name || m.node, namespaces: [...others.get(m.node)?.namespaces ?? [], ns.name]});
    }
  }
  const line = byId('others');
  line.hidden = others.size === 0;
  text(line, `${plural(others.size, 'more member')} without diagnostics, which only heartbeats show (Node.js servers, one for each of their namespaces; or nodes with --diagnostics=false): ${[...others.values()].slice(0, 12).map(o => `${o.name} in ${o.namespaces.join(', ')}`).join('; ')}.`);
}

addEventListener('redraw', draw);
addEventListener('resize', draw);

async function run() {
  for (let turn = 0; ; turn++) {
    const began = performance.now();
    if (!document.hidden) {
      await poll();
      if (turn % 2 === 0) refreshTraces(turn === 0);
    }
    await new Promise(resolve => setTimeout(resolve, Math.max(200, every - (performance.now() - began))));
  }
}

run();
