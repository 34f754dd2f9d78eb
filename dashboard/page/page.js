// The page. It has no data of its own: it listens to page/states, loads page/rows when they say that the
// table has changed, and page/history. What others wrote reaches the document as text alone.
"use strict";

const $ = (id) => document.getElementById(id);
const el = (tag, cls, ...kids) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  for (const k of kids) if (k !== null && k !== undefined) e.append(k instanceof Node ? k : clean(String(k)));
  return e;
};
// Control characters and those that turn the direction of text would lie about what stands there.
const clean = (s) => s.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));

// New children of a box, which keeps its focus. If they say the same as the old ones, those stay, with what is selected in them.
function renew(box, ...kids) {
  const now = el("div", "", ...kids);
  const old = [...box.childNodes];
  if (old.length === now.childNodes.length && old.every((k, i) => k.isEqualNode(now.childNodes[i]))) return;
  const all = () => [...box.querySelectorAll("button, summary")], at = all().indexOf(document.activeElement);
  box.replaceChildren(...now.childNodes);
  if (at >= 0 && all()[at]) all()[at].focus({ preventScroll: true });
}

// ---- numbers ----
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const plural = (n, one, many) => whole.format(n) + " " + (n === 1 ? one : many || one + "s");
function size(n) {
  if (n === null || n === undefined || n < 0) return "?";
  if (n < 1024) return n + " B";
  let i = -1;
  do { n /= 1024; i++; } while (n >= 1023.95 && i < 5);
  return n.toFixed(n < 9.95 ? 1 : 0) + " " + "KMGTPE"[i] + "iB";
}
function age(s) {
  if (s === null || s === undefined) return "never";
  for (const [unit, of] of [["d", 86400], ["h", 3600], ["min", 60]]) if (s >= of) return Math.floor(s / of) + " " + unit;
  return Math.max(0, Math.floor(s)) + " s";
}
const hexKey = (k) => k === 0 ? "private" : "0x" + k.toString(16).padStart(8, "0");
const octal = (m) => m.toString(8).padStart(4, "0");

// ---- what the address says: #object=shm:5&filter=…&sort=-size&range=3 h&events=findings ----
const place = { object: "", filter: "", sort: "", range: "", events: "" };
function readPlace() {
  const p = new URLSearchParams(location.hash.slice(1));
  for (const k in place) place[k] = p.get(k) || "";
}
function goTo(change, push) {
  Object.assign(place, change);
  const p = new URLSearchParams();
  for (const k in place) if (place[k]) p.set(k, place[k]);
  const hash = "#" + p.toString().replaceAll("%3A", ":").replaceAll("%3D", "=").replaceAll("%2C", ",");
  if (push && hash !== location.hash) history.pushState(null, "", hash);
  else history.replaceState(null, "", hash === "#" ? location.pathname : hash);
}

// ---- requests: the token goes into a header, never into an address ----
let token = sessionStorage.getItem("token") || "";
async function ask(path, signal) {
  const headers = token ? { Authorization: "Bearer " + token } : {};
  const r = await fetch(path, { headers, signal, cache: "no-store" });
  if (r.status === 401) { $("login").hidden = false; throw new Error("a token is needed"); }
  if (!r.ok) throw new Error((await r.text()).trim() || r.statusText);
  $("login").hidden = true;
  return r;
}
$("login").addEventListener("submit", (e) => {
  e.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  $("token").value = "";
  wake();
});

// ---- the stream ----
let state = null, lastWord = 0, wake = () => {};
async function listen() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 10000)) {
    const stop = new AbortController();
    // The server says something at least every 10 s.
    const watch = setInterval(() => { if (Date.now() - lastWord > 25000) stop.abort(); }, 1000);
    try {
      lastWord = Date.now();
      const reader = (await ask("page/states", stop.signal)).body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        lastWord = Date.now();
        pause = 500;
        const parts = (text + value).split("\n\n");
        text = parts.pop();
        for (const p of parts) if (p.startsWith("data: {")) show(JSON.parse(p.slice(6)));
      }
      throw new Error("the server has ended");
    } catch (err) {
      lost(err);
    } finally {
      clearInterval(watch);
    }
    await new Promise((done) => { wake = done; setTimeout(done, pause); });
  }
}
function banner(text) { $("banner").hidden = !text; $("banner").textContent = text ? clean(text) : ""; }
function lost(err) {
  if (!$("login").hidden) { setStatus("", "Waiting for the token"); return; }
  banner("No connection to sysvipcd: trying again." + (state ? " What stands here is of " + clock(state.time) + "." : ""));
  setStatus("critical", "No connection");
}
const clock = (t) => new Date(t).toLocaleTimeString();
function setStatus(cls, text) { $("status").className = cls; $("verdict").textContent = text; }

