// This file is the HTTP server: which requests it accepts, how many at the same time, and how
// it stops.

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxConnections = 1024
	maxHeader      = 16 << 10
	freeBody       = 64 << 10 // bytes of a body that every connection may use without asking the budget
	largePicture   = 8 << 20  // bytes of memory; pictures that need more have a queue of their own

	headerTime = 5 * time.Second  // to send the header of a request
	bodyTime   = 15 * time.Second // to send a request
	queueTime  = 15 * time.Second // to wait for other requests
	answerTime = 60 * time.Second // for everything after the header
	idleTime   = 30 * time.Second // between the requests of a connection

	// Times after the signal that stops the server:
	graceTime    = 250 * time.Millisecond // to accept connections
	lastBodyTime = 3 * time.Second        // to read bodies
	stopTime     = 40 * time.Second       // to answer requests
)

// network holds the functions and sizes of a network that the server needs.
type network struct {
	imageLen   int   // float32s of an image
	memory     int64 // bytes of all sessions
	preprocess func(dst []float32, img image.Image) error
	classify   func(image []float32) (any, error) // returns the answer, which is sent as JSON
}

// limits are the limits from the command line.
type limits struct {
	memory int64    // bytes for bodies and pictures
	queue  int      // number of requests that may wait, and of further ones with large pictures
	hosts  []string // names of the server, in addition to localhost and loopback addresses
}

// server answers requests to classify pictures.
type server struct {
	network
	hosts    []string
	bodies   *budget // memory of bodies beyond freeBody
	turns    *budget // number of requests that are computed at the same time
	large    *budget // the same for large pictures, so that small ones do not wait for them
	pictures *budget // memory of decoded pictures and of inputs

	open     atomic.Int64 // number of requests without an answer yet
	stopping atomic.Bool
	dirty    atomic.Bool // requests have used much memory since the last release
	mu       sync.Mutex
	reading  map[*http.ResponseController]bool // requests whose body is being read
}

func newServer(n network, l limits) *server {
	s := &server{network: n, hosts: l.hosts, reading: map[*http.ResponseController]bool{}}
	s.bodies = newBudget(l.memory/4, 0)
	s.turns = newBudget(2*int64(runtime.GOMAXPROCS(0)), l.queue)
	s.large = newBudget(int64(runtime.GOMAXPROCS(0)), l.queue)
	s.pictures = newBudget(l.memory-l.memory/4, math.MaxInt)
	return s
}

// serve answers requests until the program gets SIGINT or SIGTERM. It then takes no
// more connections, answers the requests that it has, and returns; a second signal
// ends the program at once.
func serve(address string, n network, l limits, log io.Writer) error {
	if err := loopback(address); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // not set by GOMEMLIMIT
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased) + n.memory + l.memory + maxConnections*freeBody)
	}
	fmt.Fprintf(log, "listening on http://%s/classify\n", listener.Addr())
	return newServer(n, l).run(ctx, listener)
}

// run serves a listener until ctx is done.
func (s *server) run(ctx context.Context, listener net.Listener) error {
	web := &http.Server{Handler: s.handler(), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTime,
		ReadTimeout: bodyTime, WriteTimeout: answerTime, IdleTimeout: idleTime}
	failed := make(chan error, 1)
	go func() {
		failed <- web.Serve(&limitListener{Listener: listener, free: make(chan struct{}, maxConnections)})
	}()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case err := <-failed:
			return err
		case <-ticker.C:
			s.release()
			continue
		case <-ctx.Done():
		}
		break
	}
	// Accept connections that the system established before the signal, and answer their
	// requests.
	s.stopping.Store(true)
	s.hurry()
	time.Sleep(graceTime)
	bound, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := web.Shutdown(bound)
	if err != nil {
		_ = web.Close()
		return fmt.Errorf("stopped without an answer to %d requests", s.open.Load())
	}
	return nil
}

// release returns memory to the system if requests have used much of it and none uses any now.
func (s *server) release() {
	if s.dirty.Load() && s.bodies.idle() && s.pictures.idle() {
		s.dirty.Store(false)
		debug.FreeOSMemory()
	}
}

