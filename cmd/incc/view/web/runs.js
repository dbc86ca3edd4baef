"use strict";
// Runs: their curves, a table that compares them, and what their files show.
page.runs = (() => {
  const { $, element, fail, get, bytes, picture, tile, embedded } = page;
  let charts = [];
  const sections = new Map(); // of the runs, by their number

  const colours = ["#3b73b9", "#c0483c", "#4e8f39", "#7350b0", "#b28a12", "#2f8a80", "#8a5a44", "#d0679d"];

  function chart(title, series, percent) {
    if (!series.length) return;
    const host = element("div");
    host.append(element("h2", title));
    $("charts").append(host);
    const epochs = [...new Set(series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
    const data = [epochs, ...series.map((s) => { const m = new Map(s.points); return epochs.map((e) => m.has(e) ? m.get(e) : null); })];
    const ink = getComputedStyle(document.body).color;
    const letters = "12px Go, sans-serif";
    const axis = { stroke: ink, font: letters, labelFont: letters, grid: { stroke: "rgba(128,128,128,.25)", width: 1 }, ticks: { stroke: "rgba(128,128,128,.4)", width: 1 } };
    const value = (v) => v === null || v === undefined ? "" : percent ? (100 * v).toFixed(2) + " %" : v.toPrecision(4);
    // While the pointer is elsewhere, the legend shows the last epoch of each curve.
    const last = (v) => v.findLast((x) => x !== null && x !== undefined);
    const plot = new uPlot({
      width: Math.max(260, host.clientWidth), height: 260, scales: { x: { time: false } },
      axes: [{ ...axis, label: "epoch", incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }, { ...axis, size: 64, values: (_, vs) => vs.map((v) => percent ? +(100 * v).toFixed(1) + " %" : String(+v.toPrecision(4))) }],
      series: [{ label: "epoch", value: (u, v) => v ?? last(u.data[0]) ?? "" }, ...series.map((s) => ({
        label: s.label, stroke: s.colour, width: 1.8, dash: s.dash, spanGaps: true, points: { show: epochs.length < 30, size: 5 },
        value: (u, v, i) => value(u.cursor.idx === null || u.cursor.idx === undefined ? last(u.data[i]) : v),
      }))],
    }, data, host);
    charts.push([plot, host]);
  }

  function resize() {
    for (const [plot, host] of charts) plot.setSize({ width: Math.max(260, host.clientWidth), height: 260 });
  }

  // best is the accuracy of validation, or else of training, in the best epoch.
  function best(r) {
    const row = r.rows[r.best - 1];
    if (!row) return "";
    const a = row.val_acc ?? row.train_acc;
    return `epoch ${r.best}` + (a === null || a === undefined ? "" : `, ${(100 * a).toFixed(2)} %`);
  }

  function stateOf(r) {
    const list = r.resumed || [];
    return r.state + (list.length ? `, resumed after epoch ${list.join(", ")}` : "");
  }

  function table(runs) {
    const names = [...new Set(runs.flatMap((r) => r.facts.map((f) => f[0])))];
    const head = element("tr");
    for (const n of ["run", "state", "epochs", "best", "training loss", ...names]) head.append(element("th", n));
    $("table").tHead.replaceChildren(head);
    $("table").tBodies[0].replaceChildren(...runs.map((r) => {
      const tr = element("tr"), has = new Map(r.facts), last = r.rows[r.rows.length - 1];
      const loss = last && last.train_loss !== null ? last.train_loss.toPrecision(4) : "";
      for (const v of [r.name, stateOf(r), String(r.rows.length), best(r), loss, ...names.map((n) => has.get(n) || "")]) tr.append(element("td", v));
      return tr;
    }));
  }

  function showFilters(host, f) {
    const px = bytes(f.data), size = f.w * f.h, shown = px.length / (size * f.channels);
    const what = f.channels === 3 ? "red, green and blue" : "grey";
    const part = shown < f.count ? `the first ${shown} of ${f.count}` : String(f.count);
    host.append(element("h3", `Filters of ${f.name}`), element("p", `${part}, in ${what}, each from its smallest to its largest weight`));
    const tiles = element("div", undefined, "tiles");
    for (let k = 0; k < shown; k++) {
      tiles.append(tile(f.w, f.h, 42, "filter " + k, (i) => {
        const at = (k * size + i) * f.channels;
        return f.channels === 3 ? px.subarray(at, at + 3) : [px[at], px[at], px[at]];
      }));
    }
    host.append(tiles);
  }

  async function showMistakes(host, m) {
    const list = element("dl", undefined, "facts");
    for (const [k, v] of m.facts) list.append(element("dt", k), element("dd", v));
    const sheet = element("div", undefined, "scroll");
    sheet.append(await picture(m.sheet, "images that were classified wrong: a row for each pair of classes, the surest first"));
    host.replaceChildren(element("p", "Each row: how many images of a class were taken for another one, and those of the highest score."), list, sheet);
  }

  // details shows the files of a run. They are read again when the run has changed.
  async function details(r, i) {
    const key = JSON.stringify([r.name, r.state, r.rows.length, r.best]);
    let s = sections.get(i);
    if (!s) {
      s = { key: "", host: element("section", undefined, "details"), files: element("div"), wrong: element("div") };
      s.host.append(element("h2", r.name), s.files, element("h3", "Worst mistakes"), s.wrong);
      sections.set(i, s);
      $("details").append(s.host);
    }
    if (s.key === key) return;
    s.key = key;
    const d = embedded ? (embedded.details || [])[i] : await get("api/details?run=" + i);
    s.files.replaceChildren();
    if (d && d.confusion) {
      const scroll = element("div", undefined, "scroll");
      scroll.append(await picture(d.confusion, "confusion matrix of " + r.name));
      s.files.append(element("h3", "Confusion matrix"), scroll);
    }
    if (d && d.filters) showFilters(s.files, d.filters);
    if (embedded) {
      const m = (embedded.mistakes || [])[i];
      if (m) await showMistakes(s.wrong, m);
      else s.wrong.textContent = "This page was written without --mistakes.";
      return;
    }
    const button = element("button", "Evaluate the run and show them");
    button.type = "button";
    button.addEventListener("click", async () => {
      button.disabled = true;
      button.textContent = "evaluating…";
      try {
        await showMistakes(s.wrong, await get("api/mistakes?run=" + i, "POST"));
      } catch (e) {
        s.wrong.replaceChildren(element("p", e.message, "bad"), button);
        button.disabled = false;
        button.textContent = "Evaluate again";
      }
    });
    s.wrong.replaceChildren(button);
  }

  function show(runs) {
    table(runs);
    for (const [plot, host] of charts) { plot.destroy(); host.remove(); }
    charts = [];
    const of = (key, label, dash) => runs.map((r, i) => ({ label: r.name + (label ? " " + label : ""), colour: colours[i % colours.length], dash, points: r.rows.filter((row) => row[key] !== null && row[key] !== undefined).map((row) => [row.epoch, row[key]]) })).filter((s) => s.points.length);
    chart("Loss", [...of("train_loss", "train"), ...of("val_loss", "validation", [6, 4])]);
    chart("Accuracy", [...of("train_acc", "train"), ...of("val_acc", "validation", [6, 4])], true);
    chart("Learning rate", of("rate", ""));
    chart("Images a second", of("rate_images", ""));
    resize();
    runs.forEach((r, i) => details(r, i).catch((e) => fail(e.message)));
  }

  async function load() {
    show(embedded ? embedded.runs || [] : await get("api/runs"));
  }

  return { load, resize };
})();
