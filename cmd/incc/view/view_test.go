package view

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/specs"
)

func load(text []byte) (*ir.Graph, diag.List) { return dsl.Load("net.incc", text, dsl.Options{}) }

// editable is a text that a test changes while the page shows it.
type editable struct {
	mu   sync.Mutex
	text string
}

func (e *editable) set(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text = s
}

func (e *editable) get() ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return []byte(e.text), nil
}

func builtin(t testing.TB, name string) string {
	t.Helper()
	text, _, ok := specs.Source(name)
	if !ok {
		t.Fatal(name)
	}
	return string(text)
}

// serve serves a source and returns the address of the page.
func serve(t testing.TB, src Source) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(src, l.Addr().(*net.TCPAddr))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.URL(l.Addr())
}

func row(epoch int, loss, acc float64) map[string]Value {
	return map[string]Value{"epoch": Value(epoch), "rate": 0.1, "train_loss": Value(loss), "train_acc": Value(acc), "val_loss": Value(math.NaN()), "val_acc": Value(acc - 0.1), "rate_images": 100}
}

// engine runs networks with weights that are drawn.
func engine() *Engine {
	return &Engine{
		Compile: cpu.Compile,
		Fill: func(g *ir.Graph) (bool, error) {
			g.Heads = nil
			ir.Rewrite(g, "drop-heads").Sweep()
			ir.Materialize(g, 1)
			return true, nil
		},
		Stamp:      func() string { return "" },
		Classifier: func(*ir.Graph) ([]string, error) { return []string{"a note"}, nil },
		Top: func(_ *ir.Graph, scores []float32, k int) (list []Class, err error) {
			for i, v := range scores {
				list = append(list, Class{Class: i, Score: Value(v)})
			}
			slices.SortStableFunc(list, func(a, b Class) int { return cmp.Compare(b.Score, a.Score) })
			return list[:min(k, len(list))], nil
		},
	}
}

func noDetails(run int) (*Details, error) {
	if run > 1 {
		return nil, fmt.Errorf("there is no run %d", run)
	}
	return &Details{}, nil
}

