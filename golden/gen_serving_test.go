package golden

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// servingLoad is what clients measured of a server in one turn.
type servingLoad struct {
	rate     float64         // requests a second
	answered []time.Duration // of each request, ascending
}

// loadServer has clients post a picture to a server again and again for a time.
func loadServer(tb testing.TB, url string, picture []byte, clients int, turn time.Duration) servingLoad {
	tb.Helper()
	times := make([][]time.Duration, clients)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for time.Since(begin) < turn {
				at := time.Now()
				resp, err := client.Post(url, "", bytes.NewReader(picture))
				if err != nil {
					tb.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK {
					tb.Errorf("status %d, %v", resp.StatusCode, err)
					return
				}
				times[i] = append(times[i], time.Since(at))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(times...)
	slices.Sort(all)
	if len(all) == 0 {
		tb.Fatal("no request is answered")
	}
	return servingLoad{float64(len(all)) / time.Since(begin).Seconds(), all}
}

// postForm uploads pictures in a form and compares the classes with those wanted. The url asks
// for two of them.
func postForm(t *testing.T, url string, want map[string][]prediction, names ...string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, name := range names {
		w, err := form.CreateFormFile("picture", name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url, form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got []struct {
		Picture string
		Top     []prediction
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got) != len(names) {
		t.Fatalf("status %d, %v, %v", resp.StatusCode, got, err)
	}
	for i, name := range names {
		if got[i].Picture != filepath.Base(name) || len(got[i].Top) != 2 {
			t.Errorf("the answer for %s is %+v", name, got[i])
			continue
		}
		for k, p := range got[i].Top {
			if w := want[name][k]; p.Class != w.Class || p.Label != w.Label || float32(p.Score) != float32(w.Score) {
				t.Errorf("in a form %s is %+v, incc predict says %+v", filepath.Base(name), p, w)
			}
		}
	}
}

// serveForever starts a generated program as a server until the benchmark ends.
func serveForever(b *testing.B, program string, args ...string) (url string) {
	b.Helper()
	cmd := exec.Command(program, append([]string{"-http", "127.0.0.1:0"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
}

// BenchmarkServing measures what dynamic batching is worth: 32 clients post pictures to two
// servers in turns, of which one computes each picture alone (-batch 1). It reports the medians
// of the turns: requests a second of both, their ratio, and the time in which 99 % of the
// requests are answered.
//
//	go test ./golden -run '^$' -bench Serving -benchtime 10x
func BenchmarkServing(b *testing.B) {
	exe, err := inccCommand()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	do := func(name string, args ...string) {
		b.Helper()
		if out, err := moduleCommand(dir, nil, name, args...).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/user\n\ngo 1.25.0\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		spec, batch string
		size        int
		turn        time.Duration
	}{
		{"mnist/inception_v1", "16", 28, time.Second},
		{"googlenet", "16", 224, 4 * time.Second},
	} {
		b.Run(c.spec, func(b *testing.B) {
			pkg := "net" + c.batch + filepath.Base(c.spec)
			do(exe, "gen", "go", c.spec, "-o", "./"+pkg, "--package", "net", "--main", "--batch", c.batch)
			program := filepath.Join(dir, pkg+".exe")
			do("go", "build", "-o", program, "./"+pkg+"/cmd/net")
			img := image.NewNRGBA(image.Rect(0, 0, c.size, c.size))
			for i := range c.size * c.size {
				img.SetNRGBA(i%c.size, i/c.size, color.NRGBA{uint8(i), uint8(i >> 3), uint8(i >> 6), 255})
			}
			var picture bytes.Buffer
			if err := png.Encode(&picture, img); err != nil {
				b.Fatal(err)
			}
			together, alone := serveForever(b, program), serveForever(b, program, "-batch", "1")
			var rates [2][]float64
			var ratios, late []float64
			for b.Loop() {
				x := loadServer(b, together, picture.Bytes(), 32, c.turn)
				y := loadServer(b, alone, picture.Bytes(), 32, c.turn)
				rates[0], rates[1] = append(rates[0], x.rate), append(rates[1], y.rate)
				ratios = append(ratios, x.rate/y.rate)
				late = append(late, float64(x.answered[len(x.answered)*99/100].Microseconds())/1000)
			}
			median := func(x []float64) float64 {
				slices.Sort(x)
				return x[len(x)/2]
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(rates[0]), "batched/s")
			b.ReportMetric(median(rates[1]), "alone/s")
			b.ReportMetric(median(ratios), "times")
			b.ReportMetric(median(late), "p99-ms")
		})
	}
}