function show(s) {
  if (s.error) {
    banner("Nothing new can be seen: " + s.error + (state ? ". What stands here is of " + clock(state.time) + "." : "."));
    setStatus("critical", "No answer from the machine");
    return;
  }
  const first = !state;
  state = s;
  banner(s.note);
  $("host").textContent = clean(s.host);
  document.title = clean(s.host) + " · System V IPC";
  const bad = s.findings.filter((f) => f.severity === "critical").length, warn = s.findings.length - bad;
  setStatus(bad ? "critical" : warn ? "warning" : "good",
    ([bad && plural(bad, "problem"), warn && plural(warn, "warning")].filter(Boolean).join(", ") || "Nothing is wrong") +
    (s.complete ? "" : ", as far as can be seen"));
  showFindings(s);
  showLimits(s);
  showWaits(s);
  if (s.rows !== table.tag) loadRows(s.rows);
  if (first) loadHistory(); else extendHistory();
  if (s.events !== seenEvents) { seenEvents = s.events; loadEvents(); }
  if (place.object) showDetail(place.object);
}
setInterval(() => {
  if (state) $("when").textContent = "seen " + age((Date.now() - new Date(state.time)) / 1000) + " ago";
}, 1000);

function showFindings(s) {
  const grave = (f) => f.severity === "critical" ? 0 : 1;
  const kids = s.findings.sort((a, b) => grave(a) - grave(b)).map((f) => el("div", "finding", el("span", "dot " + f.severity),
    el("p", "", f.text, f.remedy ? el("br") : null, f.remedy ? el("code", "", f.remedy) : null)));
  if (!s.complete) {
    const list = el("details", "", el("summary", "", "Not everything could be seen: waits and users may be missing"));
    for (const w of s.warnings) list.append(el("p", "", w));
    const old = $("findings").querySelector("details");
    list.open = old ? old.open : false;
    kids.push(el("div", "finding", el("span", "dot"), list));
  }
  renew($("findings"), ...kids);
}

function showLimits(s) {
  const names = { shmmni: "Segments", shmall: "Memory", semmni: "Sets", semmns: "Semaphores", msgmni: "Queues" };
  const kids = [];
  for (const l of s.limits) {
    if (l.used === null) continue;
    const pages = l.name === "shmall", page = 4096;
    const endless = l.value === null;
    const m = el("meter");
    m.min = 0; m.max = 100; m.low = 80; m.high = 95; m.optimum = 0; m.value = l.percent || 0;
    m.title = l.used + " of " + (endless ? "no limit" : l.value);
    const most = endless ? "no limit" : "of " + (pages ? size(l.value * page) : whole.format(l.value));
    kids.push(el("div", "gauge", el("div", "name", el("span", "", names[l.name] || l.what), el("span", "", l.name)),
      el("div", "value", pages ? size(l.used * page) : whole.format(l.used), el("small", "", most)), m));
  }
  const plain = (name, value, small) => kids.push(el("div", "gauge", el("div", "name", el("span", "", name)), el("div", "value", value, el("small", "", small))));
  plain("In memory", size(s.resident), s.swapped > 0 ? size(s.swapped) + " swapped" : "");
  plain("Messages", whole.format(s.messages), size(s.message_bytes));
  plain("Waiting threads", whole.format(s.waiting), s.waiting ? "the first for " + age(s.oldest) : "");
  $("limits").replaceChildren(...kids);
}

