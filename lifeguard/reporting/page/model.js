"use strict";
// What the page knows: the data that the reporter wrote, filtered and put in order. Nothing here touches the document.

const SOURCE = JSON.parse(document.getElementById("data").textContent);
const word = (index) => SOURCE.words[index];

/** Event: [seq, mark, verb, function, place, actor, note, rules, row of the new owner or -1]; texts are indices of `words`. */
function readEvent([seq, mark, verb, by, place, actor, note, broke, to]) {
  return { seq, mark: word(mark), verb: word(verb), by: word(by), place: word(place), actor: word(actor), note: word(note), broke: word(broke), to };
}

/** Row: [scope, begin, end or -1, [events left out, after how many], kind, key, owner, state, standing, verdict, place, actor, codes, findings, events]. */
function readRow([scope, begin, end, [cut, cutAt], kind, key, owner, state, standing, verdict, place, actor, codes, findings, events], id) {
  const row = {
    id, scope, begin, end, cut, cutAt, kind: word(kind), key: word(key), owner: word(owner), state: word(state), standing: word(standing),
    verdict: word(verdict), place: word(place), actor: word(actor), codes: codes.map(word),
    findings: findings.map((index) => SOURCE.findings[index]), events: events.map(readEvent),
  };
  row.title = [row.kind, row.key].filter(Boolean).join(" ") || row.verdict;
  row.bad = row.standing === "left" || row.standing === "violated";
  return row;
}

const SCOPES = SOURCE.scopes;
const ROWS = SOURCE.rows.map(readRow);
const KINDS = [...new Set(ROWS.map((row) => row.kind))].sort();
const kindColour = (kind) => `var(--k${KINDS.indexOf(kind) % 8})`;

for (const scope of SCOPES) scope.seqs = new Set();
for (const row of ROWS) {
  const seqs = SCOPES[row.scope].seqs;
  seqs.add(row.begin);
  if (row.end >= 0) seqs.add(row.end);
  for (const event of row.events) seqs.add(event.seq);
}
for (const scope of SCOPES) {
  const order = [...scope.seqs].filter((seq) => seq >= 0).sort((one, other) => one - other);
  scope.order = order;
  scope.ranks = new Map(order.map((seq, rank) => [seq, rank]));
}

const FIRST = 0.012, LAST = 0.935, CLOSED = 0.965;

/** Where an event stands between the left edge (0) and the right edge (1) of its scope. */
function across(scope, seq) {
  const { ranks, order } = SCOPES[scope];
  return FIRST + (LAST - FIRST) * (order.length > 1 ? (ranks.get(seq) ?? 0) / (order.length - 1) : 0);
}

/** Everything that a text filter looks at, in small letters; made once, when first asked for. */
function haystack(row) {
  if (row.hay === undefined) {
    const parts = [row.title, row.owner, row.state, row.verdict, row.place, row.actor, SCOPES[row.scope].name];
    for (const one of row.findings) parts.push(one.code, one.name, one.message, one.why ?? "");
    for (const one of row.events) parts.push(one.verb, one.by, one.place, one.actor, one.note, one.broke);
    row.hay = parts.join("\n").toLowerCase();
  }
  return row.hay;
}

const VERDICTS = {
  "": () => true,
  violation: (row) => row.bad,
  warning: (row) => row.standing === "warned",
  allowed: (row) => row.standing === "allowed",
  clean: (row) => row.standing === "fine",
};

/** The test behind a choice of verdict: a standing, a rule's code, or the state of what came out fine. */
function judgedAs(verdict) {
  if (verdict in VERDICTS) return VERDICTS[verdict];
  if (verdict.startsWith("state:")) return (row) => row.standing === "fine" && row.state === verdict.slice(6);
  return (row) => row.codes.includes(verdict) || row.findings.some((one) => one.code === verdict);
}

/** The rows that pass all three filters. */
function chosen({ text, kind, verdict }) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  const judged = judgedAs(verdict);
  return ROWS.filter((row) => (!kind || row.kind === kind) && judged(row) && wanted.every((part) => haystack(row).includes(part)));
}

function groupedBy(items, name) {
  const found = new Map();
  for (const item of items) {
    const key = name(item);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(item);
  }
  return found;
}

/** The owner as a group of its scope is called: nothing for the scope itself, which stands above. */
const ownerOf = (row) => (row.owner === SCOPES[row.scope].owner ? "" : row.owner);

/** Groups by name; what this scope owns itself comes first, and what is about no resource last. */
function inOrder([one], [other]) {
  const rank = (key) => (JSON.parse(key).some(Boolean) ? JSON.parse(key).join("\u0001") : "\uffff");
  return rank(one) < rank(other) ? -1 : 1;
}

const GROUPINGS = {
  owner: [ownerOf, (row) => row.kind],
  kind: [(row) => row.kind, ownerOf],
};

/** The lines of the timeline: scopes, below them groups, below them resources; what is folded is left out. */
function laidOut(rows, order, folded) {
  const lines = [];
  const byScope = groupedBy(rows, (row) => row.scope);
  const scopes = [...byScope.keys()].sort((one, other) => one - other);
  scopes.forEach((scope, position) => {
    const inside = byScope.get(scope).sort((one, other) => one.begin - other.begin || one.id - other.id);
    const id = `s${scope}`;
    lines.push({ type: "scope", id, scope, level: 1, position: position + 1, size: scopes.length, count: inside.length, folded: folded.has(id) });
    if (folded.has(id)) return;
    if (!GROUPINGS[order]) {
      inside.forEach((row, index) => lines.push({ type: "thing", id: `r${row.id}`, row, name: row.title, scope, level: 2, position: index + 1, size: inside.length }));
      return;
    }
    const [outer, inner] = GROUPINGS[order];
    const groups = [...groupedBy(inside, (row) => JSON.stringify([outer(row), inner(row)]))].sort(inOrder);
    groups.forEach(([key, members], place) => {
      const group = `${id}g${key}`;
      const name = JSON.parse(key).filter(Boolean).join(" · ") || "no resource";
      lines.push({ type: "group", id: group, scope, name, level: 2, position: place + 1, size: groups.length, count: members.length, folded: folded.has(group) });
      if (folded.has(group)) return;
      members.forEach((row, index) => lines.push({ type: "thing", id: `r${row.id}`, row, name: row.key || row.title, scope, level: 3, position: index + 1, size: members.length }));
    });
  });
  return lines;
}
