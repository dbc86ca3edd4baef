"use strict";
// What the scripts of the page of incc view share. Names and texts of networks come in as text,
// never as markup.
const page = (() => {
  const $ = (id) => document.getElementById(id);
  const embedded = $("data") ? JSON.parse($("data").textContent) : null;
  const state = { tab: "", network: null, stage: -1, chosen: "" };

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

  // get asks the server; with a body it sends that.
  async function get(path, method, body) {
    const r = await fetch(path, { method: method || "GET", body });
    const kind = r.headers.get("Content-Type") || "";
    const answer = kind.startsWith("application/json") ? await r.json() : { error: await r.text() };
    if (!r.ok) throw new Error(answer.error.trim());
    return answer;
  }

  const count = (n) => n.toLocaleString("en-US");
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  // picture draws a PNG, given as base64.
  async function picture(png, name) {
    const bitmap = await createImageBitmap(new Blob([bytes(png)], { type: "image/png" }));
    const e = pixels(bitmap.width, bitmap.height, name);
    e.getContext("2d").drawImage(bitmap, 0, 0);
    return e;
  }

  // pixels makes an empty picture with a name for those who do not see it.
  function pixels(w, h, name) {
    const e = element("canvas");
    e.width = w;
    e.height = h;
    e.setAttribute("role", "img");
    e.setAttribute("aria-label", name);
    return e;
  }

  // tile draws w x h pixels enlarged by a whole number to about a size; pixel returns the red,
  // green and blue of one.
  function tile(w, h, size, name, pixel) {
    const e = pixels(w, h, name), data = new ImageData(w, h);
    for (let i = 0; i < w * h; i++) {
      const [r, g, b] = pixel(i);
      data.data.set([r, g, b, 255], 4 * i);
    }
    e.getContext("2d").putImageData(data, 0, 0);
    const k = Math.max(1, Math.floor(size / Math.max(w, h)));
    e.style.width = w * k + "px";
    e.title = name;
    return e;
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
      // center brings the middle of some boxes to the middle of the canvas.
      center(boxes) {
        const of = (r, name) => Number(r.getAttribute(name));
        const middle = (at, size) => (Math.min(...boxes.map((r) => of(r, at))) + Math.max(...boxes.map((r) => of(r, at) + of(r, size)))) / 2;
        const cx = middle("x", "width"), cy = middle("y", "height");
        if (k < 0.5) k = 0.8;
        x = host.clientWidth / 2 - cx * k;
        y = host.clientHeight / 2 - cy * k;
        apply();
      },
    };
  }

  return { $, element, fail, get, count, bytes, picture, tile, canvas, embedded, state };
})();
