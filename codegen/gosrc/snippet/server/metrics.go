// This file counts what the server does, and prints the numbers in the text format that
// Prometheus reads: https://prometheus.io/docs/instrumenting/exposition_formats/

package server

import (
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// counters are what the server has done since its start.
type counters struct {
	mu       sync.Mutex
	start    time.Time
	requests map[int]int64 // requests to classify, by the status of the answer
	bad      int64         // pictures in forms that could not be classified
	took     histogram     // seconds from the header of a request to its answer
	waited   histogram     // seconds that an image waited for its batch
	images   histogram     // images of a batch
	computed histogram     // seconds that a batch took
}

// histogram counts numbers by their size.
type histogram struct {
	bounds []float64 // upper bounds of the buckets, ascending; the last bucket has none
	counts []int64
	sum    float64
}

func (h *histogram) observe(x float64) {
	i, _ := slices.BinarySearch(h.bounds, x)
	h.counts[i]++
	h.sum += x
}

func newHistogram(bounds ...float64) histogram {
	return histogram{bounds: bounds, counts: make([]int64, len(bounds)+1)}
}

// newCounters returns counters for batches of up to most images.
func newCounters(most int) *counters {
	seconds := []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	sizes := []float64{1}
	for n := 2; n < most; n *= 2 {
		sizes = append(sizes, float64(n))
	}
	if most > 1 {
		sizes = append(sizes, float64(most))
	}
	return &counters{start: time.Now(), requests: map[int]int64{}, took: newHistogram(seconds...), waited: newHistogram(seconds...),
		images: newHistogram(sizes...), computed: newHistogram(seconds...)}
}

// request counts a request to classify.
func (c *counters) request(code int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[code]++
	c.took.observe(took.Seconds())
}

// badPicture counts a picture in a form that cannot be classified. The request may be answered
// with 200 nevertheless, because other pictures of the form have classes.
func (c *counters) badPicture() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad++
}

// batch counts a batch, with the time that each of its images waited for it.
func (c *counters) batch(waited []time.Duration, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range waited {
		c.waited.observe(d.Seconds())
	}
	c.images.observe(float64(len(waited)))
	c.computed.observe(took.Seconds())
}

// printMetrics answers GET /metrics.
func (s *server) printMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var t metricsText
	c := s.counters
	c.mu.Lock()
	t.family("incc_requests_total", "counter", "Requests to classify a picture, by the status of the answer.")
	for _, code := range slices.Sorted(maps.Keys(c.requests)) {
		t.sample("incc_requests_total", float64(c.requests[code]), "code", strconv.Itoa(code))
	}
	t.family("incc_form_pictures_refused_total", "counter", "Pictures in forms that could not be classified; their requests may count as 200.")
	t.sample("incc_form_pictures_refused_total", float64(c.bad))
	t.histogram("incc_request_seconds", "Time from the header of a request to its answer.", &c.took)
	t.histogram("incc_wait_seconds", "Time that a decoded picture waited for its batch.", &c.waited)
	t.histogram("incc_batch_images", "Pictures that were computed together.", &c.images)
	t.histogram("incc_batch_seconds", "Time to compute a batch.", &c.computed)
	c.mu.Unlock()
	t.gauge("incc_open_requests", "Requests without an answer yet.", float64(s.open.Load()))
	t.gauge("incc_queued_images", "Decoded pictures that wait for their batch.", float64(s.batches.waiting()))
	t.gauge("incc_open_connections", "Connections of clients.", float64(len(s.connections)))
	t.family("incc_memory_bytes", "gauge", "Memory that requests use, by what for; -memory limits the sum.")
	t.sample("incc_memory_bytes", float64(s.bodies.used()), "of", "bodies")
	t.sample("incc_memory_bytes", float64(s.pictures.used()), "of", "pictures")
	t.family("incc_network_info", "gauge", "The network that the server runs, and the instruction set of its kernels.")
	t.sample("incc_network_info", 1, "network", s.name, "isa", s.isa)
	t.gauge("process_start_time_seconds", "Start of the program, in seconds since 1970.", float64(c.start.UnixMilli())/1000)
	runtime := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(runtime)
	t.gauge("go_goroutines", "Goroutines of the program.", float64(runtime[0].Value.Uint64()))
	t.gauge("go_memory_total_bytes", "Memory that the Go runtime has mapped.", float64(runtime[1].Value.Uint64()))
	t.gauge("go_memory_heap_objects_bytes", "Memory of objects on the heap, dead ones that are not yet swept included.", float64(runtime[2].Value.Uint64()))
	_, _ = io.WriteString(w, t.String()) // the client may be gone
}

// metricsText is a text in Prometheus' format.
type metricsText struct{ strings.Builder }

func (t *metricsText) family(name, kind, help string) {
	fmt.Fprintf(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample prints a number. labels are names and values in turn.
func (t *metricsText) sample(name string, x float64, labels ...string) {
	t.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		t.WriteByte("{,"[min(i, 1)])
		t.WriteString(labels[i] + `="` + labelEscaper.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")) + `"`)
	}
	if len(labels) > 0 {
		t.WriteByte('}')
	}
	t.WriteString(" " + number(x) + "\n")
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (t *metricsText) gauge(name, help string, x float64) {
	t.family(name, "gauge", help)
	t.sample(name, x)
}

func (t *metricsText) histogram(name, help string, h *histogram) {
	t.family(name, "histogram", help)
	n := int64(0)
	for i, count := range h.counts {
		n += count
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i]
		}
		t.sample(name+"_bucket", float64(n), "le", number(bound))
	}
	t.sample(name+"_sum", h.sum)
	t.sample(name+"_count", float64(n))
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
