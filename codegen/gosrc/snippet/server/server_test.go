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

// testNetwork returns a network that answers with the sum of a picture's pixels, as soon as
// the test lets it.
func testNetwork(may <-chan struct{}) network {
	return network{
		imageLen: 4,
		preprocess: func(dst []float32, img image.Image) error {
			if img.Bounds().Dx() == 13 {
				return errors.New("an unlucky picture")
			}
			dst[0] = float32(img.Bounds().Dx())
			return nil
		},
		classify: func(x []float32) (any, error) {
			if may != nil {
				<-may
			}
			return x[0], nil
		},
	}
}

func gray(t testing.TB, w int) []byte { return pngOf(t, image.NewGray(image.Rect(0, 0, w, 3))) }

// TestAllowed checks that requests that pages of other sites make a browser send are refused.
func TestAllowed(t *testing.T) {
	s := newServer(testNetwork(nil), limits{memory: 64 << 20, queue: 1, hosts: []string{"photos.example"}})
	h := s.handler()
	for _, c := range []struct {
		host, header, value string
		want                int
	}{
		{"127.0.0.1:8080", "", "", 200},
		{"localhost:8080", "", "", 200},
		{"LOCALHOST:8080", "", "", 200},
		{"127.8.9.1:8080", "", "", 200},
		{"[::1]:8080", "", "", 200},
		{"photos.example", "", "", 200},
		{"Photos.Example:443", "", "", 200},
		{"127.0.0.1:8080", "Origin", "http://127.0.0.1:8080", 200},
		{"photos.example", "Origin", "https://photos.example", 200},
		{"photos.example", "Origin", "http://photos.example", 200},
		{"localhost:8080", "Sec-Fetch-Site", "same-origin", 200},
		{"localhost:8080", "Sec-Fetch-Site", "none", 200},

		{"", "", "", 403},
		{"evil.example", "", "", 403},
		{"evil.example:8080", "", "", 403},
		{"127.0.0.1.evil.example", "", "", 403},
		{"localhost.evil.example", "", "", 403},
		{"xphotos.example", "", "", 403},
		{"10.0.0.1:8080", "", "", 403},
		{"0.0.0.0:8080", "", "", 403},
		{"127.0.0.1:8080", "Origin", "http://evil.example", 403},
		{"127.0.0.1:8080", "Origin", "http://127.0.0.1:8081", 403},
		{"127.0.0.1:8080", "Origin", "https://127.0.0.1:8080", 403},
		{"127.0.0.1:8080", "Origin", "http://evil@127.0.0.1:8080", 403},
		{"127.0.0.1:8080", "Origin", "http://127.0.0.1:8080@evil.example", 403},
		{"photos.example", "Origin", "https://evil@photos.example", 403},
		{"photos.example", "Origin", "ftp://photos.example", 403},
		{"127.0.0.1:1", "", "", 403},
		{"127.0.0.1", "", "", 403},
		{"[::1]", "", "", 403},
		{"localhost:80", "", "", 403},
		{"127.0.0.1:1", "Origin", "http://127.0.0.1:1", 403},
		{"127.0.0.1:8080", "Origin", "null", 403},
		{"127.0.0.1:8080", "Origin", "::", 403},
		{"127.0.0.1:8080", "Sec-Fetch-Site", "cross-site", 403},
		{"127.0.0.1:8080", "Sec-Fetch-Site", "same-site", 403},
	} {
		r := httptest.NewRequest("POST", "/classify", bytes.NewReader(gray(t, 5)))
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{Port: 8080}))
		r.Host = c.host
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want || w.Code == 200 && w.Body.String() != "5\n" {
			t.Errorf("host %q, %s %q: status %d, want %d: %s", c.host, c.header, c.value, w.Code, c.want, w.Body)
		}
	}
}

