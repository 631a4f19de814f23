// The page: filters, the timeline's window of lines, the details, the tables.

const at = (id) => document.getElementById(id);
const ROW_HEIGHT = 26, SPARE = 8, PAGE = 50, PRINTED = 300, PRINTED_WIDTH = 460, FINDINGS_SHOWN = 50, ARROWS_SHOWN = 400, STATES_SHOWN = 20;
const MANY_SCOPES = 12;

const state = { rows: [], lines: [], places: new Map(), arrows: [], folded: new Set(), current: null, page: 0, sort: null, width: 0 };
const drawn = new Map();

const plural = (count, name) => `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;

function filters() {
  return { text: at("text").value, kind: at("kind").value, verdict: at("verdict").value };
}

// The timeline

function labelWidth() {
  return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--label")) * parseFloat(getComputedStyle(document.documentElement).fontSize);
}

function trackWidth() {
  return Math.max(220, Math.floor(at("view").clientWidth - labelWidth() - 2)) * Number(at("zoom").value);
}

/** Work out the lines anew: after a filter, an order, a fold. */
function layOut() {
  state.lines = laidOut(state.rows, at("order").value, state.folded);
  state.places = new Map(state.lines.map((line, index) => [line.id, index]));
  state.arrows = [];
  state.lines.forEach((line, index) => {
    if (line.type !== "thing") return;
    for (const event of line.row.events) {
      const target = event.to >= 0 ? state.places.get(`r${event.to}`) : undefined;
      if (target !== undefined) state.arrows.push({ from: index, to: target, at: across(line.scope, event.seq), end: across(ROWS[event.to].scope, event.seq) });
    }
  });
  if (!state.places.has(state.current)) state.current = state.lines[0]?.id ?? null;
  const flat = at("order").value === "start";
  at("lines").classList.toggle("flat", flat);
  at("lines").hidden = state.lines.length === 0;
  redraw();
}

function redraw() {
  const focused = document.activeElement?.closest?.(".line") !== null && at("lines").contains(document.activeElement);
  for (const element of drawn.values()) element.remove();
  drawn.clear();
  state.width = trackWidth();
  const whole = labelWidth() + state.width;
  at("view").style.setProperty("--whole", `${(Math.max(state.lines.length, 1) + 1) * ROW_HEIGHT}px`);
  at("space").style.height = `${Math.max(state.lines.length, 1) * ROW_HEIGHT}px`;
  at("space").style.width = `${whole}px`;
  at("lines").style.width = `${whole}px`;
  drawWindow();
  if (focused) lineElement(state.current)?.focus({ preventScroll: true });
}

const lineElement = (id) => drawn.get(id);

/** Draw the lines that can be seen, and only those; the current one stays, since it may have the focus. */
function drawWindow() {
  const view = at("view");
  const first = Math.max(0, Math.floor(view.scrollTop / ROW_HEIGHT) - SPARE);
  const last = Math.min(state.lines.length - 1, Math.ceil((view.scrollTop + view.clientHeight) / ROW_HEIGHT) + SPARE);
  const wanted = [];
  for (let index = first; index <= last; index += 1) wanted.push(index);
  const current = state.places.get(state.current);
  if (current !== undefined && (current < first || current > last)) wanted.push(current);
  wanted.sort((one, other) => one - other);
  const names = new Set(wanted.map((index) => state.lines[index].id));
  for (const [id, element] of drawn) {
    if (!names.has(id)) {
      element.remove();
      drawn.delete(id);
    }
  }
  let cursor = at("lines").firstChild;
  for (const index of wanted) {
    const line = state.lines[index];
    let element = drawn.get(line.id);
    if (element === undefined) {
      element = lineOf(line, state.width, line.id === state.current);
      element.style.top = `${index * ROW_HEIGHT}px`;
      drawn.set(line.id, element);
    }
    if (element === cursor) cursor = cursor.nextSibling;
    else at("lines").insertBefore(element, cursor);
  }
  drawArrows(first, last);
}

function drawArrows(first, last) {
  const label = labelWidth(), canvas = at("arrows");
  canvas.setAttribute("width", label + state.width);
  canvas.setAttribute("height", Math.max(0, last - first + 1) * ROW_HEIGHT);
  canvas.style.top = `${first * ROW_HEIGHT}px`;
  const seen = state.arrows.filter((one) => Math.max(one.from, one.to) >= first && Math.min(one.from, one.to) <= last);
  canvas.replaceChildren(...seen.slice(0, ARROWS_SHOWN).flatMap((one) => {
    const x = label + one.at * state.width, end = label + one.end * state.width, down = one.to > one.from ? 1 : -1;
    const from = Math.min(Math.max(one.from, first - 1), last + 1), to = Math.min(Math.max(one.to, first - 1), last + 1);
    const y1 = (from - first + 0.5) * ROW_HEIGHT + down * 7, y2 = (to - first + 0.5) * ROW_HEIGHT - down * 7;
    const way = x === end ? `M${x} ${y1}V${y2 - down * 5}` : `M${x} ${y1}V${y1 + down * 4}L${end} ${y2 - down * 9}V${y2 - down * 5}`;
    return [svg("path", { d: way }), svg("path", { class: "head", d: `M${end - 4} ${y2 - down * 6}H${end + 4}L${end} ${y2}Z` })];
  }));
}

/** Scroll sideways, where the timeline is zoomed, until the begin of a resource can be seen. */
function bringIn(line) {
  if (line?.type !== "thing") return;
  const view = at("view"), room = view.clientWidth - labelWidth(), x = across(line.scope, line.row.begin) * state.width;
  if (x < view.scrollLeft || x > view.scrollLeft + room - 40) view.scrollLeft = Math.max(0, x - room / 4);
}

function setCurrent(id, { focus = true, reveal = true } = {}) {
  const before = lineElement(state.current);
  if (before) {
    before.classList.remove("current");
    before.tabIndex = -1;
    before.setAttribute("aria-selected", "false");
  }
  state.current = id;
  const index = state.places.get(id);
  if (reveal) {
    const view = at("view"), top = index * ROW_HEIGHT;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + ROW_HEIGHT > view.scrollTop + view.clientHeight) view.scrollTop = top + ROW_HEIGHT - view.clientHeight;
    bringIn(state.lines[index]);
  }
  drawWindow();
  const element = lineElement(id);
  element.classList.add("current");
  element.tabIndex = 0;
  element.setAttribute("aria-selected", "true");
  if (focus) element.focus({ preventScroll: true });
  showDetails(state.lines[index]);
}

function fold(id, folded) {
  if (folded) state.folded.add(id);
  else state.folded.delete(id);
  layOut();
}

function parentOf(index) {
  const { level } = state.lines[index];
  for (let before = index - 1; before >= 0; before -= 1) if (state.lines[before].level < level) return before;
  return index;
}

function keyed(event) {
  const index = state.places.get(state.current);
  if (index === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  const line = state.lines[index], last = state.lines.length - 1;
  const step = Math.max(1, Math.floor(at("view").clientHeight / ROW_HEIGHT) - 1);
  const moves = { ArrowDown: Math.min(last, index + 1), ArrowUp: Math.max(0, index - 1), Home: 0, End: last, PageDown: Math.min(last, index + step), PageUp: Math.max(0, index - step) };
  if (event.key in moves) setCurrent(state.lines[moves[event.key]].id);
  else if (event.key === "ArrowRight" && line.folded === true) fold(line.id, false);
  else if (event.key === "ArrowRight" && line.folded === false) setCurrent(state.lines[Math.min(last, index + 1)].id);
  else if (event.key === "ArrowLeft" && line.folded === false) fold(line.id, true);
  else if (event.key === "ArrowLeft") setCurrent(state.lines[parentOf(index)].id);
  else if ((event.key === "Enter" || event.key === " ") && line.folded !== undefined) fold(line.id, !line.folded);
  else return;
  event.preventDefault();
}

const lineAt = (target) => state.lines[state.places.get(target.closest?.(".line")?.dataset.id)];

// The details

function term(name, value) {
  return value ? [make("dt", {}, name), make("dd", {}, value)] : [];
}

function findingBox(one) {
  const fields = [["owed", one.owed], ["done", one.owed ? one.done : ""], ["here", one.ended], ["about", one.about.join(", ")], ["with it", one.children.join("; ")], ["also", one.also.join("; ")], ["hint", one.hint], ["fix", one.fix], ["or allow", one.status === "violation" ? one.allow : ""], ["allowed", one.why]];
  return make("div", { class: `finding ${one.status}` }, make("span", { class: "code" }, `${one.code} ${one.name}${one.cwe ? ` (${one.cwe})` : ""}`), one.message, make("dl", {}, ...fields.flatMap(([name, value]) => term(name, value))));
}

function historyOf(row) {
  const items = row.events.map((event, index) => make("li", { "data-event": index }, toldEvent(event)));
  if (row.cut) items.splice(row.cutAt, 0, make("li", {}, `… ${plural(row.cut, "event")} left out`));
  return make("ol", { class: "history" }, ...items);
}

function detailsOf(row) {
  return [
    make("h3", {}, row.title),
    ...row.findings.map(findingBox),
    make("dl", {}, ...term("state", row.state), ...term("owner", row.owner), ...term("acquired", row.place && make("code", {}, row.place)), ...term("by", row.actor), ...term("scope", SCOPES[row.scope].name)),
    ...(row.events.length ? [make("h3", {}, "History"), historyOf(row)] : []),
  ];
}

let detailed = null;

function showDetails(line) {
  if (line === detailed) return;
  detailed = line;
  if (line === undefined) at("panel").replaceChildren(make("p", { class: "soft" }, "Point at a line or move to it with the keyboard: here stand its call site, its history and what was found."));
  else if (line.type === "thing") at("panel").replaceChildren(...detailsOf(line.row));
  else if (line.type === "scope") at("panel").replaceChildren(make("h3", {}, `scope ${SCOPES[line.scope].name}`), make("p", {}, SCOPES[line.scope].said), ...SCOPES[line.scope].notes.map((note) => make("p", { class: "soft" }, note)));
  else at("panel").replaceChildren(make("h3", {}, line.name), make("p", {}, plural(line.count, "resource")));
  at("panel").scrollTop = 0;
}

const pointer = { x: -1, y: -1 };

/** Show what is pointed at; what merely scrolled below a pointer that lies still is not pointed at. */
function pointAt({ target, clientX, clientY }) {
  if (clientX === pointer.x && clientY === pointer.y) return;
  const line = lineAt(target);
  if (line === undefined) return;
  showDetails(line);
  for (const item of at("panel").querySelectorAll(".hot")) item.classList.remove("hot");
  const event = target.closest?.(".mark")?.dataset.event;
  if (event !== undefined) at("panel").querySelector(`.history li[data-event="${event}"]`)?.classList.add("hot");
}

// Findings, scopes, table

const OWNERS = new Map(ROWS.flatMap((row) => row.findings.map((one) => [one, row])));

function reveal(row) {
  for (const id of ["text", "kind", "verdict"]) at(id).value = "";
  state.folded.delete(`s${row.scope}`);
  for (const id of [...state.folded]) if (id.startsWith(`s${row.scope}g`)) state.folded.delete(id);
  filter();
  at("view").scrollIntoView({ block: "nearest" });
  setCurrent(`r${row.id}`);
}

function showFindings() {
  const order = { violation: 0, warning: 1, allowed: 2 };
  const told = SOURCE.findings.filter((one) => one.status !== "allowed").sort((one, other) => order[one.status] - order[other.status]);
  const groups = [...groupedBy(told, (one) => JSON.stringify([one.status, one.code, one.kind, one.place, one.scope])).values()];
  at("findings-section").hidden = groups.length === 0;
  at("findings").replaceChildren(...groups.slice(0, FINDINGS_SHOWN).map((group) => {
    const [first] = group, row = OWNERS.get(first);
    return make(
      "li", { class: first.status }, make("span", { class: "code" }, `${first.code} ${first.name}`), " ", first.message,
      group.length > 1 ? ` (and ${(group.length - 1).toLocaleString("en")} more from the same line)` : "",
      first.place ? make("span", { class: "soft" }, " — ", make("code", {}, first.place)) : "",
      SCOPES.length > 1 ? make("span", { class: "soft" }, ` in scope ${SCOPES[first.scope].name}`) : "",
      row ? make("span", { class: "screen-only" }, " ", make("button", { type: "button", onclick: () => reveal(row), "aria-label": `show ${first.code} ${row.title} in the timeline` }, "show")) : "",
    );
  }));
  at("findings-cut").hidden = groups.length <= FINDINGS_SHOWN;
  at("findings-cut").textContent = `${plural(groups.length - FINDINGS_SHOWN, "more finding")} not listed here: the table has all, under the verdict “violations”.`;
}

function showScopes() {
  const shown = SCOPES.slice(0, PRINTED);
  at("scopes").replaceChildren(
    make("caption", {}, shown.length < SCOPES.length ? `The first ${shown.length} of ${SCOPES.length} scopes; the timeline has all.` : plural(SCOPES.length, "scope")),
    make("thead", {}, make("tr", {}, ...["Scope", "Verdict", "Seen"].map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...shown.map((scope) => make("tr", {}, make("th", { scope: "row" }, scope.name), make("td", {}, scope.said), make("td", {}, ...scope.notes.flatMap((note, index) => (index ? [make("br"), note] : [note])))))),
  );
}

const COLUMNS = [
  ["Resource", (row) => row.title],
  ["Verdict", (row) => row.verdict],
  ["Owner", (row) => row.owner],
  ["Scope", (row) => SCOPES[row.scope].name],
  ["Acquired at", (row) => row.place],
  ["Events", (row) => row.begin],
];

function sorted(rows) {
  if (state.sort === null) return rows;
  const [column, sign] = state.sort, read = COLUMNS[column][1];
  return [...rows].sort((one, other) => { const a = read(one), b = read(other); return sign * (a < b ? -1 : a > b ? 1 : one.id - other.id); });
}

function headOf([name], column) {
  const sign = state.sort?.[0] === column ? state.sort[1] : 0;
  const turn = () => { state.sort = [column, sign === 1 ? -1 : 1]; state.page = 0; showTable(); at("table").querySelectorAll("th button")[column].focus(); };
  return make("th", { scope: "col", "aria-sort": sign === 1 ? "ascending" : sign === -1 ? "descending" : "none" }, make("button", { type: "button", onclick: turn }, `${name}${sign === 1 ? " ▲" : sign === -1 ? " ▼" : ""}`));
}

function tableRow(row, all) {
  const told = row.findings.map((one) => make("div", {}, `${one.message}${one.why ? `: ${one.why}` : ""}`));
  const history = row.events.length ? make("details", { open: all }, make("summary", {}, plural(row.events.length + row.cut, "event")), historyOf(row)) : plural(row.events.length, "event");
  const cells = [row.verdict, row.owner, SCOPES[row.scope].name, row.place && make("code", {}, row.place), history];
  return make("tr", {}, make("th", { scope: "row" }, row.title), ...cells.map((cell, index) => make("td", { class: index === 0 && row.bad ? "code" : undefined }, cell || "—", ...(index === 0 ? told : []))));
}

function showTable(limit = PAGE, all = false) {
  const rows = sorted(state.rows), pages = Math.max(1, Math.ceil(rows.length / limit));
  state.page = Math.min(state.page, pages - 1);
  const from = all ? 0 : state.page * limit, shown = rows.slice(from, from + limit);
  at("table").replaceChildren(
    make("caption", {}, rows.length ? `Resources ${(from + 1).toLocaleString("en")} to ${(from + shown.length).toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "No resource matches the filters."),
    make("thead", {}, make("tr", {}, ...COLUMNS.map(headOf))),
    make("tbody", {}, ...shown.map((row) => tableRow(row, all))),
  );
  const turn = (to) => () => { state.page = to; showTable(); };
  at("pages").hidden = pages === 1;
  at("pages").replaceChildren(
    make("button", { type: "button", onclick: turn(state.page - 1), disabled: state.page === 0 }, "Previous"),
    make("span", { "aria-live": "polite" }, `page ${state.page + 1} of ${pages}`),
    make("button", { type: "button", onclick: turn(state.page + 1), disabled: state.page === pages - 1 }, "Next"),
  );
}