// ---- waits: who waits, on what, because of whom ----
const svg = (tag, attrs, text) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const k in attrs) e.setAttribute(k, attrs[k]);
  if (text !== undefined) e.textContent = clean(String(text));
  return e;
};
let drawn = "";
function showWaits(s) {
  $("waits").hidden = s.waits.length === 0;
  const shape = JSON.stringify(s.waits.map((w) => [w.pid, w.tid, w.ref, w.what, w.cycle, w.stuck, w.holders.map((h) => h.pid)]));
  $("waits-note").textContent = plural(s.waiting, "thread") + (s.waiting > s.waits.length ? ", the first " + s.waits.length + " are drawn" : "") +
    (s.waits.some((w) => w.holders.length) ? " · who holds is probable, since the kernel does not know" : "");
  if (shape === drawn) return;
  drawn = shape;
  const row = 46, h = 32, cols = [0, 400, 700], widths = [300, 170, 260], width = 960;
  const pids = new Map(), refs = new Map(), holders = new Map(), lines = [];
  const node = (map, id, value) => { if (!map.has(id)) map.set(id, { i: map.size, ...value }); return map.get(id); };
  for (const w of s.waits) {
    const from = node(pids, w.tid, { text: (w.comm || "process") + " " + w.pid, small: w.what, cycle: w.cycle });
    const to = node(refs, w.ref, { text: w.ref, cycle: w.cycle });
    lines.push([0, from, to, w.cycle]);
    for (const k of w.holders) {
      const holder = node(holders, k.pid, { text: (k.comm || "process") + " " + k.pid, small: k.self ? "itself: " + k.why : k.why, cycle: w.cycle });
      lines.push([1, to, holder, w.cycle]);
    }
  }
  const rows = Math.max(pids.size, refs.size, holders.size), height = rows * row;
  const y = (map, n) => (n.i + 0.5) * (height / map.size);
  const all = [pids, refs, holders];
  const g = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Threads, the objects that they wait on, and probable holders" });
  for (const [c, a, b, cycle] of lines) {
    const x1 = cols[c] + widths[c], x2 = cols[c + 1], y1 = y(all[c], a), y2 = y(all[c + 1], b), mid = (x1 + x2) / 2;
    g.append(svg("path", { d: `M${x1} ${y1}C${mid} ${y1} ${mid} ${y2} ${x2} ${y2}`, class: cycle ? "cycle" : "" }));
  }
  all.forEach((map, c) => map.forEach((n, id) => {
    const box = svg("g", { class: (c === 1 ? "object" : "") + (n.cycle ? " cycle" : "") });
    const top = y(map, n) - h / 2 - (n.small ? 3 : 0), tall = n.small ? h + 6 : h;
    box.append(svg("rect", { x: cols[c], y: top, width: widths[c], height: tall, rx: 6 }));
    const short = (t, most) => t.length > most ? t.slice(0, most - 1) + "…" : t;
    const most = Math.floor(widths[c] / 7.4);
    box.append(svg("text", { x: cols[c] + 10, y: n.small ? top + 15 : top + 21 }, short(n.text, most)));
    if (n.small) box.append(svg("text", { x: cols[c] + 10, y: top + 31, class: "dim" }, short(n.small, most)));
    if (c === 1) box.addEventListener("click", () => open(id));
    g.append(box);
  }));
  $("graph").replaceChildren(g);
}

// ---- the table: only the rows that can be seen are in the document ----
const table = { tag: "", cols: null, shown: [], picked: -1, nodes: new Map(), types: new Set(), classes: new Set() };
const rowHeight = 30;
const columns = [
  { name: "ref", head: "Object", cls: "mono", text: (c, i) => c.ref[i] },
  { name: "key", head: "Key", cls: "mono c-key", text: (c, i) => hexKey(c.key[i]), by: (c, i) => c.key[i] },
  { name: "owner", head: "Owner", text: (c, i) => c.owners[c.owner[i]] },
  { name: "mode", head: "Mode", cls: "mono c-mode", text: (c, i) => octal(c.mode[i]), by: (c, i) => c.mode[i] },
  { name: "size", head: "Size", cls: "num", text: (c, i) => c.ref[i][1] === "e" ? c.size[i] + " sem" : size(c.size[i]), by: (c, i) => c.size[i] },
  { name: "use", head: "Use", cls: "dim c-use", text: (c, i) => use(c, i), by: (c, i) => c.use[i] },
  { name: "who", head: "Programs", cls: "dim c-who", text: (c, i) => c.who[i] },
  { name: "idle", head: "Idle", cls: "num dim c-idle", text: (c, i) => c.used[i] ? age(c.time - c.used[i]) : "never", by: (c, i) => c.used[i] ? c.time - c.used[i] : 1e12 },
  { name: "verdict", head: "Verdict", text: (c, i) => c.classes[c.class[i]] },
];
function use(c, i) {
  const n = c.use[i];
  if (c.ref[i].startsWith("shm")) return n ? plural(n, "attach", "attaches") : "not attached";
  if (c.ref[i].startsWith("sem")) return n ? plural(n, "waiter") : "";
  return n ? plural(n, "message") + (c.max[i] > 0 ? ", " + Math.round(c.size[i] / c.max[i] * 100) + " %" : "") : "empty";
}

