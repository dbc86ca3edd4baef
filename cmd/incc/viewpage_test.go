package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/cmd/incc/view"
)

// pageRun trains a small network in the folder run, stops it and resumes it.
func pageRun(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := writeIDX("idx", 12, 40, 20); err != nil {
		t.Fatal(err)
	}
	const spec = "net small\ninput image 1x12x12 range=0..1\nstem: conv 3x3 6 act=relu -> maxpool 2x2/2\ntop: conv 3x3 8 act=relu -> gap -> fc 10 -> softmax\n" +
		"train { sgd lr=0.1; run batch=8 epochs=1 seed=1 }\n"
	if err := os.WriteFile("small.incc", []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"train", "small.incc", "--data", "idx", "--out", "run"}, {"train", "--resume", "run", "--epochs", "2"}} {
		if code, _, stderr := capture(t, args...); code != exitOK {
			t.Fatalf("%q: %s", args, stderr)
		}
	}
}

var pageJSON = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)

// TestPageOfRun writes a page about a run, and compares it with what other commands and
// files say.
func TestPageOfRun(t *testing.T) {
	pageRun(t)
	if code, _, stderr := capture(t, "view", "run", "-o", "page.html", "--measure", "--mistakes"); code != exitOK {
		t.Fatal(stderr)
	}
	text, err := os.ReadFile("page.html")
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		Network  view.Network
		Plan     view.Plan
		Runs     []view.Run
		Details  []view.Details
		Mistakes []view.Mistakes
	}
	if err := json.Unmarshal(pageJSON.FindSubmatch(text)[1], &page); err != nil {
		t.Fatal(err)
	}
	if !page.Plan.Measured || page.Plan.Steps[0].Measured <= 0 || page.Network.Name != "run" {
		t.Errorf("the plan of %s: %+v", page.Network.Name, page.Plan)
	}
	r := page.Runs[0]
	if len(page.Runs) != 1 || r.State != "finished" || !slices.Equal(r.Resumed, []int{1}) || len(r.Rows) != 2 {
		t.Errorf("runs %+v", page.Runs)
	}
	d := page.Details[0]
	if want, err := os.ReadFile("run/confusion.png"); err != nil || !bytes.Equal(d.Confusion, want) {
		t.Errorf("the confusion matrix has %d bytes, want %d, %v", len(d.Confusion), len(want), err)
	}
	if f := d.Filters; f == nil || f.Name != "stem/conv_3x3/weight" || f.Count != 6 || f.W != 3 || f.Channels != 1 || len(f.Data) != 6*9 || slices.Max(f.Data[:9]) != 255 || slices.Min(f.Data[:9]) != 0 {
		t.Errorf("filters %+v", f)
	}
	code, stdout, stderr := capture(t, "eval", "run", "--json", "--sheet", "wrong.png")
	if code != exitOK {
		t.Fatal(stderr)
	}
	var report struct{ Accuracy float64 }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	m := page.Mistakes[0]
	if want, err := os.ReadFile("wrong.png"); err != nil || !bytes.Equal(m.Sheet, want) {
		t.Errorf("the sheet has %d bytes, want %d, %v", len(m.Sheet), len(want), err)
	}
	if !slices.Contains(m.Facts, [2]string{"accuracy", percent(report.Accuracy)}) {
		t.Errorf("facts %q, want accuracy %s", m.Facts, percent(report.Accuracy))
	}
	if code, _, _ := capture(t, "view", "run", "-o", "page.html"); code != exitOK {
		t.Error(code)
	}
	if text, err = os.ReadFile("page.html"); err != nil || bytes.Contains(text, []byte(`"measured":true`)) {
		t.Errorf("a page without --measure has measured times, %v", err)
	}
	// Of several runs, the first brings the network.
	if err := os.CopyFS("other", os.DirFS("run")); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := capture(t, "view", "run", "other", "-o", "page.html"); code != exitOK {
		t.Fatal(stderr)
	}
	if text, err = os.ReadFile("page.html"); err != nil {
		t.Fatal(err)
	}
	page.Runs = nil
	if err := json.Unmarshal(pageJSON.FindSubmatch(text)[1], &page); err != nil || len(page.Runs) != 2 || page.Network.Name != "run" || len(page.Plan.Steps) == 0 {
		t.Errorf("two runs: %d runs, network %q, %v", len(page.Runs), page.Network.Name, err)
	}
}

