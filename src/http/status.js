// The status page. It shows what the events of /status/stream say, and invents nothing: texts are
// set as text, never as markup, and ages are counted on from the server's clock.
"use strict";

// The server sends something at least every 15 s.
const SILENCE_MAX_MS = 45_000;
const RECONNECT_MS = 3_000;

const LEVEL_ICONS = { green: "✓", amber: "!", red: "✕", none: "…" };
const STATES = {
  waiting: ["·", "waiting"],
  listing: ["↻", "listing"],
  fresh: ["✓", "fresh"],
  failed: ["!", "failed"],
  refused: ["✕", "refused"],
  off: ["–", "not offered"],
};
const OPS = { r: "first seen", c: "created", u: "updated", d: "deleted" };

const at = (id) => document.getElementById(id);
const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
const setMark = (element, name, value) => {
  if (element.dataset[name] !== value) element.dataset[name] = value;
};
const make = (tag, className, role) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (role) element.setAttribute("role", role);
  return element;
};

const count = (value) => Number(value ?? 0).toLocaleString("en");
const span = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
};
const ago = (ms, now) => (ms == null ? "never" : `${span(now - ms)} ago`);
const until = (ms, now) => (ms == null ? "–" : ms <= now ? "now" : `in ${span(ms - now)}`);
const clockTime = (ms) => new Date(ms).toLocaleTimeString("en-GB");

let view = null;
// The workspace that is shown: the one after # in the address, else the first.
let shown = null;
// The server's clock minus ours.
let clockAhead = 0;
let lostSince = null;
let heardAt = Date.now();

function render() {
  if (!view) return;
  const now = Date.now() + clockAhead;
  const wanted = location.hash.slice(1);
  shown = Object.hasOwn(view.workspaces, wanted) ? view.workspaces[wanted] : view;
  renderBanner(now);
  renderWorkspaces();
  renderStreams(now);
  renderChanges();
  renderFacts("totals", totals());
  renderFacts("writer", writer(now));
  setText(at("topics"), shown.topic_prefix ? `${shown.topic_prefix}.*` : "none yet");
  setText(at("version"), view.version);
  setText(at("uptime"), `up ${span(now - view.started_ms)}`);
}

function renderBanner(now) {
  const { level, word, sentence } = lostSince == null ? view.summary : {
    level: "red",
    word: "No connection",
    sentence: `What is shown is as of ${clockTime(lostSince)}`,
  };
  setMark(at("banner"), "level", level);
  setText(at("icon"), LEVEL_ICONS[level]);
  setText(at("word"), word);
  setText(at("sentence"), sentence);
  setText(at("last-event"), lastEvent() == null ? "no event yet" : `last event ${ago(lastEvent(), now)}`);
  const title = `${LEVEL_ICONS[level]} ${word} – Atlar ingestor`;
  if (document.title !== title) document.title = title;
}

function lastEvent() {
  const times = Object.values(view.workspaces).map((workspace) => workspace.last_event_ms);
  return times.reduce((latest, ms) => (ms == null || ms < latest ? latest : ms), null);
}