let loading = false;
async function loadRows(tag) {
  if (loading) return;
  loading = true;
  try {
    table.cols = await (await ask("page/rows")).json();
    table.cols.ref = table.cols.ref || [];
    table.tag = tag;
    refilter();
  } catch (err) {
    table.tag = "";
    complain("The table cannot be loaded: " + err.message + ".");
  } finally {
    loading = false;
  }
}

function complain(text) {
  $("filter-error").textContent = clean(text);
  $("filter-error").hidden = !text;
}

// A filter is words, all of which have to match: postgres type=shm size>1M idle>1d verdict!=in-use
const units = { "": 1, k: 1024, m: 1 << 20, g: 1 << 30, s: 1, min: 60, h: 3600, d: 86400 };
function condition(word) {
  const m = /^(\w+)(!=|>=|<=|=|>|<|~)(.*)$/.exec(word);
  if (!m) {
    const w = word.toLowerCase();
    return (c, i) => c.ref[i].includes(w) || hexKey(c.key[i]).includes(w) || c.owners[c.owner[i]].toLowerCase().includes(w) ||
      c.who[i].toLowerCase().includes(w) || c.classes[c.class[i]].includes(w);
  }
  const [, name, op, value] = m;
  if (name === "type") return (c, i) => (c.ref[i].slice(0, 3) === value) === (op !== "!=");
  const col = columns.find((k) => k.name === name);
  if (!col) throw new Error(`There is no column "${name}": choose of type, ${columns.map((k) => k.name).join(", ")}.`);
  if (op === "~") return (c, i) => col.text(c, i).toLowerCase().includes(value.toLowerCase());
  const n = /^([\d.]+)([a-z]*)$/i.exec(value);
  if (col.by && name !== "key" && name !== "mode") {
    if (!n || !(n[2].toLowerCase() in units)) throw new Error(`"${word}": write a number, such as 1M or 2d.`);
    const v = parseFloat(n[1]) * units[n[2].toLowerCase()];
    const test = { "=": (a) => a === v, "!=": (a) => a !== v, ">": (a) => a > v, "<": (a) => a < v, ">=": (a) => a >= v, "<=": (a) => a <= v }[op];
    return (c, i) => test(col.by(c, i));
  }
  if (op !== "=" && op !== "!=") throw new Error(`"${word}": compare ${name} by = or !=.`);
  return (c, i) => (col.text(c, i) === value) === (op === "=");
}
function refilter() {
  const c = table.cols;
  if (!c) return;
  let tests = [];
  try {
    tests = place.filter.split(/\s+/).filter(Boolean).map(condition);
    complain("");
  } catch (err) {
    complain(err.message);
  }
  const keep = [];
  for (let i = 0; i < c.ref.length; i++) if (tests.every((t) => t(c, i))) keep.push(i);
  const name = place.sort.replace(/^-/, ""), col = columns.find((k) => k.name === name);
  if (col) {
    const by = col.by || col.text, down = place.sort[0] === "-" ? -1 : 1;
    const keys = new Array(c.ref.length);
    for (const i of keep) keys[i] = by(c, i);
    keep.sort((a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : a - b) * down);
  }
  const was = table.picked >= 0 ? table.pickedRef : "";
  table.shown = keep;
  table.picked = was ? keep.findIndex((i) => c.ref[i] === was) : -1;
  $("count").textContent = keep.length === c.ref.length ? whole.format(keep.length) : whole.format(keep.length) + " of " + whole.format(c.ref.length);
  $("space").style.height = keep.length * rowHeight + "px";
  table.nodes.forEach((n) => n.remove());
  table.nodes.clear();
  drawHead(); drawChips(); drawRows();
}
function drawHead() {
  renew($("head"), ...columns.map((k) => {
    const up = place.sort === k.name, down = place.sort === "-" + k.name;
    const b = el("button", "", k.head + (up ? " ↑" : down ? " ↓" : ""));
    b.type = "button";
    b.addEventListener("click", () => { goTo({ sort: up ? "-" + k.name : down ? "" : k.name }); refilter(); });
    const cell = el("span", (k.cls || "").replace("mono", "").replace("dim", ""), b);
    cell.setAttribute("role", "columnheader");
    if (up || down) cell.setAttribute("aria-sort", up ? "ascending" : "descending");
    return cell;
  }));
}
function drawChips() {
  const c = table.cols, count = new Map();
  for (let i = 0; i < c.ref.length; i++) {
    for (const k of ["type=" + c.ref[i].slice(0, 3), "verdict=" + c.classes[c.class[i]]]) count.set(k, (count.get(k) || 0) + 1);
  }
  const words = place.filter.split(/\s+/).filter(Boolean);
  const order = ["type=shm", "type=sem", "type=msg", ...c.classes.map((k) => "verdict=" + k)];
  renew($("chips"), ...order.filter((k) => count.has(k) || words.includes(k)).map((k) => {
    const b = el("button", "", k.split("=")[1] + " " + whole.format(count.get(k) || 0));
    b.type = "button";
    b.setAttribute("aria-pressed", words.includes(k));
    b.addEventListener("click", () => {
      const words = place.filter.split(/\s+/).filter(Boolean), field = k.split("=")[0] + "=";
      const rest = words.filter((w) => !w.startsWith(field));
      setFilter((words.includes(k) ? rest : [...rest, k]).join(" "));
    });
    return b;
  }));
}
function setFilter(text) { $("filter").value = text; goTo({ filter: text }); refilter(); }