// TestBrowser drives the page in a real browser: every tab, a change of the text, an error in
// it, a run in progress, and names that would be markup.
func TestBrowser(t *testing.T) {
	b := chromium(t)
	const hostile = `<script>document.title="hacked"</script><img src=x onerror="document.title='hacked'">`
	text := &editable{text: builtin(t, "googlenet")}
	var mu sync.Mutex
	runs := []Run{{Name: "first " + hostile, State: "running", Facts: [][2]string{}, Rows: []map[string]Value{row(1, 2, 0.3), row(2, 1, 0.6)}}}
	url := serve(t, Source{Title: "net " + hostile, Text: text.get, Load: load, Engine: engine(), Details: noDetails, Runs: func() ([]Run, error) {
		mu.Lock()
		defer mu.Unlock()
		return append([]Run(nil), runs...), nil
	}})
	b.open(url)
	b.wait(`document.querySelectorAll("#drawing rect[data-path]").length > 90`)
	b.wait(`document.getElementById("live").textContent === "live"`)
	b.screenshot("network")
	// A click on a box marks its line; a click on a line marks its boxes.
	b.eval(`[...document.querySelectorAll("#drawing rect")].find(r => r.dataset.path === "4b/inception/b3/conv_3x3").dispatchEvent(new MouseEvent("click", {bubbles: true}))`)
	b.wait(`document.querySelector(".row.on").innerText.includes("4b: inception")`)
	if got := b.eval(`document.getElementById("facts").innerText.replace(/\s+/g, " ")`); !strings.Contains(got, "4b/inception/b3/conv_3x3 output 224x14x14 parameters 226,016 MACs 44,255,232") {
		t.Errorf("facts of a box: %s", got)
	}
	b.eval(`[...document.querySelectorAll(".row")].find(r => r.innerText.includes("5a: inception")).click()`)
	if n := b.eval(`document.querySelectorAll("rect.hit").length`); n != "8" {
		t.Errorf("the line of 5a marks %s boxes, want 8", n)
	}
	if got := b.eval(`document.getElementById("facts").innerText.replace(/\s+/g, " ")`); !strings.Contains(got, "line 24 output 832x7x7") || !strings.Contains(got, "parameters 1,043,456") {
		t.Errorf("facts of a line: %s", got)
	}
	b.eval(`(() => { const s = document.getElementById("search"); s.value = "3b"; s.dispatchEvent(new Event("input")); })()`)
	if n := b.eval(`document.querySelectorAll("#drawing rect:not(.faint):not(.frame)[data-path]").length`); n != "9" {
		t.Errorf("a search for 3b leaves %s boxes, want 9", n)
	}
	b.eval(`(() => { const s = document.getElementById("collapse"); s.value = "1"; s.dispatchEvent(new Event("change")); })()`)
	b.wait(`document.querySelectorAll("#drawing rect[data-path]").length === 12`)
	// Saving the file draws it again; an error shows beside the last drawing.
	text.set(strings.Replace(builtin(t, "googlenet"), "5b: inception", "5bb: inception", 1))
	b.wait(`[...document.querySelectorAll("#drawing rect[data-path]")].some(r => r.dataset.path === "5bb")`)
	text.set(strings.Replace(builtin(t, "googlenet"), "act=relu", "act=rellu", 1))
	b.wait(`document.getElementById("problems").innerText.includes("rellu") && document.querySelectorAll("#drawing rect[data-path]").length === 12`)
	text.set(builtin(t, "mnist/inception_v1"))
	b.wait(`document.getElementById("problems").innerText === "" && [...document.querySelectorAll("#drawing rect[data-path]")].some(r => r.dataset.path === "c2")`)
	// The passes.
	b.eval(`document.getElementById("tab-passes").click()`)
	b.eval(`[...document.querySelectorAll("#stages tbody tr")].find(r => r.innerText.includes("merge-siblings")).click()`)
	b.wait(`document.querySelectorAll("#after rect.mark").length > 0 && document.getElementById("stage").innerText.includes("joins parallel 1x1")`)
	b.wait(`[...document.querySelectorAll("#stages tbody tr")].every(r => Number(r.cells[6].textContent) > 0)`)
	b.screenshot("passes")
	browsePlan(t, b)
	browseTry(t, b)
	// A run goes on while the page is open.
	b.eval(`document.getElementById("tab-runs").click()`)
	b.wait(`document.querySelectorAll("#charts canvas").length === 4 && document.querySelector("#table tbody").innerText.includes("running")`)
	mu.Lock()
	runs[0].Rows = append(runs[0].Rows, row(3, 0.5, 0.8))
	runs[0].State, runs[0].Best = "finished", 3
	runs = append(runs, Run{Name: "second", State: "stopped", Facts: [][2]string{{"seed", "1"}}, Rows: []map[string]Value{row(1, 3, 0.2)}})
	mu.Unlock()
	b.wait(`document.querySelectorAll("#table tbody tr").length === 2 && document.querySelector("#table tbody").innerText.includes("finished")`)
	b.screenshot("runs")
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true}, nil)
	b.eval(`document.getElementById("tab-network").click()`)
	if w := b.eval(`document.documentElement.scrollWidth`); w != "320" {
		t.Errorf("the page is %s pixels wide on a screen of 320", w)
	}
	b.screenshot("narrow")
	if title := b.eval(`document.title`); title == "hacked" || !strings.Contains(title, "<script>") {
		t.Errorf("the title is %q", title)
	}
	b.quiet(url)
}

// browsePlan looks at the plan of mnist/inception_v1: a step marks its boxes, its line and its
// memory; a measurement.
func browsePlan(t *testing.T, b *browser) {
	t.Helper()
	b.eval(`(() => { const s = document.getElementById("collapse"); s.value = "0"; s.dispatchEvent(new Event("change")); })()`)
	b.wait(`document.querySelectorAll("#drawing rect[data-path]").length > 20`)
	b.eval(`document.getElementById("tab-plan").click()`)
	b.wait(`document.querySelectorAll("#steps tbody tr").length > 5 && document.getElementById("plan-note").innerText.includes("predicted")`)
	b.eval(`[...document.querySelectorAll("#steps tbody tr")].find(r => r.innerText.includes("c2/inception/b1/conv_1x1/relu")).click()`)
	b.wait(`document.querySelectorAll("#plan-drawing rect.hit").length === 3 && document.getElementById("plan-lines").innerText.includes("c2:")`)
	if n := b.eval(`document.querySelectorAll("#memory rect.hit").length`); n == "0" {
		t.Error("a step marks no memory")
	}
	b.eval(`document.getElementById("measure").click()`)
	b.wait(`document.getElementById("plan-note").innerText.includes("measured") && document.querySelector("#steps thead").innerText.includes("of peak")`)
	b.screenshot("plan")
}

