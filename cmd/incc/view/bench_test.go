package view

import (
	"slices"
	"strconv"
	"testing"
)

// BenchmarkPage measures, by the browser's own clock and trace, how long it takes until
// Inception-ResNet v2 is painted, and the work of the page's thread for each frame while the
// drawing is moved and zoomed. Frames have 16 ms.
func BenchmarkPage(b *testing.B) {
	page := chromium(b)
	text := []byte(builtin(b, "inception_resnet_v2"))
	src := Source{Title: "inception_resnet_v2", Text: func() ([]byte, error) { return text, nil }, Load: load, Engine: engine()}
	var paints, works, intervals []float64
	for b.Loop() {
		url := serve(b, src)
		page.open("about:blank")
		page.open(url)
		page.wait(`document.querySelectorAll("#drawing rect[data-path]").length > 300`)
		ms, err := strconv.ParseFloat(page.eval(`new Promise(done => {
			const look = () => {
				const e = performance.getEntriesByName("drawn")[0];
				if (e) done(e.startTime); else setTimeout(look, 20);
			};
			look();
		})`), 64)
		if err != nil {
			b.Fatal(err)
		}
		paints = append(paints, ms)
		w, i := frames(b, page)
		works, intervals = append(works, w...), append(intervals, i...)
	}
	b.ReportMetric(quantile(paints, 0.5), "ms/paint")
	b.ReportMetric(quantile(works, 0.5), "ms/frame-median")
	b.ReportMetric(quantile(works, 0.95), "ms/frame-p95")
	b.ReportMetric(quantile(intervals, 0.5), "ms/interval-median")
	b.ReportMetric(quantile(intervals, 0.95), "ms/interval-p95")
	b.ReportMetric(0, "ns/op")
}

// frames moves and zooms the drawing and returns, for each frame of the trace, the work of the
// busiest thread of the page and the time since the frame before, in ms.
func frames(b *testing.B, page *browser) (works, intervals []float64) {
	b.Helper()
	page.mu.Lock()
	page.trace = nil
	page.mu.Unlock()
	page.call("Tracing.start", map[string]any{"transferMode": "ReportEvents", "traceConfig": map[string]any{"includedCategories": []string{"devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"}}}, nil)
	page.eval(`new Promise(done => {
		const host = document.getElementById("drawing");
		let n = 0;
		const step = () => {
			if (n++ >= 90) return done();
			const box = host.getBoundingClientRect();
			host.dispatchEvent(new WheelEvent("wheel", { deltaY: n < 45 ? 40 : n % 2 ? 12 : -14, ctrlKey: n >= 45, clientX: box.left + 300, clientY: box.top + 200, cancelable: true, bubbles: true }));
			requestAnimationFrame(step);
		};
		requestAnimationFrame(step);
	})`)
	page.call("Tracing.end", nil, nil)
	<-page.traced
	page.mu.Lock()
	defer page.mu.Unlock()
	return frameTimes(page.trace)
}

// frameTimes returns the work of the page's thread between frames, and the times between
// frames, in ms. The thread of the page is the one with the animation frames.
func frameTimes(trace []traceEvent) (works, intervals []float64) {
	type thread struct{ pid, tid int }
	var starts []float64
	var page thread
	for _, e := range trace {
		if e.Name == "FireAnimationFrame" {
			page = thread{e.Pid, e.Tid}
			starts = append(starts, e.Ts)
		}
	}
	slices.Sort(starts)
	for i := 1; i < len(starts); i++ {
		work := 0.0
		for _, e := range trace {
			if (thread{e.Pid, e.Tid}) == page && e.Name == "RunTask" && e.Ts+e.Dur > starts[i-1] && e.Ts < starts[i] {
				work += min(e.Ts+e.Dur, starts[i]) - max(e.Ts, starts[i-1])
			}
		}
		works, intervals = append(works, work/1e3), append(intervals, (starts[i]-starts[i-1])/1e3)
	}
	return works, intervals
}

func quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Clone(x)
	slices.Sort(x)
	return x[int(q*float64(len(x)-1)+0.5)]
}
