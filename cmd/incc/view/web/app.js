"use strict";
// The page of incc view. Names and texts of networks come in as text, never as markup.
(() => {
  const $ = (id) => document.getElementById(id);
  const embedded = $("data") ? JSON.parse($("data").textContent) : null;
  const state = { tab: "", network: null, stage: -1, runs: [], charts: [], chosen: "" };

  function element(name, text, className) {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return e;
  }

  function fail(message) {
    $("error").textContent = message;
    $("error").hidden = !message;
  }

  async function get(path) {
    const r = await fetch(path);
    const body = r.headers.get("Content-Type").startsWith("application/json") ? await r.json() : { error: await r.text() };
    if (!r.ok) throw new Error(body.error);
    return body;
  }

  // A canvas shows a drawing that can be moved and zoomed.
  function canvas(host) {
    let x = 0, y = 0, k = 1, svg = null, held = null, moved = false;
    const apply = () => { if (svg) svg.style.transform = `translate(${x}px,${y}px) scale(${k})`; };
    const size = () => [Number(svg.getAttribute("width")), Number(svg.getAttribute("height"))];
    const zoom = (f, cx, cy) => {
      const n = Math.min(8, Math.max(0.02, k * f));
      x = cx - (cx - x) * n / k;
      y = cy - (cy - y) * n / k;
      k = n;
      apply();
    };
    const fit = () => {
      if (!svg) return;
      const [w, h] = size();
      k = Math.min(1.2, host.clientWidth / w, Math.max(host.clientHeight / h, 0.55));
      x = Math.max(0, (host.clientWidth - w * k) / 2);
      y = Math.max(0, (host.clientHeight - h * k) / 2);
      apply();
    };
    host.addEventListener("wheel", (e) => {
      e.preventDefault();
      const box = host.getBoundingClientRect();
      if (e.ctrlKey || e.metaKey) zoom(Math.exp(-e.deltaY / 200), e.clientX - box.left, e.clientY - box.top);
      else { x -= e.deltaX; y -= e.deltaY; apply(); }
    }, { passive: false });
    host.addEventListener("pointerdown", (e) => { held = [e.clientX - x, e.clientY - y, e.clientX, e.clientY]; moved = false; });
    host.addEventListener("pointermove", (e) => {
      if (!held) return;
      if (!moved && Math.hypot(e.clientX - held[2], e.clientY - held[3]) < 4) return;
      if (!moved) host.setPointerCapture(e.pointerId);
      moved = true;
      x = e.clientX - held[0];
      y = e.clientY - held[1];
      apply();
    });
    host.addEventListener("pointerup", () => { held = null; });
    host.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[e.key];
      if (step) { x += step[0]; y += step[1]; apply(); e.preventDefault(); }
      if (e.key === "+" || e.key === "=") zoom(1.25, host.clientWidth / 2, host.clientHeight / 2);
      if (e.key === "-") zoom(0.8, host.clientWidth / 2, host.clientHeight / 2);
      if (e.key === "0") fit();
    });
    return {
      fit, zoom: (f) => zoom(f, host.clientWidth / 2, host.clientHeight / 2),
      dragged: () => moved,
      show(text, keep) {
        host.replaceChildren();
        svg = null;
        if (!text) return;
        const doc = new DOMParser().parseFromString(text, "image/svg+xml");
        svg = document.importNode(doc.documentElement, true);
        host.append(svg);
        if (keep) apply(); else fit();
      },
      rects: () => svg ? [...svg.querySelectorAll("rect[data-path]")] : [],
      center(rect) {
        const cx = Number(rect.getAttribute("x")) + Number(rect.getAttribute("width")) / 2;
        const cy = Number(rect.getAttribute("y")) + Number(rect.getAttribute("height")) / 2;
        if (k < 0.5) k = 0.8;
        x = host.clientWidth / 2 - cx * k;
        y = host.clientHeight / 2 - cy * k;
        apply();
      },
    };
  }

  const drawing = canvas($("drawing"));
  const after = canvas($("after"));
  const count = (n) => n.toLocaleString("en-US");

  function facts(list) {
    $("facts").replaceChildren(...list.flatMap(([k, v]) => [element("dt", k), element("dd", v)]));
  }

  function describe(path) {
    const b = state.network.boxes.find((b) => b.path === path);
    if (!b) return facts(state.network.totals);
    const list = [["layer", b.path], ["output", b.output], ["parameters", count(b.params)], ["MACs", count(b.macs)]];
    if (b.field) list.push(["receptive field", b.field]);
    if (b.layers > 1) list.push(["layers", String(b.layers)]);
    if (b.line) list.push(["line", String(b.line)]);
    facts(list);
  }

  // choose marks a box, its line and its facts.
  function choose(path, line, scroll) {
    state.chosen = path;
    for (const r of drawing.rects()) r.classList.toggle("hit", path ? r.dataset.path === path : line > 0 && Number(r.dataset.line) === line && !r.classList.contains("frame"));
    for (const row of $("text").children) {
      const on = Number(row.dataset.line) === line;
      row.classList.toggle("on", on);
      if (on && scroll) row.scrollIntoView({ block: "nearest" });
    }
    describe(path);
  }

  $("drawing").addEventListener("click", (e) => {
    const r = e.target.closest("rect[data-path]");
    if (drawing.dragged()) return;
    choose(r ? r.dataset.path : "", r ? Number(r.dataset.line || 0) : 0, true);
  });

  function showText(n) {
    const bad = new Set(n.problems.map((p) => p.line));
    $("text").replaceChildren(...n.text.replace(/\n$/, "").split("\n").map((line, i) => {
      const row = element("div", undefined, "row" + (bad.has(i + 1) ? " bad" : ""));
      row.dataset.line = i + 1;
      row.append(element("i", String(i + 1)), element("span", line.replace(/\r$/, "") || " "));
      row.addEventListener("click", () => {
        choose("", i + 1, false);
        const r = drawing.rects().find((r) => Number(r.dataset.line) === i + 1);
        if (r) drawing.center(r);
      });
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

  async function loadNetwork(keep) {
    const n = embedded ? embedded.network : await get(query(0));
    if (!n) return;
    state.network = n;
    $("name").textContent = n.name;
    document.title = n.name + " - incc";
    showText(n);
    drawing.show(n.svg, keep);
    fail(n.error && !n.problems.length ? n.error : "");
    choose(n.boxes.some((b) => b.path === state.chosen) ? state.chosen : "", 0, false);
    find();
    showStages(n.stages);
  }

  function showStages(stages) {
    $("stages").tBodies[0].replaceChildren(...stages.map((s, i) => {
      const tr = element("tr");
      tr.tabIndex = 0;
      for (const v of [s.pass || "as written", i ? (s.skipped ? "left out" : String(s.changes)) : "", count(s.nodes), count(s.convs), count(s.params), count(s.macs)]) tr.append(element("td", v));
      const pick = () => showStage(i).catch((e) => fail(e.message));
      tr.addEventListener("click", pick);
      tr.addEventListener("keydown", (e) => { if (e.key === "Enter") pick(); });
      return tr;
    }));
  }

  async function showStage(i) {
    const s = state.network.stages[i];
    if (!s) return;
    [...$("stages").tBodies[0].rows].forEach((r, k) => r.classList.toggle("on", k === i));
    const text = [s.what, ...(s.skipped ? ["Left out: " + s.skipped] : []), ...(s.reasons.length ? ["", ...s.reasons] : []),
      ...(s.gone.length ? ["", "Removed or replaced: " + s.gone.join(", ")] : [])].join("\n");
    $("stage").textContent = text + (i ? "\n\nBoxes with a thick border are new." : "");
    if (embedded) { after.show(i ? "" : state.network.svg); return; }
    const n = await get(query(i));
    after.show(n.svg, state.stage >= 0);
    state.stage = i;
  }

  const colours = ["#3b73b9", "#c0483c", "#4e8f39", "#7350b0", "#b28a12", "#2f8a80", "#8a5a44", "#d0679d"];

  function chart(title, series, percent) {
    const host = element("div");
    host.append(element("h2", title));
    $("charts").append(host);
    const epochs = [...new Set(series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
    const data = [epochs, ...series.map((s) => { const m = new Map(s.points); return epochs.map((e) => m.has(e) ? m.get(e) : null); })];
    const ink = getComputedStyle(document.body).color;
    const axis = { stroke: ink, grid: { stroke: "rgba(128,128,128,.25)", width: 1 }, ticks: { stroke: "rgba(128,128,128,.4)", width: 1 } };
    const value = (v) => v === null || v === undefined ? "" : percent ? (100 * v).toFixed(2) + " %" : v.toPrecision(4);
    const plot = new uPlot({
      width: Math.max(260, host.clientWidth), height: 260, scales: { x: { time: false } },
      axes: [{ ...axis, label: "epoch", incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }, { ...axis, size: 64, values: (_, vs) => vs.map((v) => percent ? +(100 * v).toFixed(1) + " %" : String(+v.toPrecision(4))) }],
      series: [{ label: "epoch" }, ...series.map((s) => ({ label: s.label, stroke: s.colour, width: 1.8, dash: s.dash, spanGaps: true, points: { show: epochs.length < 30, size: 5 }, value: (_, v) => value(v) }))],
    }, data, host);
    state.charts.push([plot, host]);
  }

  function resize() {
    for (const [plot, host] of state.charts) plot.setSize({ width: Math.max(260, host.clientWidth), height: 260 });
  }

  function showRuns(runs) {
    state.runs = runs;
    const names = [...new Set(runs.flatMap((r) => r.facts.map((f) => f[0])))];
    const head = element("tr");
    for (const n of ["run", "state", "epochs", "best", ...names]) head.append(element("th", n));
    $("table").tHead.replaceChildren(head);
    $("table").tBodies[0].replaceChildren(...runs.map((r) => {
      const tr = element("tr"), has = new Map(r.facts);
      for (const v of [r.name, r.state, String(r.rows.length), r.best ? String(r.best) : "", ...names.map((n) => has.get(n) || "")]) tr.append(element("td", v));
      return tr;
    }));
    for (const [plot, host] of state.charts) { plot.destroy(); host.remove(); }
    state.charts = [];
    const of = (key, label, dash) => runs.map((r, i) => ({ label: r.name + (label ? " " + label : ""), colour: colours[i % colours.length], dash, points: r.rows.filter((row) => row[key] !== null && row[key] !== undefined).map((row) => [row.epoch, row[key]]) })).filter((s) => s.points.length);
    chart("Loss", [...of("train_loss", "train"), ...of("val_loss", "validation", [6, 4])]);
    chart("Accuracy", [...of("train_acc", "train"), ...of("val_acc", "validation", [6, 4])], true);
    chart("Learning rate", of("rate", ""));
    chart("Images a second", of("rate_images", ""));
    resize();
    $("matrices").replaceChildren();
    if (embedded) return;
    runs.forEach((r, i) => {
      if (r.state !== "finished") return;
      const img = element("img");
      img.alt = "confusion matrix of " + r.name;
      img.addEventListener("load", () => $("matrices").append(element("h2", "Confusion matrix of " + r.name), img));
      img.src = "api/confusion?run=" + i;
    });
  }

  async function loadRuns() {
    showRuns(embedded ? embedded.runs || [] : await get("api/runs"));
  }

  function open(tab) {
    state.tab = tab;
    for (const t of ["network", "passes", "runs"]) {
      $(t).hidden = t !== tab;
      $("tab-" + t).setAttribute("aria-selected", String(t === tab));
      $("tab-" + t).tabIndex = t === tab ? 0 : -1;
    }
    if (tab === "network") drawing.fit();
    if (tab === "passes" && state.network) showStage(Math.max(0, state.stage)).catch((e) => fail(e.message));
    if (tab === "runs") loadRuns().catch((e) => fail(e.message));
  }

  const tabs = ["network", "passes", "runs"];
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
  $("tools").addEventListener("submit", (e) => { e.preventDefault(); const r = find(); if (r) { drawing.center(r); choose(r.dataset.path, Number(r.dataset.line || 0), true); } });
  $("search").addEventListener("input", find);
  $("fit").addEventListener("click", drawing.fit);
  $("in").addEventListener("click", () => drawing.zoom(1.25));
  $("out").addEventListener("click", () => drawing.zoom(0.8));
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && document.activeElement !== $("search")) { e.preventDefault(); open("network"); $("search").focus(); }
    if (e.key === "Escape") { $("search").value = ""; find(); choose("", 0, false); }
  });
  window.addEventListener("resize", resize);

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
    $("tab-network").hidden = $("tab-passes").hidden = !network;
    $("tab-runs").hidden = !runs;
    if (embedded && network) await loadNetwork(false);
    open(network ? "network" : "runs");
    if (embedded) return;
    let last = "";
    const events = new EventSource("api/events");
    events.onopen = () => { $("live").textContent = "live"; };
    events.onerror = () => { $("live").textContent = "incc view has ended"; };
    events.onmessage = (e) => {
      const [text, list] = e.data.split("/"), [oldText, oldList] = last.split("/");
      if (last && text !== oldText) loadNetwork(true).catch((x) => fail(x.message));
      if (last && list !== oldList) { $("tab-runs").hidden = false; if (state.tab === "runs") loadRuns().catch((x) => fail(x.message)); }
      last = e.data;
    };
  }
  start().catch((e) => fail(e.message));
})();