// TestAnswers checks the status for each kind of request, and that all budgets are free at
// the end.
func TestAnswers(t *testing.T) {
	s := newServer(testNetwork(nil), limits{memory: 16 << 20, queue: 1})
	h := s.handler()
	for name, c := range map[string]struct {
		method, path string
		body         io.Reader
		want         int
	}{
		"a picture":              {"POST", "/classify", bytes.NewReader(gray(t, 7)), 200},
		"of unknown length":      {"POST", "/classify", io.MultiReader(bytes.NewReader(gray(t, 7))), 200},
		"large, unknown length":  {"POST", "/classify", io.MultiReader(bytes.NewReader(gray(t, 7)), bytes.NewReader(make([]byte, 3<<20))), 200},
		"GET":                    {"GET", "/classify", nil, 405},
		"elsewhere":              {"POST", "/other", nil, 404},
		"nothing":                {"POST", "/classify", nil, 400},
		"text":                   {"POST", "/classify", strings.NewReader("text"), 400},
		"does not fit":           {"POST", "/classify", bytes.NewReader(gray(t, 13)), 400},
		"a large body":           {"POST", "/classify", bytes.NewReader(make([]byte, 4<<20+1)), 413},
		"one of unknown length":  {"POST", "/classify", io.MultiReader(bytes.NewReader(make([]byte, 4<<20+1))), 413},
		"more memory than all":   {"POST", "/classify", bytes.NewReader(pngHead(2000, 2000)), 413},
		"too many pixels":        {"POST", "/classify", bytes.NewReader(pngHead(1<<13, 1<<12)), 400},
		"a body that breaks off": {"POST", "/classify", io.MultiReader(bytes.NewReader(gray(t, 7)), brokenReader{}), 400},
	} {
		r := httptest.NewRequest(c.method, "http://127.0.0.1:80"+c.path, c.body)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
		if !s.bodies.idle() || !s.turns.idle() || !s.pictures.idle() || s.open.Load() != 0 || len(s.reading) > 0 {
			t.Fatalf("%s: a budget is not free at the end", name)
		}
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
	s := newServer(testNetwork(may), limits{memory: 64 << 20, queue: 3})
	h := s.handler()
	most := int(s.turns.total) + 3
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
	waitFor(t, s.turns, 3)
	if w := ask(small); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("one too many: status %d, %v", w.Code, w.Header())
	}
	// A client that closes the connection leaves the queue.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest("POST", "http://localhost/classify", bytes.NewReader(gray(t, 7))).WithContext(ctx)
	h.ServeHTTP(httptest.NewRecorder(), r)
	waitFor(t, s.turns, 3)
	// Large pictures have a queue of their own.
	if !s.large.idle() {
		t.Error("small pictures take the turns of large ones")
	}
	go func() { codes <- ask(pngFile(2000, 1500, 8, 0, 0)).Code }()
	for s.large.idle() {
		time.Sleep(time.Millisecond)
	}
	waitFor(t, s.turns, 3)
	close(may)
	for range most + 1 {
		if code := <-codes; code != 200 {
			t.Errorf("status %d", code)
		}
	}
	if !s.turns.idle() || !s.large.idle() || !s.pictures.idle() {
		t.Error("a budget is not free at the end")
	}
}

// TestStop checks that a server that stops answers all requests that it has, including those
// that are being read or wait, and requests that come on existing connections.
func TestStop(t *testing.T) {
	may := make(chan struct{})
	s := newServer(testNetwork(may), limits{memory: 64 << 20, queue: 100})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.run(ctx, listener) }()
	picture := gray(t, 7)
	const n = 20
	var wg sync.WaitGroup
	for range n {
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
	for s.open.Load() < n+2 {
		time.Sleep(time.Millisecond)
	}
	stop()
	for !s.stopping.Load() {
		time.Sleep(time.Millisecond)
	}
	begin := time.Now()
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

// TestConnections checks that no more connections are accepted than the limit allows.
func TestConnections(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &limitListener{Listener: inner, free: make(chan struct{}, 2)}
	defer l.Close()
	accepted := make(chan net.Conn, 3)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	<-accepted
	select {
	case <-accepted:
		t.Error("a third connection is accepted")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // closing twice counts once
	<-accepted
	if len(l.free) != 2 {
		t.Errorf("%d connections are counted", len(l.free))
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:0": true, "localhost:80": true, "[::1]:80": true, "127.9.9.9:1": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "example.com:80": false, "127.0.0.1": false, "80": false} {
		if err := loopback(address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestServeRefusesOtherInterfaces(t *testing.T) {
	n := testNetwork(nil)
	n.memory = 1 << 20
	for _, address := range []string{"0.0.0.0:0", ":8080", "example.com:80"} {
		if err := serve(address, n, limits{memory: 16 << 20, queue: 1}, io.Discard); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
