// How one line of the timeline is drawn.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties, attributes (names with a dash, `role`, `class`, `for`, `scope`) and children. Text stays text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "style") for (const [property, setting] of Object.entries(value)) element.style.setProperty(property, setting);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const stroke = (path, name) => [svg("path", { d: path, class: "s-halo" }), svg("path", { d: path, class: name })];

const MARKS = {
  acquire: ["acquired", () => [svg("circle", { cx: 7, cy: 10, r: 4, class: "f-ground" })]],
  release: ["released", () => stroke("M7 3V17", "s-ink")],
  use: ["used", () => stroke("M7 6V14", "s-ink")],
  transfer: ["handed over", () => [svg("path", { d: "M2 8H7V4L14 10L7 16V12H2Z", class: "f-ink" })]],
  raised: ["a call that raised", () => stroke("M3 6L11 14M11 6L3 14", "s-bad")],
  fault: ["an injected fault", () => [svg("path", { d: "M8 2L3 11H7L5 18L12 8H8L10 2Z", class: "f-bad" })]],
  fail: ["failed: a rollback is owed", () => [svg("path", { d: "M7 3L13 16H1Z", class: "f-bad" })]],
  rollback: ["rolled back", () => stroke("M11 15V11A4 4 0 0 0 4 8M4 8L4 4M4 8L8 8", "s-ink")],
  finding: ["a finding without a resource", () => [svg("rect", { x: 3, y: 6, width: 8, height: 8, class: "f-bad" })]],
  seed: ["there before the scope", () => [svg("circle", { cx: 7, cy: 10, r: 2.5, class: "f-ink" })]],
};

MARKS.settle = ["settled otherwise: with its owner, overwritten, moved", MARKS.release[1]];

function mark(kind, attributes = {}) {
  return make("span", { class: "mark", ...attributes }, svg("svg", { viewBox: "0 0 14 20", "aria-hidden": "true" }, ...MARKS[kind][1]()));
}

function toldEvent(event) {
  const by = event.by ? (event.by === "by hand" ? " by hand" : ` by ${event.by}`) : "";
  return `${event.seq} ${event.verb}${by}${event.place ? ` at ${event.place}` : ""}${event.actor ? ` [${event.actor}]` : ""}${event.note ? `: ${event.note}` : ""}${event.broke ? ` — ${event.broke}` : ""}`;
}

const percent = (fraction) => `${(fraction * 100).toFixed(3)}%`;

/** What a row looks like in its track: where the bar begins and ends, and how it is dressed. */
function barOf(row) {
  const leak = row.bad && row.end < 0;
  const name = leak ? "bar leak" : row.bad ? "bar wrong" : row.standing === "allowed" ? "bar allowed" : "bar";
  const to = leak ? 1 : row.end < 0 ? CLOSED : across(row.scope, row.end);
  return { from: across(row.scope, row.begin), to, name, leak, alone: row.events.length === 0 };
}

function tagOf(row, { from, to, alone, leak }) {
  if (row.standing === "fine") return "";
  const text = row.standing === "allowed" ? [row.codes[0], "allowed"].filter(Boolean).join(" ") : row.codes[0] ?? "with it";
  const end = alone ? from : to;
  const place = end > 0.85 && from > 0.8 ? { right: `calc(${percent(1 - from)} + 10px)` } : leak || end > 0.85 ? { right: `calc(${percent(1 - end)} + 14px)` } : { left: `calc(${percent(end)} + 10px)` };
  return make("span", { class: `tag ${row.bad ? "" : row.standing}`, style: place }, text);
}

function trackOf(row, width) {
  const bar = barOf(row);
  const track = make("div", { class: "track", style: { width: `${width}px` } }, make("span", { class: "end", style: { left: percent(CLOSED) } }));
  if (bar.alone) track.append(mark("finding", { title: row.findings[0]?.message, style: { left: percent(bar.from) } }));
  else track.append(make("span", { class: bar.name, style: { left: percent(bar.from), width: percent(Math.max(0, bar.to - bar.from)), "--kind": kindColour(row.kind) } }));
  const last = row.events.length ? across(row.scope, row.events.at(-1).seq) : 0;
  if (!bar.leak && last > bar.to) track.append(make("span", { class: "after", style: { left: percent(bar.to), width: percent(last - bar.to) } }));
  const spots = new Set();
  for (const [index, event] of row.events.entries()) {
    const left = across(row.scope, event.seq);
    const spot = `${event.mark}@${Math.round(left * width)}`;
    if (spots.has(spot)) continue; // two of a sort on one pixel are one
    spots.add(spot);
    track.append(mark(event.mark, { class: `mark${event.broke ? " broke" : ""}`, title: toldEvent(event), "data-event": index, style: { left: percent(left) } }));
  }
  track.append(tagOf(row, bar));
  return track;
}

function scopeTrack(index, width) {
  const scope = SCOPES[index];
  const track = make("div", { class: "track", style: { width: `${width}px` } });
  const { order } = scope;
  if (order.length) {
    const steps = Math.max(1, Math.min(order.length - 1, Math.floor(width / 140)));
    const shown = new Set(Array.from({ length: steps + 1 }, (_, step) => Math.round((step * (order.length - 1)) / steps)));
    for (const rank of shown) {
      const side = rank === 0 ? " first" : "";
      track.append(make("span", { class: `axis${side}`, style: { left: percent(across(index, order[rank])) } }, rank === 0 ? `event ${order[rank]}` : String(order[rank])));
    }
  }
  track.append(make("span", { class: "end", title: scope.said, style: { left: percent(CLOSED) } }));
  return track;
}

/** What a screen reader says of a line. */
function spoken(line) {
  if (line.type === "scope") return `scope ${SCOPES[line.scope].name}: ${SCOPES[line.scope].said}; ${line.count} shown`;
  if (line.type === "group") return `${line.name}: ${line.count}`;
  const { row } = line;
  const history = row.events.slice(0, 4).map(toldEvent).join("; ");
  return `${row.title}: ${row.verdict}${row.place ? `, acquired at ${row.place}` : ""}${history ? `; ${history}` : ""}${row.events.length > 4 ? `; and ${row.events.length - 4} more events` : ""}`;
}

function lineOf(line, width, current) {
  const twist = line.folded === undefined ? "" : make("span", { class: "twist", "aria-hidden": "true" }, line.folded ? "▸" : "▾");
  const text = line.type === "scope" ? `${SCOPES[line.scope].name} (${line.count})` : line.type === "group" ? `${line.name} (${line.count})` : line.name;
  const track = line.type === "scope" ? scopeTrack(line.scope, width) : line.type === "thing" ? trackOf(line.row, width) : make("div", { class: "track", style: { width: `${width}px` } });
  return make(
    "div",
    {
      class: `line ${line.type}${line.row?.bad ? " bad" : line.row?.standing === "warned" ? " aside" : ""}${current ? " current" : ""}`,
      id: `line-${line.id}`, role: "treeitem", "data-id": line.id, "data-title": line.row?.title, "aria-level": line.level, "aria-posinset": line.position, "aria-setsize": line.size,
      "aria-expanded": line.folded === undefined ? undefined : String(!line.folded), "aria-selected": current ? "true" : "false",
      "aria-label": spoken(line), tabindex: current ? "0" : "-1",
    },
    make("span", { class: "name", title: line.row?.title ?? text }, twist, text),
    track,
  );
}