// browseTry drops a picture on the page.
func browseTry(t *testing.T, b *browser) {
	t.Helper()
	b.eval(`document.getElementById("tab-try").click()`)
	b.eval(dropped(t, digit(28, 28)))
	b.wait(`document.querySelectorAll("#top tbody tr").length === 5 && document.querySelectorAll("#maps canvas").length > 0`)
	if note := b.eval(`document.getElementById("try-note").innerText`); !strings.Contains(note, "drawn at random") || !strings.Contains(note, "a note") {
		t.Errorf("note: %s", note)
	}
	b.eval(`(() => { const s = document.getElementById("at"); s.selectedIndex = [...s.options].findIndex(o => o.text.startsWith("c2 ")); s.dispatchEvent(new Event("change")); })()`)
	b.wait(`document.getElementById("maps-note").innerText.includes(document.getElementById("at").selectedOptions[0].text.match(/\((.*)\)/)[1])`)
	b.screenshot("try")
}

// hostileNames returns n names that would be scripts, markup, or what confuses a reader if a
// page took them for anything but text.
func hostileNames(n int) []string {
	kinds := []string{
		`<script>document.title="hacked"</script>`, `<img src=x onerror="document.title='hacked'">`, `"><svg onload=document.title='hacked'>`,
		`' onmouseover='document.title="hacked"' x='`, `</title></style></textarea><script>document.title="hacked"</script>`, `javascript:document.title="hacked"`,
		"]]><script>document.title='hacked'</script>", "${document.title='hacked'}", "{{document.title='hacked'}}", "`;document.title='hacked';`",
		"\u202e" + `gpj.<script>`, "\u2066a\u2069\u200f", `&lt;script&gt;document.title="hacked"&lt;/script&gt;`, `--><script>document.title="hacked"</script><!--`,
		"a\u0000b", `%3Cscript%3E`, `\"});document.title="hacked";({"`, "__proto__", "constructor", "😀" + strings.Repeat("𝄞", 40),
	}
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s %d", kinds[i%len(kinds)], i)
	}
	return list
}