// hurry sets a deadline for the bodies that are being read.
func (s *server) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.reading {
		_ = c.SetReadDeadline(time.Now().Add(lastBodyTime)) // the connection may be gone
	}
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /classify", s.classifyPicture)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.open.Add(1)
		defer s.open.Add(-1)
		if s.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		if err := s.allowed(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// allowed returns an error for requests that a page of another site made a browser send. Such
// a request uses a name of the other site for this server (DNS rebinding), or this server's
// own name (cross-site request forgery). A host in -host may have any port and https, because
// a proxy may be in front of the server.
func (s *server) allowed(r *http.Request) error {
	host, port := r.Host, "80"
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	host = strings.Trim(host, "[]")
	named := slices.ContainsFunc(s.hosts, func(name string) bool { return strings.EqualFold(name, host) })
	if ip := net.ParseIP(host); !named && !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("host %q is not a name of this server; allow it with -host", r.Host)
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && !named && port != strconv.Itoa(a.Port) {
		return fmt.Errorf("host %q is on port %s and this server on port %d; allow it with -host", r.Host, port, a.Port)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return errors.New("requests from pages of other sites are not allowed")
	}
	if origin := r.Header.Get("Origin"); origin != "" && !strings.EqualFold(origin, "http://"+r.Host) &&
		(!named || !strings.EqualFold(origin, "https://"+r.Host)) {
		return fmt.Errorf("requests from pages of other sites are not allowed (this one is from %q)", origin)
	}
	return nil
}

// classifyPicture answers the POST of a picture.
func (s *server) classifyPicture(w http.ResponseWriter, r *http.Request) {
	body, held, err := s.body(w, r)
	if held > 0 {
		defer s.bodies.give(held)
	}
	var answer any
	if err == nil {
		answer, err = s.answer(r.Context(), body)
	}
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

// fail answers a request with the status and the text for an error.
func fail(w http.ResponseWriter, err error) {
	code := http.StatusBadRequest
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.Is(err, errFull), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		w.Header().Set("Retry-After", "1")
		code, err = http.StatusServiceUnavailable, errors.New("the server is busy; try again later")
	case errors.Is(err, errLarge), errors.As(err, &large):
		code = http.StatusRequestEntityTooLarge
	case errors.As(err, &slow) && slow.Timeout():
		code, err = http.StatusRequestTimeout, errors.New("the request took too long")
	}
	http.Error(w, err.Error(), code)
}

// body reads the body of a request. The caller must return held units to s.bodies, also after
// an error. body never waits for memory, because other requests may wait for memory that this
// one holds.
func (s *server) body(w http.ResponseWriter, r *http.Request) (data []byte, held int64, err error) {
	most := min(maxFile, s.bodies.total-1)
	if r.ContentLength > most {
		return nil, 0, &http.MaxBytesError{Limit: most}
	}
	c := http.NewResponseController(w)
	s.mu.Lock()
	s.reading[c] = true
	s.mu.Unlock()
	if s.stopping.Load() {
		_ = c.SetReadDeadline(time.Now().Add(lastBodyTime))
	}
	defer func() {
		s.mu.Lock()
		delete(s.reading, c)
		s.mu.Unlock()
		if err == nil {
			// The deadline is only for the body. If it passed later, the server would
			// believe that the connection has ended.
			_ = c.SetReadDeadline(time.Time{})
		}
	}()
	in := http.MaxBytesReader(w, r.Body, most)
	first := int64(4 << 10)
	if r.ContentLength >= 0 {
		first = min(r.ContentLength+1, freeBody)
	}
	data = make([]byte, 0, first)
	for {
		if len(data) == cap(data) {
			size := min(2*int64(cap(data)), most+1)
			if size > freeBody {
				if !s.bodies.try(size - held) {
					return nil, held, errFull
				}
				held = size
			}
			data = append(make([]byte, 0, size), data...)
		}
		n, err := in.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, held, nil
		}
		if err != nil {
			return nil, held, err
		}
	}
}

// answer classifies the picture in a file. Before that it waits for its turn and for memory.
func (s *server) answer(ctx context.Context, file []byte) (any, error) {
	cost, err := examine(file, standard...)
	if err != nil {
		return nil, err
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	cost += 64 * int64(size.Width+size.Height) // for scaling: one row, and the weights of both axes
	input := 4 * int64(s.imageLen)
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	turns := s.turns
	if cost > largePicture {
		turns = s.large
	}
	if err := turns.take(ctx, 1); err != nil {
		return nil, err
	}
	defer turns.give(1)
	if err := s.pictures.take(ctx, cost+input); err != nil {
		return nil, err
	}
	defer s.pictures.give(input)
	if cost > 1<<20 {
		s.dirty.Store(true)
	}
	x, err := s.prepared(file, cost)
	if err != nil {
		return nil, err
	}
	return s.classify(x)
}

// prepared decodes a picture and converts it to the network's input. Then it returns the memory
// cost to the budget.
func (s *server) prepared(file []byte, cost int64) ([]float32, error) {
	defer s.pictures.give(cost)
	img, err := decode(file, standard...)
	if err != nil {
		return nil, err
	}
	x := make([]float32, s.imageLen)
	return x, s.preprocess(x, img)
}

// limitListener waits, before it accepts a connection, until fewer than cap(free) connections
// are open.
type limitListener struct {
	net.Listener
	free chan struct{}
}

func (l *limitListener) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitConn{Conn: c, free: l.free}, nil
}

type limitConn struct {
	net.Conn
	once sync.Once
	free chan struct{}
}

func (c *limitConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.free })
	return err
}

// loopback returns an error if other machines can reach the address.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is not an address of the loopback interface, such as 127.0.0.1:8080", address)
	}
	return nil
}

// maxFile is the largest size of a picture's file in bytes.
const maxFile = 64 << 20

// readPicture reads the file of a picture. It returns an error if the file is too large or is
// not a regular file.
func readPicture(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("the file has %d bytes (want at most %d)", info.Size(), maxFile)
	}
	return os.ReadFile(path)
}
