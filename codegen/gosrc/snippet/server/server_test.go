package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// testNetwork returns a network that answers with the width of a picture, as soon as the test
// lets it.
func testNetwork(may <-chan struct{}) network {
	return network{
		name: `a"b\c`, isa: "none", imageLen: 4, classes: 1, batch: 1, parallel: 1, session: 1 << 20,
		preprocess: func(dst []float32, img image.Image) error {
			if img.Bounds().Dx() == 13 {
				return errors.New("an unlucky picture")
			}
			dst[0] = float32(img.Bounds().Dx())
			return nil
		},
		infer: func(scores, images []float32) error {
			if may != nil {
				<-may
			}
			for i := range scores {
				scores[i] = images[4*i]
				if scores[i] == 17 {
					return errors.New("a broken network")
				}
			}
			return nil
		},
		answer: func(scores []float32, k int) any { return scores[0] + 1000*float32(k) },
	}
}

// testServer returns a server that ends with the test.
func testServer(t testing.TB, n network, l limits) *server {
	t.Helper()
	if l.batch == 0 {
		l.batch = n.batch
	}
	s := newServer(n, l)
	t.Cleanup(s.close)
	return s
}

// checkIdle checks that no request holds anything of the server.
func checkIdle(t testing.TB, s *server, when string) {
	t.Helper()
	for _, b := range []*budget{s.bodies, s.places, s.largePlaces, s.turns, s.largeTurns, s.pictures} {
		if !b.idle() {
			t.Fatalf("%s: a budget is not free at the end", when)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open.Load() != 0 || len(s.reading) > 0 || s.batches.waiting() > 0 {
		t.Fatalf("%s: requests are open at the end", when)
	}
}

func gray(t testing.TB, w int) []byte { return pngOf(t, image.NewGray(image.Rect(0, 0, w, 3))) }

// TestAnswers checks the status for each kind of request, and that all budgets are free at
// the end.
func TestAnswers(t *testing.T) {
	s := testServer(t, testNetwork(nil), limits{memory: 16 << 20, queue: 1})
	h := s.handler()
	for name, c := range map[string]struct {
		method, path string
		body         io.Reader
		want         int
	}{
		"a picture":               {"POST", "/classify", bytes.NewReader(gray(t, 7)), 200},
		"of unknown length":       {"POST", "/classify", io.MultiReader(bytes.NewReader(gray(t, 7))), 200},
		"large, unknown length":   {"POST", "/classify", io.MultiReader(bytes.NewReader(gray(t, 7)), bytes.NewReader(make([]byte, 3<<20))), 200},
		"GET":                     {"GET", "/classify", nil, 405},
		"elsewhere":               {"POST", "/other", nil, 404},
		"nothing":                 {"POST", "/classify", nil, 400},
		"text":                    {"POST", "/classify", strings.NewReader("text"), 400},
		"does not fit":            {"POST", "/classify", bytes.NewReader(gray(t, 13)), 400},
		"a large body":            {"POST", "/classify", bytes.NewReader(make([]byte, 4<<20+1)), 413},
		"one of unknown length":   {"POST", "/classify", io.MultiReader(bytes.NewReader(make([]byte, 4<<20+1))), 413},
		"more memory than all":    {"POST", "/classify", bytes.NewReader(pngHead(2000, 2000)), 413},
		"too many pixels":         {"POST", "/classify", bytes.NewReader(pngHead(1<<13, 1<<12)), 400},
		"a body that breaks off":  {"POST", "/classify", io.MultiReader(bytes.NewReader(gray(t, 7)), brokenReader{}), 400},
		"an error in the network": {"POST", "/classify", bytes.NewReader(gray(t, 17)), 500},
		"a probe of life":         {"GET", "/healthz", nil, 200},
		"a probe with HEAD":       {"HEAD", "/readyz", nil, 200},
		"a POST to a probe":       {"POST", "/readyz", nil, 404},
		"metrics":                 {"GET", "/metrics", nil, 200},
	} {
		r := httptest.NewRequest(c.method, "http://127.0.0.1:80"+c.path, c.body)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
		checkIdle(t, s, name)
	}
	// Other requests hold the memory that a large body needs.
	if !s.bodies.try(s.bodies.total) {
		t.Fatal("the memory of bodies is not free")
	}
	r := httptest.NewRequest("POST", "http://127.0.0.1/classify", bytes.NewReader(make([]byte, 3<<20)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("without memory for the body: status %d, %v", w.Code, w.Header())
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken off") }

// TestQueue checks that no more requests than the limits allow are computed and wait. A further
// request gets status 503 at once.
func TestQueue(t *testing.T) {
	may := make(chan struct{})
	n := testNetwork(may)
	n.batch = 2
	s := testServer(t, n, limits{memory: 64 << 20, queue: 3})
	h := s.handler()
	most := int(s.turns.total) + 2 + 3 // decoded, computed, waiting
	codes := make(chan int, most+1)
	small := gray(t, 7)
	ask := func(picture []byte) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "http://localhost/classify", bytes.NewReader(picture)))
		return w
	}
	for range most {
		go func() { codes <- ask(small).Code }()
	}
	for s.places.used() < int64(most) {
		time.Sleep(time.Millisecond)
	}
	if w := ask(small); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("one too many: status %d, %v", w.Code, w.Header())
	}
	// Large pictures have a queue of their own. A client that closes the connection leaves it.
	large := pngFile(2000, 1500, 8, 0, 0)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "http://localhost/classify", bytes.NewReader(large)).WithContext(ctx))
		gone <- w.Code
	}()
	for s.largePlaces.idle() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if code := <-gone; code != 503 {
		t.Errorf("a client that has gone: status %d", code)
	}
	go func() { codes <- ask(large).Code }()
	for s.largePlaces.idle() {
		time.Sleep(time.Millisecond)
	}
	close(may)
	for range most + 1 {
		if code := <-codes; code != 200 {
			t.Errorf("status %d", code)
		}
	}
	checkIdle(t, s, "the queue")
}