// TestHostileNames shows 100 hostile names wherever the page shows a name: of layers, labels,
// runs, facts and classes. None is a script, and all are read as they are.
func TestHostileNames(t *testing.T) {
	b := chromium(t)
	names := hostileNames(100)
	text := builtin(t, "mnist/inception_v1")
	src := Source{Title: names[0], Text: func() ([]byte, error) { return []byte(text + "\n# " + strings.Join(names, "\n# ")), nil }}
	src.Load = func([]byte) (*ir.Graph, diag.List) {
		g, l := load([]byte(text))
		i := 0
		g.EachValue(func(v *ir.Value) {
			if v.Param == nil && v.Def != nil {
				v.Name = "c1/" + names[i%len(names)] + fmt.Sprint(i)
				i++
			}
		})
		g.Name = names[1]
		return g, l
	}
	src.Engine = engine()
	src.Engine.Top = func(*ir.Graph, []float32, int) (list []Class, err error) {
		for i, n := range names {
			list = append(list, Class{Class: i, Label: n})
		}
		return list, nil
	}
	src.Engine.Classifier = func(*ir.Graph) ([]string, error) { return names, nil }
	src.Details = func(run int) (*Details, error) {
		return &Details{Filters: NewFilters(names[run], ir.Shape{2, 1, 1, 2}, []float32{1, 2, 3, 4})}, nil
	}
	src.Runs = func() (list []Run, err error) {
		for i, n := range names {
			list = append(list, Run{Name: n, State: "finished", Facts: [][2]string{{names[i%7], n}}, Rows: []map[string]Value{row(1, 2, 0.5)}})
		}
		return list, nil
	}
	url := serve(t, src)
	b.open(url)
	b.wait(`document.querySelectorAll("#drawing rect[data-path]").length > 5 && document.getElementById("text").innerText.includes("onerror")`)
	for _, tab := range []string{"passes", "plan", "runs", "try"} {
		b.eval(`document.getElementById("tab-` + tab + `").click()`)
		b.wait(map[string]string{"passes": `document.querySelectorAll("#stages tbody tr").length > 3`, "plan": `document.querySelectorAll("#steps tbody tr").length > 3`,
			"runs": `document.querySelectorAll("#table tbody tr").length === 100 && document.querySelectorAll("#details section").length === 100`, "try": `document.querySelectorAll("#at option").length > 3`}[tab])
		b.eval(`for (const r of document.querySelectorAll("#stages tbody tr:last-child, #steps tbody tr:nth-child(5)")) r.click()`)
	}
	b.eval(dropped(t, digit(28, 28)))
	b.wait(`document.querySelectorAll("#top tbody tr").length === 100`)
	if got := b.eval(`[...document.querySelectorAll("#top tbody tr")].map(r => r.cells[0].textContent).join("\u0001")`); got != strings.Join(names, "\x01") {
		t.Errorf("the classes are not shown as they are: %.500q", got)
	}
	if got := b.eval(`[...document.querySelectorAll("#table tbody tr")].map(r => r.cells[0].textContent).join("\u0001")`); got != strings.Join(names, "\x01") {
		t.Errorf("the runs are not shown as they are: %.500q", got)
	}
	if n := b.eval(`document.querySelectorAll("script").length + document.querySelectorAll("main img, main iframe, main object, [onerror], [onload], [onmouseover]").length`); n != fmt.Sprint(len(pageScripts)) {
		t.Errorf("%s scripts and markups, want the %d of the page", n, len(pageScripts))
	}
	if title := b.eval(`document.title`); title != names[0]+" - incc" {
		t.Errorf("title %q", title)
	}
	b.quiet(url)
	var page bytes.Buffer
	if err := WritePage(t.Context(), &page, src, PageOptions{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, page.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	b.open("file://" + filepath.ToSlash(file))
	b.wait(`document.querySelectorAll("#drawing rect[data-path]").length > 5 && document.getElementById("live").textContent === "a copy"`)
	b.eval(`document.getElementById("tab-runs").click()`)
	b.wait(`document.querySelectorAll("#table tbody tr").length === 100`)
	if n := b.eval(`document.querySelectorAll("script").length`); n != fmt.Sprint(len(pageScripts)+1) || b.eval(`document.title`) != names[0]+" - incc" {
		t.Errorf("the file has %s scripts and the title %q", n, b.eval(`document.title`))
	}
}

// TestKeyboard uses the page without a pointer, and shows every tab on a narrow screen.
func TestKeyboard(t *testing.T) {
	b := chromium(t)
	text := builtin(t, "mnist/inception_v1")
	url := serve(t, Source{Title: "net", Text: func() ([]byte, error) { return []byte(text), nil }, Load: load, Engine: engine(), Details: noDetails,
		Runs: func() ([]Run, error) {
			return []Run{{Name: "a", State: "killed", Facts: [][2]string{}, Rows: []map[string]Value{row(1, 2, 0.5)}}}, nil
		}})
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true}, nil)
	b.open(url)
	b.wait(`document.querySelectorAll("#drawing rect[data-path]").length > 20 && document.getElementById("live").textContent === "live"`)
	press := func(key string) {
		t.Helper()
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": map[string]int{"ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Tab": 9, "Escape": 27}[key]}, nil)
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key}, nil)
	}
	b.eval(`document.getElementById("tab-network").focus()`)
	for _, tab := range []string{"network", "passes", "plan", "try", "runs"} {
		b.wait(`document.activeElement.id === "tab-` + tab + `" && !document.getElementById("` + tab + `").hidden`)
		b.wait(map[string]string{"network": "true", "passes": `document.querySelectorAll("#stages tbody tr").length > 3`, "plan": `document.querySelectorAll("#steps tbody tr").length > 3`,
			"try": `document.querySelectorAll("#at option").length > 3`, "runs": `document.querySelectorAll("#charts canvas").length === 4`}[tab])
		if w := b.eval(`document.documentElement.scrollWidth`); w != "320" {
			t.Errorf("%s is %s pixels wide on a screen of 320", tab, w)
		}
		b.screenshot("narrow-" + tab)
		press("ArrowRight")
	}
	// A step of the plan by the arrow keys.
	b.eval(`document.getElementById("tab-plan").click()`)
	b.wait(`document.querySelectorAll("#steps tbody tr").length > 3`)
	b.eval(`document.querySelector("#steps tbody tr").focus()`)
	press("ArrowDown")
	b.wait(`document.querySelectorAll("#steps tr.on").length === 1 && document.querySelectorAll("#steps tbody tr")[1].classList.contains("on") && document.activeElement === document.querySelectorAll("#steps tbody tr")[1]`)
	// A line of the text.
	b.eval(`document.getElementById("tab-network").click()`)
	b.eval(`document.getElementById("text").focus()`)
	press("ArrowDown")
	b.wait(`document.querySelectorAll("#text .row.on").length === 1`)
	press("Escape")
	b.wait(`document.querySelectorAll("#text .row.on").length === 0`)
	// Tabs by their address: the button back, a new address, and a page that begins with one.
	at := func(tab string) {
		t.Helper()
		b.wait(`location.hash === "#` + tab + `" && document.getElementById("tab-` + tab + `").getAttribute("aria-selected") === "true" && !document.getElementById("` + tab + `").hidden`)
	}
	at("network")
	b.eval(`history.back()`)
	at("plan")
	b.eval(`location.hash = "#runs"`)
	at("runs")
	// Without a pointer, the legend shows the last epoch.
	b.wait(`[...document.querySelectorAll("#charts .u-legend .u-value")].some((e) => e.textContent.includes("50.00 %"))`)
	b.wait(`[...document.querySelectorAll("#charts .u-legend .u-value")].every((e) => e.textContent !== "--")`)
	b.open("about:blank")
	b.open(url + "#passes")
	at("passes")
	b.quiet(url)
}