function drawRows() {
  const box = $("rows"), c = table.cols;
  const from = Math.max(0, Math.floor(box.scrollTop / rowHeight) - 8), to = Math.min(table.shown.length, Math.ceil((box.scrollTop + box.clientHeight) / rowHeight) + 8);
  for (const [at, n] of table.nodes) if (at < from || at >= to) { n.remove(); table.nodes.delete(at); }
  for (let at = from; at < to; at++) {
    if (table.nodes.has(at)) continue;
    const i = table.shown[at];
    const row = el("div", "row", ...columns.map((k) => {
      const cell = el("span", k.name === "verdict" ? "tag " + k.text(c, i) : k.cls || "", k.text(c, i));
      cell.setAttribute("role", "cell");
      return cell;
    }));
    row.setAttribute("role", "row");
    row.setAttribute("aria-selected", at === table.picked);
    row.style.top = at * rowHeight + "px";
    row.addEventListener("click", () => { pick(at); open(c.ref[i]); });
    table.nodes.set(at, row);
    $("space").append(row);
  }
  let empty = box.querySelector(".empty");
  if (table.shown.length === 0) {
    const text = c.ref.length ? "No object matches the filter." : "There is no object in this IPC namespace.";
    if (!empty) { empty = el("div", "empty"); box.append(empty); }
    empty.textContent = text;
  } else if (empty) empty.remove();
  box.style.height = Math.min(Math.max(table.shown.length, 3) * rowHeight + 2, Math.max(innerHeight * 0.62, 240)) + "px";
}
function pick(at) {
  const old = table.nodes.get(table.picked);
  if (old) old.setAttribute("aria-selected", false);
  table.picked = Math.max(0, Math.min(at, table.shown.length - 1));
  table.pickedRef = table.cols.ref[table.shown[table.picked]];
  const box = $("rows"), y = table.picked * rowHeight;
  if (y < box.scrollTop) box.scrollTop = y;
  else if (y + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = y + rowHeight - box.clientHeight;
  drawRows();
  const now = table.nodes.get(table.picked);
  if (now) now.setAttribute("aria-selected", true);
}
$("rows").addEventListener("scroll", () => { if (table.cols) drawRows(); }, { passive: true });
$("filter").addEventListener("input", () => { goTo({ filter: $("filter").value }); refilter(); });

// ---- one object ----
function open(ref) { goTo({ object: ref }, true); showDetail(ref, true); }
function closeDetail() { $("detail").hidden = true; goTo({ object: "" }, true); $("rows").focus({ preventScroll: true }); }
let detailOf = "";
async function showDetail(ref, focus) {
  const box = $("detail");
  detailOf = ref;
  let o, problem = "";
  try {
    const [shown, explained] = await Promise.all(["objects", "explain"].map((way) => ask("api/v1/" + way + "/" + encodeURIComponent(ref)).then((r) => r.json())));
    o = { ...shown.objects[0], explanation: explained.objects[0].explanation };
  } catch (err) { problem = err.message; }
  if (detailOf !== ref || place.object !== ref) return;
  const close = el("button", "close", "Close");
  close.type = "button";
  close.addEventListener("click", closeDetail);
  const kids = [close, el("h2", "mono", ref)];
  if (problem) kids.push(el("p", "", problem === "there is no such object" ? "It is gone: there is no such object any more." : problem));
  else kids.push(...detail(o));
  const top = box.scrollTop, first = box.hidden;
  renew(box, ...kids);
  box.hidden = false;
  box.scrollTop = first ? 0 : top;
  if (focus) box.querySelector(".close").focus();
}
const kindNames = { shm: "Shared memory segment", sem: "Semaphore set", msg: "Message queue" };
const when = (t) => t ? new Date(t).toLocaleString() + " (" + age((Date.now() - new Date(t)) / 1000) + " ago)" : "never";
function detail(o) {
  const kids = [el("p", "", kindNames[o.type] + ", ", el("span", "tag " + o.class, o.class))];
  kids.push(el("p", "", o.explanation));
  const dl = el("dl");
  const fact = (name, value) => { if (value !== null && value !== undefined) dl.append(el("dt", "", name), el("dd", "", value)); };
  const not = (field, value) => (o.unknown || []).includes(field) ? "?" : value;
  fact("Key", o.key === 0 ? "private" : o.key_hex);
  fact("Owner", (o.owner || o.uid) + " : " + (o.group || o.gid));
  fact("Mode", o.mode_str + " (" + octal(o.mode) + ")");
  fact("Changed", when(o.changed));
  if (o.type === "shm") {
    fact("Size", size(o.size) + (o.size >= 1024 ? " (" + whole.format(o.size) + " bytes)" : ""));
    fact("In memory", not("rss", size(o.rss)));
    fact("In swap", not("swap", size(o.swap)));
    fact("Attaches", o.nattch + (o.explained < o.nattch ? ", of which " + o.explained + " are explained" : ""));
    fact("Attached", when(o.attached));
    fact("Detached", when(o.detached));
    if (o.destroyed) fact("Removed", "it goes with its last detach");
    if (o.locked) fact("Locked", "it is never swapped out");
  } else if (o.type === "sem") {
    fact("Semaphores", o.nsems);
    fact("Operated", when(o.operated));
  } else {
    fact("Messages", o.messages);
    fact("Bytes", size(o.bytes) + " of " + (o.max_bytes === null ? "?" : size(o.max_bytes)));
    fact("Sent", when(o.sent));
    fact("Received", when(o.received));
  }
  kids.push(dl);
  if (o.semaphores) {
    kids.push(el("h3", "", "Values"));
    const shown = o.semaphores.slice(0, 256);
    kids.push(el("div", "values", ...shown.map((s) => {
      const v = el("span", s.ncnt || s.zcnt ? "waited" : "", s.value === null ? "?" : s.value);
      v.title = "semaphore " + s.index + (s.pid ? ", process " + s.pid + " operated on it last" : "") + (s.ncnt ? ", " + s.ncnt + " wait to acquire it" : "") + (s.zcnt ? ", " + s.zcnt + " wait for zero" : "");
      return v;
    })));
    if (o.semaphores.length > shown.length) kids.push(el("p", "", "and " + (o.semaphores.length - shown.length) + " more"));
  }
  if (o.types && o.types.length) {
    const table = el("table", "", el("tr", "", ...["Type", "Messages", "Bytes", "First at"].map((name) => el("th", "", name))));
    for (const t of o.types.slice(0, 100)) table.append(el("tr", "", ...[t.type, whole.format(t.messages), size(t.bytes), t.first === 0 ? "head" : t.first].map((v) => el("td", "", v))));
    kids.push(el("h3", "", "Messages by type"), table);
    if (o.types.length > 100) kids.push(el("p", "", "and " + plural(o.types.length - 100, "more type")));
    if (o.counted < o.messages) kids.push(el("p", "", "of the first " + whole.format(o.counted)));
  }
  const waits = state ? state.waits.filter((w) => w.ref === o.ref) : [];
  if (waits.length) {
    kids.push(el("h3", "", "Waits"));
    kids.push(el("ul", "", ...waits.map((w) => el("li", "", (w.comm || "process") + " " + w.pid + ": " + w.what,
      el("small", "", (w.seconds !== null ? "for " + age(w.seconds) : "since when is not known") + w.holders.map((h) => "; process " + h.pid + " " + h.why).join("") + (w.cycle ? "; deadlock " + w.cycle : "") + (w.stuck ? "; stuck: the messages have other types" : ""))))));
  }
  kids.push(el("h3", "", "Users"));
  const users = o.users || [];
  if (!users.length) kids.push(el("p", "", (o.unknown || []).includes("users") ? "Not known: not everything could be seen." : "None."));
  kids.push(el("ul", "", ...users.slice(0, 200).map((u) => el("li", "", (u.comm || "process") + " " + (u.pid === null ? "?" : u.pid) + ", " + u.role + (u.alive === false ? ", " + u.status : ""),
    el("small", "", [u.evidence, u.container, u.unit].filter(Boolean).join(" · "))))));
  if ((o.unknown || []).length) kids.push(el("p", "", "Not known, or not in full: " + o.unknown.join(", ") + "."));
  kids.push(el("h3", "", "On the terminal"), el("p", "", el("code", "", "sysvipc show " + o.ref)), o.type === "msg" && o.messages ? el("p", "", el("code", "", "sysvipc msg peek " + o.ref)) : "");
  return kids;
}

// ---- events: until the moment that the slider is at, the newest first ----
let seenEvents = -1, eventsTimer = 0, eventsOf = "";
const shownEvents = 200;
async function loadEvents() {
  const i = Number($("then").value), then = past && i < past.time.length - 1 ? new Date(past.time[i] * 1000 + 1) : null;
  const kind = place.events;
  drawKinds();
  const query = kind === "findings" ? "event=found&event=solved&" : "";
  try {
    const r = await ask("api/v1/events?" + query + (then ? "until=" + encodeURIComponent(then.toISOString()) : ""));
    const list = (await r.json()).events.slice(0, shownEvents);
    if (kind !== place.events) return;
    $("events").hidden = list.length === 0 && !then && !kind;
    $("events-note").textContent = then ? "until " + then.toLocaleString() : "";
    // Those that are there stay, so that a reader who has scrolled keeps the place.
    const log = $("log"), first = log.firstChild && eventsOf === kind ? log.firstChild.dataset.key : "";
    const at = first ? list.findIndex((e) => keyOf(e) === first) : -1;
    if (at < 0) log.replaceChildren(...list.map(eventItem));
    else log.prepend(...list.slice(0, at).map(eventItem));
    while (log.children.length > list.length) log.lastChild.remove();
    if (list.length === 0) log.append(el("li", "", "Nothing happened."));
    eventsOf = kind;
  } catch (err) { /* the stream says what is wrong */ }
}
const keyOf = (e) => JSON.stringify([e.time, e.event, e.ref, e.text]);
function eventItem(e) {
  const of = el("button", "mono", e.ref), at = new Date(e.time), time = el("time", "", at.toDateString() === new Date().toDateString() ? at.toLocaleTimeString() : at.toLocaleString());
  of.type = "button";
  of.addEventListener("click", () => open(e.ref));
  time.title = at.toLocaleString();
  const li = el("li", "", time, el("span", "tag " + e.event, e.event), e.ref ? of : null, el("span", "", e.text));
  li.dataset.key = keyOf(e);
  return li;
}
function drawKinds() {
  renew($("kinds"), ...["all", "findings"].map((name) => {
    const b = el("button", "", name);
    b.type = "button";
    b.setAttribute("role", "radio");
    b.setAttribute("aria-checked", name === (place.events || "all"));
    b.addEventListener("click", () => { goTo({ events: name === "all" ? "" : name }); loadEvents(); });
    return b;
  }));
}

// ---- history ----
const ranges = { "15 min": 900, "3 h": 10800, "24 h": 86400, "7 d": 604800 };
let past = null, charts = [], loadedAt = 0;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function drawRanges() {
  const now = place.range || "15 min";
  $("range").replaceChildren(...Object.keys(ranges).map((name) => {
    const b = el("button", "", name);
    b.type = "button";
    b.setAttribute("role", "radio");
    b.setAttribute("aria-checked", name === now);
    b.addEventListener("click", () => { goTo({ range: name }); drawRanges(); loadHistory(); });
    return b;
  }));
}
async function loadHistory() {
  try {
    past = await (await ask("page/history?seconds=" + (ranges[place.range] || 900))).json();
    loadedAt = Date.now();
    drawCharts();
  } catch (err) { /* the stream says what is wrong */ }
}
function extendHistory() {
  const every = Math.max(5000, (ranges[place.range] || 900) * 1000 / 400);
  if (Date.now() - loadedAt >= every - 500) loadHistory();
}
const chartSpecs = [
  ["chart-objects", "Objects", [["segments", "Segments", "--accent"], ["sets", "Sets", "--good"], ["queues", "Queues", "--warn"]], whole.format],
  ["chart-memory", "Memory of segments", [["bytes", "Asked for", "--faint"], ["resident", "In memory", "--accent"]], size],
  ["chart-waits", "Messages and waits", [["messages", "Messages", "--accent"], ["waiting", "Waiting", "--warn"], ["orphans", "Orphans", "--bad"]], whole.format],
];
function tick(t) {
  const d = new Date(t * 1000);
  return (ranges[place.range] || 900) > 86400 ? d.toLocaleDateString([], { month: "short", day: "numeric" }) : d.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}
function drawCharts(again) {
  if (!past || typeof uPlot === "undefined") return;
  if (again) { charts.forEach((c) => c.destroy()); charts = []; }
  chartSpecs.forEach(([id, title, lines, format], n) => {
    const data = [past.time, ...lines.map(([k]) => past[k])];
    if (charts[n]) { charts[n].setData(data); return; }
    const axis = { stroke: css("--faint"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    charts[n] = new uPlot({
      title, width: $(id).clientWidth || 300, height: 150, cursor: { sync: { key: "past" }, drag: { x: false, y: false } },
      legend: { markers: { width: 0, fill: (u, i) => i ? css(lines[i - 1][2]) : "" } },
      hooks: { setCursor: [(u) => { if (u.cursor.idx === null) legend(u); }] },
      scales: { x: { range: () => [Date.now() / 1000 - (ranges[place.range] || 900), Date.now() / 1000] }, y: { range: (u, lo, hi) => [0, Math.max(hi * 1.1, 1)] } },
      axes: [{ ...axis, space: 64, size: 26, values: (u, all) => all.map(tick) }, { ...axis, size: 58, values: (u, all) => all.map((v) => v === Math.floor(v) || format === size ? format(v) : "") }],
      series: [{ value: (u, v) => v === null ? "" : new Date(v * 1000).toLocaleString() }, ...lines.map(([, label, color]) => ({
        label, stroke: css(color), width: 1.6, points: { show: false }, value: (u, v) => v === null || v === undefined ? "–" : format(v),
      }))],
    }, data, $(id));
  });
  charts.forEach(legend);
  const then = $("then"), end = then.value === then.max;
  then.max = Math.max(0, past.time.length - 1);
  if (end) then.value = then.max;
  moment();
}
// Without a pointer on the chart, the legend has the values of the moment that the slider is at.
function legend(u) { if (past && past.time.length) u.setLegend({ idx: Math.min(Number($("then").value), past.time.length - 1) }); }
function moment() {
  const i = Number($("then").value), t = past && past.time[i];
  const last = i >= past.time.length - 1;
  $("moment").textContent = t ? (last ? "now" : new Date(t * 1000).toLocaleString()) : "";
  for (const c of charts) {
    if (last) { c.setCursor({ left: -10, top: -10 }); legend(c); }
    else c.setCursor({ left: c.valToPos(t, "x"), top: 10 });
  }
}
$("then").addEventListener("input", () => {
  if (!past) return;
  moment();
  clearTimeout(eventsTimer);
  eventsTimer = setTimeout(loadEvents, 150);
});

// ---- keys, theme, size ----
addEventListener("keydown", (e) => {
  const typing = e.target instanceof HTMLInputElement && e.target.type !== "range";
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "Escape") {
    if (!$("detail").hidden) closeDetail();
    else if (e.target === $("filter")) { if (place.filter) setFilter(""); $("rows").focus({ preventScroll: true }); }
    return;
  }
  if (e.target === $("filter") && (e.key === "ArrowDown" || e.key === "Enter") && table.shown.length) {
    $("rows").focus({ preventScroll: true }); pick(0); e.preventDefault(); return;
  }
  if (typing || e.target instanceof HTMLInputElement) return;
  const page = Math.max(1, Math.floor($("rows").clientHeight / rowHeight) - 1);
  const move = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[e.key];
  if (e.key === "/") { $("filter").focus(); $("filter").select(); e.preventDefault(); }
  else if (e.key === "t") nextTheme();
  else if (move !== undefined && table.shown.length && (document.activeElement === $("rows") || document.activeElement === document.body)) {
    pick(table.picked < 0 && move > 0 && move < 1e9 ? 0 : table.picked + move); e.preventDefault();
  } else if (e.key === "Enter" && document.activeElement === $("rows") && table.picked >= 0) open(table.pickedRef);
});
function nextTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches, root = document.documentElement;
  const now = root.dataset.theme || (dark ? "dark" : "light"), next = now === "dark" ? "light" : "dark";
  root.dataset.theme = next;
  try { localStorage.setItem("theme", next); } catch { /* storage is denied: it holds for this page */ }
  drawCharts(true);
}
$("theme").addEventListener("click", nextTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawCharts(true));
let resizing = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => {
    chartSpecs.forEach(([id], n) => { if (charts[n]) charts[n].setSize({ width: $(id).clientWidth, height: 150 }); });
    if (table.cols) drawRows();
  });
});
addEventListener("popstate", () => { readPlace(); arrive(); });
function arrive() {
  $("filter").value = place.filter;
  refilter();
  drawRanges();
  if (place.object) showDetail(place.object); else $("detail").hidden = true;
}
readPlace();
arrive();
listen();
