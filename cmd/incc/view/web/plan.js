"use strict";
// The schedule of the executor: its steps with their times, and its memory over time.
page.plan = (() => {
  const { $, element, fail, get, count, embedded, state } = page;
  const drawing = page.canvas($("plan-drawing"));
  let plan = null, last = "", shown = "", chosen = -1;

  const micros = (s) => (1e6 * s).toFixed(1);
  const percent = (v) => (100 * v).toFixed(1) + " %";
  const mib = (n) => (n / (1 << 20)).toFixed(2) + " MiB";
  const time = (s) => plan.measured ? s.seconds : s.predicted;

  function note() {
    const total = plan.steps.reduce((t, s) => t + time(s), 0);
    const what = plan.measured
      ? `measured on this machine: ${plan.isa}, ${plan.threads} threads, peak ${plan.peak.toFixed(1)} GFLOP/s`
      : "predicted for one thread by the cost model";
    $("plan-note").textContent = `${count(plan.steps.length)} steps, ${(1e3 * total).toFixed(3)} ms, ${what}`;
    const most = Math.max(0, ...plan.live);
    $("memory-note").textContent = `Memory for one image: the arena has ${mib(plan.arena)}, of which ${mib(most)} are in use at most (line); weights ${mib(plan.weights)}.`;
  }

  function table() {
    const head = element("tr");
    for (const n of ["step", plan.measured ? "measured µs" : "predicted µs", "share", ...(plan.measured ? ["of peak"] : []), "algorithm", "output", "MACs", ...(plan.measured ? ["predicted µs"] : [])]) {
      const th = element("th", n);
      if (n === "of peak") th.title = "MACs by the definition of the op. Winograd needs fewer multiplications, so its share can be above 100 %";
      head.append(th);
    }
    $("steps").tHead.replaceChildren(head);
    const total = plan.steps.reduce((t, s) => t + time(s), 0) || 1;
    const most = Math.max(...plan.steps.map(time)) || 1;
    $("steps").tBodies[0].replaceChildren(...plan.steps.map((s, i) => {
      const tr = element("tr");
      tr.tabIndex = i ? -1 : 0;
      const share = element("td", percent(time(s) / total), "meter"), bar = element("i");
      bar.style.width = 100 * time(s) / most + "%";
      share.append(bar);
      tr.append(element("td", s.name), element("td", micros(time(s))), share);
      if (plan.measured) tr.append(element("td", s.share ? percent(s.share) : ""));
      for (const v of [s.algorithm, s.shape, s.macs ? count(s.macs) : ""]) tr.append(element("td", v));
      if (plan.measured) tr.append(element("td", micros(s.predicted)));
      tr.addEventListener("click", () => choose(i, false));
      tr.addEventListener("keydown", (e) => {
        const next = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: plan.steps.length - 1, Enter: i }[e.key];
        if (next === undefined || !plan.steps[next]) return;
        e.preventDefault();
        choose(next, true);
      });
      return tr;
    }));
  }

  // boxOf finds the box that shows a path: its own, or the folded one around it.
  function boxOf(path) {
    let best = null;
    for (const r of drawing.rects()) {
      const p = r.dataset.path;
      if (r.classList.contains("frame") || path !== p && !path.startsWith(p + "/")) continue;
      if (!best || p.length > best.dataset.path.length) best = r;
    }
    return best;
  }

  // choose marks what belongs to a step: its boxes, its lines, its memory.
  function choose(i, focus) {
    chosen = i;
    const s = plan.steps[i];
    [...$("steps").tBodies[0].rows].forEach((r, k) => {
      r.classList.toggle("on", k === i);
      r.tabIndex = k === Math.max(0, i) ? 0 : -1;
      if (k !== i) return;
      r.scrollIntoView({ block: "nearest" });
      if (focus) r.focus();
    });
    const boxes = s ? s.paths.map(boxOf).filter(Boolean) : [];
    for (const r of drawing.rects()) r.classList.toggle("hit", boxes.includes(r));
    if (boxes.length) drawing.center(boxes);
    for (const r of $("memory").querySelectorAll("rect[data-buffer]")) r.classList.toggle("hit", Boolean(s) && s.buffers.includes(Number(r.dataset.buffer)));
    const text = state.network && state.network.text ? state.network.text.split("\n") : [];
    const lines = s ? s.lines : [];
    $("plan-lines").replaceChildren(...lines.filter((n) => text[n - 1] !== undefined).map((n) => {
      const row = element("div", undefined, "row on");
      row.append(element("i", String(n)), element("span", text[n - 1].replace(/\r$/, "")));
      return row;
    }));
    for (const row of $("text").children) row.classList.toggle("on", lines.includes(Number(row.dataset.line)));
  }

  $("plan-drawing").addEventListener("click", (e) => {
    const r = e.target.closest("rect[data-path]");
    if (!r || drawing.dragged() || !plan) return;
    const i = plan.steps.findIndex((s) => s.paths.some((p) => boxOf(p) === r));
    if (i >= 0) choose(i, false);
  });

  // memory draws the buffers of the arena: phases from left to right, bytes from below.
  function memory() {
    const old = $("memory").querySelector("svg");
    if (old) old.remove();
    if (!plan || !plan.arena) return;
    const make = (name, attributes, text) => {
      const e = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
      if (text !== undefined) e.textContent = text;
      return e;
    };
    const w = Math.max(240, $("memory").clientWidth - 24), h = 170, left = 66, bottom = 20, top = 8;
    const x = (phase) => left + (w - left - 4) * phase / plan.phases;
    const y = (n) => top + (h - top - bottom) * (1 - n / plan.arena);
    const svg = make("svg", { width: w, height: h, role: "img", "aria-label": "memory of the arena over the phases of the schedule" });
    for (const [n, label] of [[0, "0"], [plan.arena, mib(plan.arena)]]) {
      svg.append(make("line", { x1: left, x2: w - 4, y1: y(n), y2: y(n), class: "axis" }), make("text", { x: left - 6, y: y(n) + 4, "text-anchor": "end" }, label));
    }
    plan.buffers.forEach((b, i) => {
      const r = make("rect", { x: x(b.first), y: y(b.offset + b.bytes), width: Math.max(1, x(b.last + 1) - x(b.first) - 0.5), height: Math.max(1, y(b.offset) - y(b.offset + b.bytes) - 0.5), "data-buffer": i, class: "buffer" });
      r.append(make("title", {}, `${b.name}: ${mib(b.bytes)}, phases ${b.first} to ${b.last}`));
      svg.append(r);
    });
    const points = plan.live.flatMap((n, i) => [`${x(i)},${y(n)}`, `${x(i + 1)},${y(n)}`]);
    svg.append(make("polyline", { points: points.join(" "), class: "live" }));
    svg.append(make("text", { x: left, y: h - 4 }, "phase 0"), make("text", { x: w - 4, y: h - 4, "text-anchor": "end" }, String(plan.phases - 1)));
    $("memory").prepend(svg);
  }

  function show(p) {
    const text = JSON.stringify(p);
    if (text === last && state.network.svg === shown) return; // the reader's place in the table stays
    last = text;
    plan = p;
    if (state.network.svg !== shown) {
      drawing.show(state.network.svg, false);
      shown = state.network.svg;
    }
    note();
    table();
    memory();
    choose(chosen < plan.steps.length ? chosen : -1, false);
  }

  async function load(measure) {
    if (embedded) {
      $("measure").hidden = true;
      if (embedded.plan) show(embedded.plan);
      else $("plan-note").textContent = embedded.plan_error || "there is no plan";
      return;
    }
    $("measure").disabled = true;
    try {
      show(await get("api/plan", measure ? "POST" : "GET"));
      fail("");
    } catch (e) {
      fail(e.message);
      if (plan) note();
    } finally {
      $("measure").disabled = false;
    }
  }

  $("measure").addEventListener("click", () => { $("plan-note").textContent = "measuring…"; last = ""; load(true); });
  return { load, resize: memory, fit: drawing.fit };
})();