// TestStop checks that a server that stops answers all requests that it has, including those
// that are being read or wait, and requests that come on existing connections.
func TestStop(t *testing.T) {
	may := make(chan struct{})
	n := testNetwork(may)
	n.batch = 4
	s := testServer(t, n, limits{memory: 64 << 20, queue: 100, wait: time.Millisecond, drain: 300 * time.Millisecond})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.run(ctx, listener) }()
	picture := gray(t, 7)
	const clients = 20
	var wg sync.WaitGroup
	for range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			resp, err := http.Post("http://"+address+"/classify", "", bytes.NewReader(picture))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "7\n" {
				t.Errorf("%v, %s", err, b)
			}
		}()
	}
	// One client has sent half of a request and will send the rest; another will not.
	half := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /classify HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", address, len(picture), picture[:20])
		return c
	}
	ends, never := half(), half()
	defer ends.Close()
	defer never.Close()
	// Another client has not begun to send.
	late, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	for s.open.Load() < clients+2 {
		time.Sleep(time.Millisecond)
	}
	stop()
	for !s.stopping.Load() {
		time.Sleep(time.Millisecond)
	}
	begin := time.Now()
	for path, want := range map[string]int{"readyz": 503, "healthz": 200} {
		resp, err := http.Get("http://" + address + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || !resp.Close {
			t.Errorf("while the server stops, /%s has status %d, and the connection stays open: %v", path, resp.StatusCode, !resp.Close)
		}
	}
	if _, err := ends.Write(picture[20:]); err != nil {
		t.Error(err)
	}
	fmt.Fprintf(late, "POST /classify HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", address, len(picture), picture)
	close(may)
	wg.Wait()
	for name, c := range map[string]struct {
		conn net.Conn
		want string
	}{"the one that ends": {ends, "HTTP/1.1 200"}, "the one that never does": {never, "HTTP/1.1 408"}, "the late one": {late, "HTTP/1.1 200"}} {
		b, err := io.ReadAll(c.conn)
		if err != nil || !strings.HasPrefix(string(b), c.want) {
			t.Errorf("%s gets %v, %q, want %s", name, err, b, c.want)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d > lastBodyTime+5*time.Second {
		t.Errorf("stopping took %v", d)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the server still accepts connections")
	}
}