// servePage runs incc view and returns the address of the page.
func servePage(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- newApp(strings.NewReader(""), in, io.Discard).RunContext(ctx, append([]string{"incc", "view", "--no-open"}, args...))
		in.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	b := make([]byte, 200)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return regexp.MustCompile(`http://\S+`).FindString(string(b[:n]))
}

// TestPictureOnPage gives the page a picture: its classes are those of incc predict, with the
// weights of the run, and random ones for a spec without weights.
func TestPictureOnPage(t *testing.T) {
	pageRun(t)
	img := image.NewGray(image.Rect(0, 0, 20, 17))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i * 7)
	}
	img.SetGray(3, 3, color.Gray{255})
	var picture bytes.Buffer
	if err := png.Encode(&picture, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("x.png", picture.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := capture(t, "predict", "run", "x.png", "--json", "--top", "3")
	if code != exitOK {
		t.Fatal(stderr)
	}
	var want struct {
		Top []struct {
			Class int
			Score float64
		}
	}
	if err := json.Unmarshal([]byte(stdout), &want); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join("run", bestWeights)
	for _, c := range []struct {
		args  []string
		drawn bool
	}{{[]string{"run"}, false}, {[]string{"--weights", weights, "small.incc"}, false}, {[]string{"--image", "range=0..1", "run/model.onnx"}, false}, {[]string{"small.incc"}, true}} {
		url := servePage(t, c.args...)
		a := post[view.Answer](t, url+"api/try?top=3&at=", picture.Bytes())
		if len(a.Top) != 3 || a.Drawn != c.drawn {
			t.Errorf("%q: %+v", c.args, a)
			continue
		}
		same := true
		for i, x := range a.Top {
			same = same && x.Class == want.Top[i].Class && math.Abs(float64(x.Score)-want.Top[i].Score) < 1e-4
		}
		if same == c.drawn {
			t.Errorf("%q: top %+v, incc predict says %+v", c.args, a.Top, want.Top)
		}
		if p := post[view.Plan](t, url+"api/plan", nil); !p.Measured || len(p.Steps) == 0 {
			t.Errorf("%q: plan %+v", c.args, p)
		}
	}
	// New weights of the run are taken at once; those that do not fit are an error.
	url := servePage(t, "run")
	if err := os.WriteFile(weights, []byte("no weights"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := http.Post(url+"api/try", "image/png", bytes.NewReader(picture.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err != nil || r.StatusCode != 500 || !strings.Contains(string(b), "best.safetensors") {
		t.Errorf("broken weights: %d, %s, %v", r.StatusCode, b, err)
	}
}

// post sends a body and reads the answer.
func post[T any](t *testing.T, url string, body []byte) (v T) {
	t.Helper()
	r, err := http.Post(url, "", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("%s: %d, %s, %v", url, r.StatusCode, b, err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestOneEvaluation: a second evaluation is refused while one goes on, and the page gives up
// after its time.
func TestOneEvaluation(t *testing.T) {
	pageRun(t)
	e := &evaluator{}
	e.mu.Lock()
	if _, err := e.mistakes(t.Context(), "run"); err != errEvaluating {
		t.Errorf("a second evaluation: %v", err)
	}
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := e.mistakes(ctx, "run"); err != nil && !strings.Contains(err.Error(), "incc eval run --sheet") {
		t.Errorf("an evaluation without time: %v", err)
	}
	func() {
		e.mu.Lock() // when it has ended
		defer e.mu.Unlock()
	}()
	if _, err := e.mistakes(t.Context(), "nothing"); err == nil {
		t.Error("a folder without a run is evaluated")
	}
}
