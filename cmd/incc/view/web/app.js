"use strict";
// The network, its passes, and the tabs of the page.
(() => {
  const { $, element, fail, get, count, canvas, embedded, state } = page;
  const drawing = canvas($("drawing"));
  const after = canvas($("after"));

  function facts(list) {
    $("facts").replaceChildren(...list.flatMap(([k, v]) => [element("dt", k), element("dd", v)]));
  }

  // describeLine sums up the boxes of a line.
  function describeLine(line) {
    const boxes = boxesOf(line);
    if (!boxes.length) return facts(state.network.totals);
    const last = boxes[boxes.length - 1], sum = (key) => count(boxes.reduce((n, b) => n + b[key], 0));
    const list = [["line", String(line)], ["output", last.output], ["layers", sum("layers")], ["parameters", sum("params")], ["MACs", sum("macs")]];
    if (last.field) list.push(["receptive field", last.field]);
    facts(list);
  }

  function describe(path, line) {
    const b = state.network.boxes.find((b) => b.path === path);
    if (!b) return describeLine(line);
    const list = [["layer", b.path], ["output", b.output], ["parameters", count(b.params)], ["MACs", count(b.macs)]];
    if (b.field) list.push(["receptive field", b.field]);
    if (b.layers > 1) list.push(["layers", String(b.layers)]);
    if (b.line) list.push(["line", String(b.line)]);
    facts(list);
  }

  // boxesOf returns the boxes of a line: those that its calls make or, if these stand in the
  // lines of blocks, those of the part that it labels.
  function boxesOf(line) {
    const own = state.network.boxes.filter((b) => b.line === line && b.kind !== "frame");
    const label = /^\s*("[^"]*"|[^\s:#]+)\s*:/.exec(state.network.text.split("\n")[line - 1] || "");
    if (own.length || !label) return own;
    const part = label[1].replace(/^"|"$/g, "");
    return state.network.boxes.filter((b) => b.kind !== "frame" && (b.path === part || b.path.startsWith(part + "/")));
  }

  // choose marks a box, its line and its facts.
  function choose(path, line, scroll) {
    state.chosen = path;
    const hit = new Set(path ? [path] : boxesOf(line).map((b) => b.path));
    for (const r of drawing.rects()) r.classList.toggle("hit", hit.has(r.dataset.path) && (path !== "" || !r.classList.contains("frame")));
    for (const row of $("text").children) {
      const on = Number(row.dataset.line) === line;
      row.classList.toggle("on", on);
      if (on && scroll) row.scrollIntoView({ block: "nearest" });
    }
    describe(path, line);
  }

  $("drawing").addEventListener("click", (e) => {
    const r = e.target.closest("rect[data-path]");
    if (drawing.dragged()) return;
    choose(r ? r.dataset.path : "", r ? Number(r.dataset.line || 0) : 0, true);
  });

  function chooseLine(line, scroll) {
    choose("", line, scroll);
    const hit = drawing.rects().filter((r) => r.classList.contains("hit"));
    if (hit.length) drawing.center(hit);
  }

  $("text").addEventListener("keydown", (e) => {
    const rows = [...$("text").children], at = rows.findIndex((r) => r.classList.contains("on"));
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[e.key];
    if (next === undefined || !rows[next]) return;
    e.preventDefault();
    chooseLine(next + 1, true);
  });

  function showText(n) {
    const bad = new Set(n.problems.map((p) => p.line));
    $("text").replaceChildren(...n.text.replace(/\n$/, "").split("\n").map((line, i) => {
      const row = element("div", undefined, "row" + (bad.has(i + 1) ? " bad" : ""));
      row.dataset.line = i + 1;
      row.append(element("i", String(i + 1)), element("span", line.replace(/\r$/, "") || " "));
      row.addEventListener("click", () => chooseLine(i + 1, false));
      return row;
    }));
    $("text").hidden = !n.text;
    $("problems").replaceChildren(...n.problems.map((p) => {
      const e = element("p", `${p.line}:${p.column} ${p.code} ${p.text}`, p.warning ? "warning" : "");
      e.addEventListener("click", () => choose("", p.line, true));
      return e;
    }));
  }

  function find() {
    const want = $("search").value.trim().toLowerCase();
    const rects = drawing.rects();
    let first = null;
    for (const r of rects) {
      const hit = want !== "" && r.dataset.path.toLowerCase().includes(want);
      r.classList.toggle("faint", want !== "" && !hit && !r.classList.contains("frame"));
      if (hit && !first) first = r;
    }
    return first;
  }

  const query = (stage) => "api/network?" + new URLSearchParams({
    collapse: $("collapse").value, colour: $("colour").value, direction: $("direction").value, stage: String(stage),
  });

  // Answers to questions before the last one come too late.
  const asked = { network: 0, stage: 0 };

  async function loadNetwork(keep) {
    const id = ++asked.network;
    const n = embedded ? embedded.network : await get(query(0));
    if (!n || id !== asked.network) return;
    state.network = n;
    $("name").textContent = n.name;
    document.title = n.name + " - incc";
    showText(n);
    drawing.show(n.svg, keep);
    requestAnimationFrame(() => setTimeout(() => performance.mark("drawn"))); // after it is painted
    fail(n.error && !n.problems.length ? n.error : "");
    choose(n.boxes.some((b) => b.path === state.chosen) ? state.chosen : "", 0, false);
    find();
    showStages(n.stages);
  }

  function showStages(stages) {
    $("stages").tBodies[0].replaceChildren(...stages.map((s, i) => {
      const tr = element("tr");
      tr.tabIndex = 0;
      for (const v of [s.pass || "as written", i ? (s.skipped ? "left out" : String(s.changes)) : "", count(s.nodes), count(s.convs), count(s.params), count(s.macs), ""]) tr.append(element("td", v));
      const pick = () => showStage(i).catch((e) => fail(e.message));
      tr.addEventListener("click", pick);
      tr.addEventListener("keydown", (e) => { if (e.key === "Enter") pick(); });
      return tr;
    }));
  }

  // showTimes writes the predicted times into the table of passes.
  async function showTimes() {
    const times = embedded ? embedded.times || [] : await get("api/times");
    [...$("stages").tBodies[0].rows].forEach((r, i) => {
      const t = times[i];
      r.cells[r.cells.length - 1].textContent = t === null || t === undefined ? "" : (1e3 * t).toFixed(3);
    });
  }

  async function showStage(i) {
    const s = state.network.stages[i];
    if (!s) return;
    [...$("stages").tBodies[0].rows].forEach((r, k) => r.classList.toggle("on", k === i));
    const text = [s.what, ...(s.skipped ? ["Left out: " + s.skipped] : []), ...(s.reasons.length ? ["", ...s.reasons] : []),
      ...(s.gone.length ? ["", "Removed or replaced: " + s.gone.join(", ")] : [])].join("\n");
    $("stage").textContent = text + (i ? "\n\nBoxes with a thick border are new." : "");
    if (embedded) {
      let k = i; // the last pass until here that changed something
      while (k > 0 && !state.network.stages[k].changes) k--;
      const svg = k ? embedded.drawings[k] : state.network.svg;
      after.show(svg, state.stage >= 0);
      if (!svg) $("stage").textContent += "\n\nThe drawing has no room in this copy: incc view shows it.";
      state.stage = i;
      return;
    }
    const id = ++asked.stage;
    const n = await get(query(i));
    if (id !== asked.stage) return;
    after.show(n.svg, state.stage >= 0);
    state.stage = i;
  }

  const tabs = ["network", "passes", "plan", "try", "runs"];

  // named is the tab that the address names behind its #, or "".
  function named() {
    const tab = location.hash.slice(1);
    return tabs.includes(tab) && !$("tab-" + tab).hidden ? tab : "";
  }

  function open(tab) {
    state.tab = tab;
    if (location.hash !== "#" + tab) history.pushState(null, "", "#" + tab);
    for (const t of tabs) {
      $(t).hidden = t !== tab;
      $("tab-" + t).setAttribute("aria-selected", String(t === tab));
      $("tab-" + t).tabIndex = t === tab ? 0 : -1;
    }
    if (tab === "network") drawing.fit();
    if (tab === "passes" && state.network) {
      showStage(Math.max(0, state.stage)).catch((e) => fail(e.message));
      showTimes().catch((e) => fail(e.message));
    }
    if (tab === "plan" && state.network) page.plan.load(false).catch((e) => fail(e.message));
    if (tab === "try") page.try.show();
    if (tab === "runs") page.runs.load().catch((e) => fail(e.message));
  }
  page.open = open;

  for (const t of tabs) {
    $("tab-" + t).addEventListener("click", () => open(t));
    $("tab-" + t).addEventListener("keydown", (e) => {
      const shown = tabs.filter((x) => !$("tab-" + x).hidden);
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!step) return;
      const next = shown[(shown.indexOf(t) + step + shown.length) % shown.length];
      open(next);
      $("tab-" + next).focus();
    });
  }
  for (const id of ["collapse", "colour", "direction"]) $(id).addEventListener("change", () => loadNetwork(id === "colour").catch((e) => fail(e.message)));
  $("tools").addEventListener("submit", (e) => { e.preventDefault(); const r = find(); if (r) { drawing.center([r]); choose(r.dataset.path, Number(r.dataset.line || 0), true); } });
  $("search").addEventListener("input", find);
  $("fit").addEventListener("click", drawing.fit);
  $("in").addEventListener("click", () => drawing.zoom(1.25));
  $("out").addEventListener("click", () => drawing.zoom(0.8));
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && document.activeElement !== $("search")) { e.preventDefault(); open("network"); $("search").focus(); }
    if (e.key === "Escape") { $("search").value = ""; find(); choose("", 0, false); }
  });
  window.addEventListener("resize", () => { page.runs.resize(); page.plan.resize(); });

  // changed follows a change of the text.
  async function changed() {
    await loadNetwork(true);
    if (state.tab === "passes") await showTimes();
    if (state.tab === "plan") await page.plan.load(false);
    page.try.changed();
  }

  async function start() {
    let network = false, runs = false;
    if (embedded) {
      network = Boolean(embedded.network);
      runs = Boolean(embedded.runs && embedded.runs.length);
      for (const id of ["collapse", "colour", "direction"]) $(id).parentElement.hidden = true;
      $("live").textContent = "a copy";
    } else {
      try { await loadNetwork(false); network = Boolean(state.network); } catch (e) { if (!/only runs/.test(e.message)) fail(e.message); }
      runs = (await get("api/runs")).length > 0;
    }
    for (const t of tabs.slice(0, 4)) $("tab-" + t).hidden = !network;
    $("tab-runs").hidden = !runs;
    if (embedded && network) await loadNetwork(false);
    const first = named() || (network ? "network" : "runs");
    history.replaceState(null, "", "#" + first);
    open(first);
    window.addEventListener("popstate", () => { if (named() && named() !== state.tab) open(named()); });
    if (embedded) return;
    let last = "";
    const events = new EventSource("api/events");
    events.onopen = () => { $("live").textContent = "live"; };
    events.onerror = () => { $("live").textContent = "incc view has ended"; };
    events.onmessage = (e) => {
      const [text, list] = e.data.split("/"), [oldText, oldList] = last.split("/");
      if (last && text !== oldText) changed().catch((x) => fail(x.message));
      if (last && list !== oldList) { $("tab-runs").hidden = false; if (state.tab === "runs") page.runs.load().catch((x) => fail(x.message)); }
      last = e.data;
    };
  }
  start().catch((e) => fail(e.message));
})();
