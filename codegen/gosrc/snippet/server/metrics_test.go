package server

import (
	"bytes"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scrape returns the text of /metrics.
func scrape(t *testing.T, s *server) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/metrics", nil))
	if got := w.Header().Get("Content-Type"); w.Code != 200 || !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Fatalf("status %d, content type %q", w.Code, got)
	}
	return w.Body.String()
}

// TestMetrics checks what is counted, and the form of the text.
func TestMetrics(t *testing.T) {
	n := testNetwork(nil)
	n.batch = 6
	s := testServer(t, n, limits{memory: 64 << 20, queue: 1})
	h := s.handler()
	for _, body := range [][]byte{gray(t, 5), gray(t, 6), []byte("text"), gray(t, 17)} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "http://127.0.0.1/classify", bytes.NewReader(body)))
	}
	form, kind := formOf(t, part{"x", "a", "text"}, part{"x", "b", ""})
	r := httptest.NewRequest("POST", "http://127.0.0.1/classify", bytes.NewReader(form))
	r.Header.Set("Content-Type", kind)
	h.ServeHTTP(httptest.NewRecorder(), r)
	s.counters.batch([]time.Duration{3 * time.Millisecond, time.Second}, 2*time.Hour)
	text := scrape(t, s)
	for _, want := range []string{
		`incc_form_pictures_refused_total 2`, `incc_requests_total{code="200"} 3`, `incc_requests_total{code="400"} 1`, `incc_requests_total{code="500"} 1`,
		`incc_request_seconds_count 5`, `incc_batch_images_bucket{le="1"} 3`, `incc_batch_images_bucket{le="2"} 4`, `incc_batch_images_bucket{le="6"} 4`,
		`incc_batch_images_sum 5`, `incc_batch_seconds_bucket{le="10"} 3`, `incc_batch_seconds_bucket{le="+Inf"} 4`, `incc_wait_seconds_count 5`,
		`incc_open_requests 1`, `incc_queued_images 0`, `incc_memory_bytes{of="pictures"} 0`, `incc_network_info{network="a\"b\\c",isa="none"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s in\n%s", want, text)
		}
	}
	checkExposition(t, text)
}

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)$`)

// checkExposition checks the grammar of a text in Prometheus' format, and that buckets ascend.
func checkExposition(t *testing.T, text string) {
	t.Helper()
	family, last := "", 0.0
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			family, _, _ = strings.Cut(rest, " ")
			last = 0
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil || !strings.HasPrefix(m[1], family) {
			t.Fatalf("a line of family %q: %q", family, line)
		}
		x, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if strings.HasSuffix(m[1], "_bucket") {
			if x < last {
				t.Errorf("a bucket holds less than the one before: %q", line)
			}
			last = x
		}
	}
}

// TestMetricsInPython has the Python client of Prometheus read the text.
func TestMetricsInPython(t *testing.T) {
	const program = `import sys
from prometheus_client.parser import text_string_to_metric_families
for f in text_string_to_metric_families(sys.stdin.read()):
    for s in f.samples:
        print(s.name, sorted(s.labels.items()), s.value)`
	if exec.Command("python3", "-c", "import prometheus_client").Run() != nil {
		t.Skip("python3 has no prometheus_client: pip install prometheus-client")
	}
	s := testServer(t, testNetwork(nil), limits{memory: 64 << 20, queue: 1})
	cmd := exec.Command("python3", "-c", program)
	cmd.Stdin = strings.NewReader(scrape(t, s))
	out, err := cmd.CombinedOutput()
	if want := `incc_network_info [('isa', 'none'), ('network', 'a"b\\c')] 1`; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v\n%s", err, out)
	}
}
