package view

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser is a headless Chromium, driven by its DevTools protocol over a pipe.
type browser struct {
	t       testing.TB
	in      io.Writer
	session string
	mu      sync.Mutex
	id      int
	answers map[int]chan json.RawMessage
	// What the page did: requests, and errors on the console.
	requests, errors []string
	// What the browser's trace has: events, and a signal that it is whole.
	trace  []traceEvent
	traced chan bool
}

// traceEvent is an event of the browser's trace. Times are in microseconds.
type traceEvent struct {
	Name string
	Ph   string
	Ts   float64
	Dur  float64
	Tid  int
	Pid  int
}

// chromium starts the browser with an empty page. The test is skipped where there is none.
func chromium(t testing.TB) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	if path == "" {
		t.Skip("there is no Chromium (apt-get install chromium)")
	}
	toR, toW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromR, fromW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "incc-view")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--remote-debugging-pipe", "--window-size=1280,800", "--user-data-dir="+profile, "about:blank")
	cmd.ExtraFiles = []*os.File{toR, fromW}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toR.Close()
	fromW.Close()
	b := &browser{t: t, in: toW, answers: map[int]chan json.RawMessage{}, traced: make(chan bool, 1)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		toW.Close()
		fromR.Close()
		// Its child processes may still write for a moment.
		for range 20 {
			if os.RemoveAll(profile) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	go b.listen(fromR)
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) listen(r io.Reader) {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		raw, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			Result json.RawMessage
			Error  json.RawMessage
		}
		if json.Unmarshal(bytes.TrimSuffix(raw, []byte{0}), &m) != nil {
			continue
		}
		b.mu.Lock()
		switch {
		case m.ID != 0 && m.Error != nil:
			b.errors = append(b.errors, string(m.Error))
			b.answers[m.ID] <- json.RawMessage("{}")
		case m.ID != 0:
			b.answers[m.ID] <- m.Result
		case m.Method == "Network.requestWillBeSent":
			var p struct{ Request struct{ URL string } }
			_ = json.Unmarshal(m.Params, &p)
			b.requests = append(b.requests, p.Request.URL)
		case m.Method == "Tracing.dataCollected":
			var p struct{ Value []traceEvent }
			_ = json.Unmarshal(m.Params, &p)
			b.trace = append(b.trace, p.Value...)
		case m.Method == "Tracing.tracingComplete":
			b.traced <- true
		case m.Method == "Runtime.exceptionThrown", m.Method == "Log.entryAdded":
			b.errors = append(b.errors, string(m.Params))
		}
		b.mu.Unlock()
	}
}

func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.mu.Lock()
	b.id++
	id := b.id
	ch := make(chan json.RawMessage, 1)
	b.answers[id] = ch
	b.mu.Unlock()
	m := map[string]any{"id": id, "method": method}
	if params != nil {
		m["params"] = params
	}
	if b.session != "" {
		m["sessionId"] = b.session
	}
	raw, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(raw, 0)); err != nil {
		b.t.Fatal(err)
	}
	select {
	case raw := <-ch:
		if result != nil {
			if err := json.Unmarshal(raw, result); err != nil {
				b.t.Fatalf("%s: %v in %s", method, err, raw)
			}
		}
	case <-time.After(60 * time.Second):
		b.t.Fatalf("%s: the browser does not answer", method)
	}
}

// open opens an address.
func (b *browser) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
}

// eval evaluates an expression of JavaScript to a string.
func (b *browser) eval(js string) string {
	b.t.Helper()
	var r struct {
		Result struct{ Value any }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true}, &r)
	return fmt.Sprint(r.Result.Value)
}

// wait waits until an expression is true.
func (b *browser) wait(js string) {
	b.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(30 * time.Millisecond) {
		if b.eval("Boolean("+js+")") == "true" {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s does not become true; errors: %v; page: %.2000s", js, b.errors, b.eval("document.body.innerText"))
		}
	}
}

// screenshot returns a picture of the page, and keeps it where INCC_SCREENSHOTS names a folder.
func (b *browser) screenshot(name string) []byte {
	b.t.Helper()
	var r struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	raw, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if c, err := png.DecodeConfig(bytes.NewReader(raw)); err != nil || c.Width == 0 {
		b.t.Fatalf("screenshot: %v", err)
	}
	if dir := os.Getenv("INCC_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(dir+"/"+name+".png", raw, 0o666); err != nil {
			b.t.Fatal(err)
		}
	}
	return raw
}

// quiet checks that the page had no error and asked for nothing but its own server.
func (b *browser) quiet(own string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.errors {
		b.t.Errorf("error on the console: %.500s", e)
	}
	for _, u := range b.requests {
		if !strings.HasPrefix(u, own) && !strings.HasPrefix(u, "about:") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "file:") {
			b.t.Errorf("the page asks for %s", u)
		}
	}
}