// All together

function filter() {
  state.rows = chosen(filters());
  state.page = 0;
  const others = ROWS.filter((row) => !row.events.length).length;
  const whole = [plural(ROWS.length - others, "resource"), others ? plural(others, "other finding") : ""].filter(Boolean).join(", ");
  at("count").textContent = state.rows.length === ROWS.length ? whole : `${state.rows.length ? state.rows.length.toLocaleString("en") : "none"} of ${ROWS.length.toLocaleString("en")} shown`;
  detailed = null;
  layOut();
  showDetails(state.lines[state.places.get(state.current)]);
  showTable();
}

function fillChoices() {
  const option = (value, text) => make("option", { value }, text);
  at("kind").replaceChildren(option("", "all"), ...KINDS.filter(Boolean).map((kind) => option(kind, kind)));
  const count = (test) => ROWS.filter(test).length;
  const choices = [["violation", "violations"], ["warning", "warnings"], ["allowed", "allowed"], ["clean", "without a finding"]].filter(([value]) => count(VERDICTS[value]));
  const codes = [...new Map(ROWS.flatMap((row) => row.findings.map((one) => [one.code, `${one.code} ${one.name}`])))].sort();
  const byState = [...groupedBy(ROWS.filter(VERDICTS.clean), (row) => row.state)].sort((one, other) => other[1].length - one[1].length);
  const states = byState.slice(0, STATES_SHOWN).map(([name]) => [`state:${name}`, name]);
  at("verdict").replaceChildren(option("", "all"), ...[...choices, ...codes, ...states].map(([value, text]) => option(value, `${text} (${count(judgedAs(value))})`)));
}