// TestFile opens the page as one file.
func TestFile(t *testing.T) {
	b := chromium(t)
	file := filepath.Join(t.TempDir(), "page.html")
	var out bytes.Buffer
	text := "net a # </script><script>document.title='hacked'</script>\n" + strings.Join(strings.Split(builtin(t, "inception_resnet_v2"), "\n")[4:], "\n")
	src := Source{Title: "a", Text: func() ([]byte, error) { return []byte(text), nil }, Load: load, Engine: engine(), Details: noDetails,
		Runs: func() ([]Run, error) {
			return []Run{{Name: "r", State: "finished", Facts: [][2]string{}, Rows: []map[string]Value{row(1, 2, 0.3), row(2, 1, 0.4)}}}, nil
		}}
	if err := WritePage(t.Context(), &out, src, PageOptions{}); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 3<<20 {
		t.Errorf("the page has %d bytes", out.Len())
	}
	if err := os.WriteFile(file, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	b.open("file://" + filepath.ToSlash(file))
	b.wait(`document.querySelectorAll("#drawing rect[data-path]").length > 300`)
	b.eval(`document.getElementById("tab-passes").click()`)
	b.eval(`[...document.querySelectorAll("#stages tbody tr")].find(r => r.innerText.includes("fold-bn")).click()`)
	b.wait(`document.querySelectorAll("#after rect[data-path]").length > 300 && document.getElementById("stage").innerText.includes("Removed or replaced") && Number(document.querySelector("#stages tbody tr").cells[6].textContent) > 10`)
	b.eval(`document.getElementById("tab-plan").click()`)
	b.wait(`document.querySelectorAll("#steps tbody tr").length > 150 && document.getElementById("plan-note").innerText.includes("predicted")`)
	b.eval(`document.getElementById("tab-try").click()`)
	b.wait(`document.getElementById("try-note").innerText.includes("incc view")`)
	b.eval(`document.getElementById("tab-runs").click()`)
	b.wait(`document.querySelectorAll("#charts canvas").length === 4`)
	if title := b.eval(`document.title`); title != "a - incc" {
		t.Errorf("title %q", title)
	}
	b.quiet("file://")
}

// digit is a picture of something like a seven.
func digit(w, h int) image.Image {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for y := h / 6; y < h*5/6; y++ {
		for x := w / 5; x < w*4/5; x++ {
			if y < h/6+h/10 || 5*(x-w/4) > 4*(h*5/6-y) && 5*(x-w/4) < 4*(h*5/6-y)+w/2 {
				img.SetGray(x, y, color.Gray{255})
			}
		}
	}
	return img
}

func pngOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// dropped is a script that drops a picture on the page.
func dropped(t *testing.T, img image.Image) string {
	return `(() => {
		const bytes = Uint8Array.from(atob("` + base64.StdEncoding.EncodeToString(pngOf(t, img)) + `"), c => c.charCodeAt(0));
		const data = new DataTransfer();
		data.items.add(new File([bytes], "digit.png", {type: "image/png"}));
		window.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
	})()`
}

func must(t *testing.T, e *editable) *ir.Graph {
	t.Helper()
	b, err := e.get()
	if err != nil {
		t.Fatal(err)
	}
	g, l := load(b)
	if l.HasErrors() {
		t.Fatal(l)
	}
	return g
}

// TestRequests answers the page and nothing else.
func TestRequests(t *testing.T) {
	text := &editable{text: builtin(t, "lenet5")}
	src := Source{Title: "lenet5", Text: text.get, Load: load, Runs: func() ([]Run, error) { return nil, errors.New("a broken run") }, Engine: engine(), Details: noDetails}
	loopback := NewServer(src, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80})
	public := NewServer(src, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80})
	if public.token == "" || len(public.token) < 20 || !strings.Contains(public.URL(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80}), "token="+public.token) {
		t.Errorf("the token is %q", public.token)
	}
	ask := func(s *Server, method, target string, header ...string) *http.Response {
		r := httptest.NewRequest(method, target, nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Result()
	}
	for _, c := range []struct {
		s              *Server
		method, target string
		header         []string
		code           int
	}{
		{loopback, "GET", "http://127.0.0.1:80/", nil, 200},
		{loopback, "GET", "http://localhost:80/draw.css", nil, 200},
		{loopback, "GET", "http://evil.example:80/", nil, 403},
		{loopback, "GET", "http://127.0.0.1:81/", nil, 403},
		{loopback, "GET", "http://127.0.0.1:80/api/network", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{loopback, "GET", "http://127.0.0.1:80/api/network", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{loopback, "GET", "http://127.0.0.1:80/api/network?colour=red", nil, 400},
		{loopback, "GET", "http://127.0.0.1:80/api/network?stage=999&collapse=99999&direction=up", nil, 200},
		{loopback, "GET", "http://127.0.0.1:80/api/runs", nil, 500},
		{loopback, "GET", "http://127.0.0.1:80/api/details?run=7", nil, 500},
		{loopback, "GET", "http://127.0.0.1:80/api/details", nil, 400},
		{loopback, "POST", "http://127.0.0.1:80/api/mistakes?run=0", nil, 404},
		{loopback, "GET", "http://127.0.0.1:80/api/plan", nil, 200},
		{loopback, "POST", "http://127.0.0.1:80/api/plan", []string{"Origin", "http://evil.example"}, 403},
		{loopback, "POST", "http://127.0.0.1:80/api/try", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{loopback, "GET", "http://127.0.0.1:80/api/try", nil, 405},
		{loopback, "POST", "http://127.0.0.1:80/api/try?top=0", nil, 400},
		{loopback, "POST", "http://127.0.0.1:80/api/try", nil, 500},
		{loopback, "POST", "http://127.0.0.1:80/api/network", nil, 405},
		{loopback, "GET", "http://127.0.0.1:80/uPlot.LICENSE", nil, 404},
		{loopback, "GET", "http://127.0.0.1:80/..%2fview.go", nil, 404},
		{public, "GET", "http://10.0.0.1:80/", nil, 403},
		{public, "GET", "http://10.0.0.1:80/?token=wrong", nil, 403},
		{public, "GET", "http://10.0.0.1:80/?token=" + public.token, nil, 200},
		{public, "GET", "http://10.0.0.1:80/app.js", []string{"Cookie", cookie + "=" + public.token}, 200},
	} {
		r := ask(c.s, c.method, c.target, c.header...)
		if r.StatusCode != c.code {
			t.Errorf("%s %s %q: %d, want %d", c.method, c.target, c.header, r.StatusCode, c.code)
		}
		if p := r.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy %q", c.target, p)
		}
	}
	b, err := io.ReadAll(ask(loopback, "GET", "http://127.0.0.1:80/api/network?stage=4").Body)
	if err != nil {
		t.Fatal(err)
	}
	var n Network
	if err := json.Unmarshal(b, &n); err != nil || len(n.Stages) < 5 || n.SVG == "" || strings.Contains(n.SVG, "<style") || n.Stages[0].Params != ir.Summarize(must(t, text)).Params {
		t.Errorf("network: %v, %d stages", err, len(n.Stages))
	}
}