function renderWorkspaces() {
  const box = at("workspaces");
  const names = Object.keys(view.workspaces);
  box.hidden = names.length < 2;
  while (box.children.length > names.length) box.lastElementChild.remove();
  while (box.children.length < names.length) box.append(make("a"));
  names.forEach((name, index) => {
    const link = box.children[index];
    const { summary, topic_prefix } = view.workspaces[name];
    setText(link, `${LEVEL_ICONS[summary.level]} ${name}`);
    setMark(link, "level", summary.level);
    link.href = `#${name}`;
    link.title = summary.sentence;
    if (topic_prefix === shown.topic_prefix) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
}

const streamRows = new Map();

function newStream(name) {
  const body = make("tbody", "", "rowgroup");
  const row = body.appendChild(make("tr", "", "row"));
  const head = row.appendChild(make("th", "", "rowheader"));
  head.scope = "row";
  head.textContent = name;
  // Where the table is narrow, the label stands before the number.
  const cell = (label) => {
    const element = row.appendChild(make("td", "number", "cell"));
    element.dataset.label = label;
    return element;
  };
  const cells = {
    state: row.appendChild(make("td", "state", "cell")),
    fresh: cell("Fresh"),
    next: cell("Next"),
    pages: cell("Pages"),
    records: cell("Records"),
    made: cell("New"),
    changed: cell("Changed"),
  };
  const noteRow = body.appendChild(make("tr", "note", "row"));
  const note = noteRow.appendChild(make("td", "", "cell"));
  note.colSpan = 8;
  const error = note.appendChild(make("span", "error"));
  const hint = note.appendChild(make("span"));
  return { body, cells, noteRow, error, hint };
}

function renderStreams(now) {
  const table = document.querySelector("table");
  const names = Object.keys(shown.streams);
  for (const [name, row] of streamRows) {
    if (!(name in shown.streams)) {
      row.body.remove();
      streamRows.delete(name);
    }
  }
  let previous = table.tHead;
  for (const name of names) {
    if (!streamRows.has(name)) streamRows.set(name, newStream(name));
    const row = streamRows.get(name);
    if (previous.nextElementSibling !== row.body) previous.after(row.body);
    previous = row.body;
    renderStream(row, shown.streams[name], now);
  }
  at("streams-box").hidden = names.length === 0;
  at("no-streams").hidden = names.length > 0;
}

function renderStream({ cells, noteRow, error, hint }, stream, now) {
  const [icon, word] = STATES[stream.state] ?? ["?", stream.state];
  setText(cells.state, `${icon} ${word}`);
  setMark(cells.state, "state", stream.state);
  setText(cells.fresh, ago(stream.fresh_ms, now));
  setText(cells.next, stream.state === "listing" ? "under way" : until(stream.next_ms, now));
  setText(cells.pages, count(stream.pages));
  setText(cells.records, count(stream.listing.seen));
  setText(cells.made, count(stream.total.new));
  setText(cells.changed, count(stream.total.changed));
  const troubles = [];
  if (stream.error) troubles.push(stream.error);
  if (stream.waits_for) troubles.push(`waits for ${stream.waits_for}`);
  if (stream.total.unmapped > 0) troubles.push(`${count(stream.total.unmapped)} records could not be published`);
  noteRow.hidden = troubles.length === 0 && !stream.hint;
  setText(error, troubles.join("; "));
  setText(hint, stream.hint ? ` – ${stream.hint}` : "");
}

let shownChanges = "";

function renderChanges() {
  const newest = [...shown.feed].reverse();
  const drawn = JSON.stringify(newest);
  if (drawn === shownChanges) return;
  shownChanges = drawn;
  const items = newest.map((change) => {
    const item = make("li");
    const time = item.appendChild(make("time"));
    time.dateTime = new Date(change.at_ms).toISOString();
    time.textContent = clockTime(change.at_ms);
    item.appendChild(make("span")).textContent = OPS[change.op] ?? change.op;
    const what = item.appendChild(make("span", "id"));
    what.append(`${change.entity} `);
    what.appendChild(make("code")).textContent = change.id;
    const number = item.appendChild(make("span", "count"));
    number.textContent = `#${change.change_no}`;
    number.title = "change number of the entity";
    return item;
  });
  at("changes").replaceChildren(...items);
  at("changes-box").hidden = items.length === 0;
  at("no-changes").hidden = items.length > 0;
}

function totals() {
  const byEntity = Object.entries(shown.events_by_entity);
  return [["all events", count(shown.events)], ...byEntity.map(([entity, events]) => [entity, count(events)])];
}

function writer(now) {
  const facts = [
    ["phase", shown.phase],
    ["session", shown.session ?? "none yet"],
    ["acquired", shown.acquisitions === 1 ? "once" : `${count(shown.acquisitions)} times`],
    ["last acquired", ago(shown.acquired_ms, now)],
    ["last batch", `#${shown.batch_no}`],
    ["batches since start", count(shown.batches)],
    ["entities known", count(shown.entities)],
    ["restored from", shown.restored_from ?? "nothing yet"],
    ["records restored", count(shown.records_restored)],
    ["started", `${ago(shown.started_ms, now)}`],
  ];
  if (shown.last_session_end) {
    const { at_ms, reason, error } = shown.last_session_end;
    facts.push(["session ended", `${ago(at_ms, now)} (${reason})${error ? `: ${error}` : ""}`]);
  }
  if (shown.store_doubt) facts.push(["store not used", shown.store_doubt]);
  if (shown.hint) facts.push(["what to do", shown.hint]);
  return facts;
}

function renderFacts(id, facts) {
  const list = at(id);
  while (list.children.length > 2 * facts.length) list.lastElementChild.remove();
  while (list.children.length < 2 * facts.length) list.append(make("dt"), make("dd"));
  facts.forEach(([name, value], index) => {
    setText(list.children[2 * index], name);
    setText(list.children[2 * index + 1], String(value));
  });
}

function setLive(live) {
  heardAt = Date.now();
  if (live) lostSince = null;
  else lostSince ??= Date.now();
  setMark(at("live"), "live", live ? "yes" : "no");
  setText(at("live"), live ? "live" : "reconnecting");
  render();
}

let source = null;

function connect() {
  if (source) source.close();
  source = new EventSource("status/stream");
  source.addEventListener("status", (event) => {
    view = JSON.parse(event.data);
    clockAhead = view.now_ms - Date.now();
    setLive(true);
  });
  source.addEventListener("alive", () => setLive(true));
  source.onerror = () => setLive(false);
}

// A list that scrolls must be reachable by keyboard.
for (const box of document.querySelectorAll(".scroll")) {
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-labelledby", box.id.replace("-box", "-title"));
}
addEventListener("hashchange", render);
setInterval(render, 1000);
// The browser reconnects by itself, except when it was answered by something that is not us, or
// when the connection died without a word.
setInterval(() => {
  const closed = source.readyState === EventSource.CLOSED;
  if (closed || Date.now() - heardAt > SILENCE_MAX_MS) {
    setLive(false);
    connect();
  }
}, RECONNECT_MS);
connect();