function showLegend() {
  const seen = new Set(ROWS.flatMap((row) => row.events.map((event) => event.mark)));
  if (ROWS.some((row) => !row.events.length)) seen.add("finding");
  const kinds = KINDS.filter(Boolean).slice(0, 16).map((kind) => make("li", {}, make("span", { class: "swatch", style: { "--kind": kindColour(kind) } }), kind));
  const more = KINDS.length > 16 ? [make("li", {}, `and ${KINDS.length - 16} more kinds`)] : [];
  const bars = ROWS.some((row) => barOf(row).name === "bar leak") ? [make("li", {}, make("span", { class: "swatch bar leak" }), "left open: a violation")] : [];
  const marks = Object.entries(MARKS).filter(([name]) => seen.has(name)).map(([name, [text]]) => make("li", {}, mark(name), text));
  at("legend").replaceChildren(...kinds, ...more, ...bars, ...marks);
}

function beforePrint() {
  state.unprinted = { scrollTop: at("view").scrollTop };
  state.width = PRINTED_WIDTH;
  const shown = state.lines.slice(0, PRINTED);
  for (const element of drawn.values()) element.remove();
  drawn.clear();
  at("space").style.height = "auto";
  at("space").style.width = at("lines").style.width = "auto";
  for (const line of shown) {
    const element = lineOf(line, state.width, false);
    drawn.set(line.id, element);
    at("lines").append(element);
  }
  at("print-cut").textContent = shown.length < state.lines.length ? `${plural(state.lines.length - shown.length, "more line")} not printed: filter before printing.` : "";
  showTable(PRINTED, true);
  at("table-cut").textContent = state.rows.length > PRINTED ? `${plural(state.rows.length - PRINTED, "more resource")} not printed: filter before printing.` : "";
}

