"use strict";
// A picture that is dropped on the page: its classes, and the feature maps of a part.
page.try = (() => {
  const { $, element, get, bytes, tile, embedded, state } = page;
  let file = null, version = "", asked = 0;

  const least = "smallest", most = "largest";

  function options() {
    const n = state.network;
    if (!n || n.version + n.boxes.length === version) return;
    version = n.version + n.boxes.length;
    const before = $("at").value;
    const list = n.boxes.filter((b) => b.kind !== "input" && b.value);
    $("at").replaceChildren(...list.map((b) => {
      const o = element("option", `${b.path} (${b.output})`);
      o.value = b.value;
      return o;
    }));
    const own = list.find((b) => b.path === state.chosen);
    if (own) $("at").value = own.value;
    else if (list.some((b) => b.value === before)) $("at").value = before;
  }

  function showTop(top) {
    $("top").tBodies[0].replaceChildren(...top.map((c) => {
      const tr = element("tr"), bar = element("td", undefined, "meter"), i = element("i");
      i.style.width = 100 * Math.min(1, Math.max(0, c.score)) + "%";
      bar.append(i);
      tr.append(element("td", c.label || "class " + c.class), element("td", c.score.toFixed(4)), bar);
      return tr;
    }));
  }

  function showMaps(m) {
    const grey = bytes(m.data), size = m.w * m.h;
    const number = (v) => v === null ? "no number" : v.toPrecision(3);
    if (m.h === 1 && m.count === 1) { // a vector, in rows of 32
      const w = Math.min(32, m.w), h = Math.ceil(m.w / w);
      $("maps").replaceChildren(tile(w, h, 480, m.name, (i) => i < m.w ? [grey[i], grey[i], grey[i]] : [128, 128, 128]));
    } else {
      $("maps").replaceChildren(...m.low.map((low, k) => tile(m.w, m.h, 84, `map ${k}: ${least} ${number(low)}, ${most} ${number(m.high[k])}`, (i) => {
        const g = grey[k * size + i];
        return [g, g, g];
      })));
    }
    const part = m.low.length < m.count ? `the first ${m.low.length} of ${m.count} maps, ` : "";
    $("maps-note").textContent = `${m.shape}: ${part}each from its ${least} (black) to its ${most} element (white)`;
  }

  async function run() {
    if (!file) return;
    const id = ++asked;
    $("try-note").textContent = "computing…";
    try {
      const a = await get("api/try?" + new URLSearchParams({ at: $("at").value, top: "5" }), "POST", file);
      if (id !== asked) return; // a later picture or part
      const seen = bytes(a.input.data);
      $("seen").replaceChildren(tile(a.input.w, a.input.h, 224, "the picture as the network sees it", (i) => seen.subarray(4 * i, 4 * i + 3)));
      showTop(a.top);
      if (a.maps) showMaps(a.maps);
      const drawn = a.drawn ? ["The weights are drawn at random, so the classes mean nothing: start incc view with --weights FILE, or with the folder of a run."] : [];
      $("try-note").textContent = [...drawn, ...(a.notes || [])].join("\n");
    } catch (e) {
      if (id !== asked) return;
      $("try-note").textContent = e.message;
      for (const p of [$("seen"), $("top").tBodies[0], $("maps")]) p.replaceChildren();
      $("maps-note").textContent = "";
    }
  }

  function take(list) {
    if (!list || !list.length) return;
    file = list[0];
    run();
  }

  function show() {
    if (embedded) {
      $("drop").hidden = $("top").hidden = $("at").parentElement.hidden = true;
      $("try-note").textContent = "This page is a copy. To try pictures, start incc view with the network.";
      return;
    }
    options();
  }

  $("picture").addEventListener("change", () => take($("picture").files));
  $("at").addEventListener("change", run);
  window.addEventListener("dragover", (e) => e.preventDefault());
  window.addEventListener("drop", (e) => {
    e.preventDefault();
    if (embedded || $("tab-try").hidden) return;
    page.open("try");
    take(e.dataTransfer.files);
  });
  return { show, changed: () => { options(); if (state.tab === "try") run(); } };
})();