function afterPrint() {
  redraw();
  at("view").scrollTop = state.unprinted.scrollTop;
  showTable();
}

let waiting = 0;
function soon(work) {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(work);
}

function start() {
  at("app").hidden = false;
  if (SCOPES.length > MANY_SCOPES && SCOPES.some((scope) => scope.bad)) SCOPES.forEach((scope, index) => { if (!scope.bad) state.folded.add(`s${index}`); });
  fillChoices();
  showLegend();
  showFindings();
  showScopes();
  filter();
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("filters").addEventListener("reset", () => setTimeout(filter));
  at("text").addEventListener("input", () => soon(filter));
  for (const id of ["kind", "verdict"]) at(id).addEventListener("change", filter);
  at("order").addEventListener("change", layOut);
  at("zoom").addEventListener("change", () => { layOut(); bringIn(state.lines[state.places.get(state.current)]); });
  at("view").addEventListener("scroll", () => requestAnimationFrame(drawWindow), { passive: true });
  at("lines").addEventListener("keydown", keyed);
  at("lines").addEventListener("focusin", (event) => showDetails(lineAt(event.target)));
  at("lines").addEventListener("pointerover", pointAt);
  addEventListener("pointermove", (event) => Object.assign(pointer, { x: event.clientX, y: event.clientY }));
  at("view").addEventListener("pointerleave", () => showDetails(state.lines[state.places.get(state.current)]));
  at("lines").addEventListener("click", (event) => {
    const line = lineAt(event.target);
    if (line === undefined) return;
    if (line.folded !== undefined) { state.current = line.id; fold(line.id, !line.folded); lineElement(line.id).focus({ preventScroll: true }); }
    else setCurrent(line.id);
  });
  new ResizeObserver(() => { if (trackWidth() !== state.width && !matchMedia("print").matches) redraw(); }).observe(at("view"));
  addEventListener("beforeprint", beforePrint);
  addEventListener("afterprint", afterPrint);
}

start();
