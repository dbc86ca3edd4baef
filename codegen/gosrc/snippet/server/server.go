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

	// Times after the signal that stops the server, besides -drain:
	lastBodyTime = 3 * time.Second  // to read bodies
	stopTime     = 40 * time.Second // to answer requests
)

// network holds the functions and sizes of a network that the server needs.
type network struct {
	name, isa  string // for the metrics
	imageLen   int    // float32s of an image
	classes    int    // float32s of the scores of an image
	batch      int    // the largest number of images that are computed at once
	parallel   int    // batches that can be computed at the same time: 1 if a batch takes all threads
	session    int64  // bytes of memory for each of these
	preprocess func(dst []float32, img image.Image) error
	infer      func(scores, images []float32) error // computes the scores of up to batch images; is safe for concurrent use
	answer     func(scores []float32, k int) any    // returns the k most likely classes of an image, or a default number of them for k = 0, which are sent as JSON
}

// limits are the limits from the command line.
type limits struct {
	memory int64         // bytes for bodies and pictures
	queue  int           // number of requests that may wait, and of further ones with large pictures
	hosts  []string      // names of the server, in addition to localhost and loopback addresses
	public bool          // other machines may use the server
	batch  int           // images that are computed together; at most network.batch
	wait   time.Duration // how long an image waits at most for others, to be computed together
	drain  time.Duration // how long connections are accepted after the signal to stop
}

// server answers requests to classify pictures.
type server struct {
	network
	limits
	bodies   *budget // memory of bodies beyond freeBody
	places   *budget // number of requests that are computed or wait
	turns    *budget // number of pictures that are decoded at the same time
	pictures *budget // memory of decoded pictures and of inputs
	// The same as places and turns for large pictures, so that small ones do not wait for them.
	largePlaces, largeTurns *budget
	batches                 *batcher
	counters                *counters
	connections             chan struct{} // an element for each open connection

	open     atomic.Int64 // number of requests without an answer yet
	stopping atomic.Bool
	dirty    atomic.Bool // requests have used much memory since the last release
	mu       sync.Mutex
	reading  map[*http.ResponseController]time.Time // requests whose body is being read, and since when

	headerTime, bodyTime time.Duration // the constants, but for tests
}

// newServer returns a server that computes batches until its close is called.
func newServer(n network, l limits) *server {
	threads := runtime.GOMAXPROCS(0)
	s := &server{network: n, limits: l, reading: map[*http.ResponseController]time.Time{}, headerTime: headerTime, bodyTime: bodyTime}
	s.counters = newCounters(l.batch)
	s.connections = make(chan struct{}, maxConnections)
	s.bodies = newBudget(l.memory/4, 0)
	s.pictures = newBudget(l.memory-l.memory/4, math.MaxInt)
	s.turns, s.largeTurns = newBudget(2*int64(threads), math.MaxInt), newBudget(int64(threads), math.MaxInt)
	s.places = newBudget(s.turns.total+int64(n.parallel*l.batch+l.queue), 0)
	s.largePlaces = newBudget(s.largeTurns.total+int64(l.queue), 0)
	s.batches = newBatcher(n, l.batch, l.wait)
	s.batches.tell = s.counters.batch
	for range n.parallel {
		go s.batches.run()
	}
	return s
}

// close ends the goroutines that compute batches. No request may follow.
func (s *server) close() { s.batches.close() }

// serve answers requests until the program gets SIGINT or SIGTERM. It then takes no
// more connections, answers the requests that it has, and returns; a second signal
// ends the program at once.
func serve(address string, n network, l limits, log io.Writer) error {
	if err := checkAddress(address, l.public); err != nil {
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
		sessions := int64(n.parallel) * (n.session + 4*int64(l.batch*(n.imageLen+n.classes)))
		debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased) + sessions + l.memory + maxConnections*freeBody)
	}
	fmt.Fprintf(log, "listening on http://%s/classify\n", listener.Addr())
	s := newServer(n, l)
	defer s.close()
	said := make(chan struct{})
	context.AfterFunc(ctx, func() {
		fmt.Fprintln(log, "stopping: answering the requests that are there")
		close(said)
	})
	err = s.run(ctx, listener)
	if err == nil {
		<-said // run returns without an error only once ctx is done
		fmt.Fprintln(log, "stopped")
	}
	return err
}

// run serves a listener until ctx is done.
func (s *server) run(ctx context.Context, listener net.Listener) error {
	limited := newLimitListener(listener, s.connections, s.endSlowest)
	web := &http.Server{Handler: s.handler(), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: s.headerTime,
		ReadTimeout: s.bodyTime, WriteTimeout: answerTime, IdleTimeout: idleTime, ConnState: limited.note}
	failed := make(chan error, 1)
	go func() {
		failed <- web.Serve(limited)
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
	// Answer the requests of connections that the system established before the signal, or that
	// come until a load balancer has learned from /readyz that the server stops.
	s.stopping.Store(true)
	s.hurry()
	time.Sleep(s.drain)
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

// endSlowest sets the deadline of the body that has been read for the longest time, so that its
// request ends. It reports whether there is one.
func (s *server) endSlowest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var slowest *http.ResponseController
	for c, since := range s.reading {
		if time.Since(since) >= slowAfter && (slowest == nil || since.Before(s.reading[slowest])) {
			slowest = c
		}
	}
	if slowest == nil {
		return false
	}
	_ = slowest.SetReadDeadline(time.Now()) // the connection may be gone
	return true
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /classify", s.classifyPicture)
	mux.HandleFunc("/classify", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, fmt.Sprintf("%.20s is not known here: send a picture, or a form with pictures, with POST, such as curl --data-binary @cat.jpg", r.Method), http.StatusMethodNotAllowed)
	})
	// Probes, and Prometheus, name the server by its address. They learn only how it is; a server for
	// this machine alone keeps its numbers from pages of other sites.
	probes := http.NewServeMux()
	if s.public {
		probes.HandleFunc("GET /metrics", s.printMetrics)
	} else {
		mux.HandleFunc("GET /metrics", s.printMetrics)
	}
	probes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	probes.HandleFunc("GET /readyz", s.ready)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.open.Add(1)
		defer s.open.Add(-1)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if s.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		if h, pattern := probes.Handler(r); pattern != "" {
			h.ServeHTTP(w, r)
			return
		}
		if err := s.allowed(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ready answers whether a load balancer may send requests: until the signal to stop.
func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.stopping.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}

// classifyPicture answers the POST of a picture, or of a form with pictures.
func (s *server) classifyPicture(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	answer, err := s.classify(w, r)
	code := http.StatusOK
	if err != nil {
		code = fail(w, err)
	} else {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // the client may be gone
	}
	s.counters.request(code, time.Since(begin))
}

// classify returns the answer for a request.
func (s *server) classify(w http.ResponseWriter, r *http.Request) (any, error) {
	k, err := s.howMany(r)
	if err != nil {
		return nil, err
	}
	boundary, err := boundaryOf(r)
	if err != nil {
		return nil, err
	}
	body, held, err := s.body(w, r)
	if held > 0 {
		defer s.bodies.give(held)
	}
	if err != nil {
		return nil, err
	}
	if boundary != "" {
		return s.classifyForm(r.Context(), body, boundary, k)
	}
	if len(body) == 0 {
		return nil, errors.New("the body is empty: send the bytes of a picture, such as curl --data-binary @cat.jpg")
	}
	scores, err := s.scores(r.Context(), body)
	if err != nil {
		return nil, err
	}
	return s.answer(scores, k), nil
}

// fail answers a request with the status and the text for an error. It returns the status.
func fail(w http.ResponseWriter, err error) (code int) {
	switch code = codeOf(err); code {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
		err = errors.New("the server is busy; try again later")
	case http.StatusRequestTimeout:
		err = errors.New("the request took too long")
	}
	http.Error(w, err.Error(), code)
	return code
}

// codeOf returns the status for an error.
func codeOf(err error) int {
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.Is(err, errFull), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	case errors.Is(err, errFailed):
		return http.StatusInternalServerError
	case errors.Is(err, errLarge), errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &slow) && slow.Timeout():
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
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
	s.reading[c] = time.Now()
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

// scores computes the scores of the picture in a file. Before that it waits for its turn, for
// memory and for its batch. It returns errFull if too many requests wait already.
func (s *server) scores(ctx context.Context, file []byte) ([]float32, error) {
	cost, err := examine(file, standard...)
	if err != nil {
		return nil, err
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	cost += 64 * int64(size.Width+size.Height) // for scaling: one row, and the weights of both axes
	places, turns := s.places, s.turns
	if cost > largePicture {
		places, turns = s.largePlaces, s.largeTurns
	}
	if !places.try(1) {
		return nil, errFull
	}
	defer places.give(1)
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	over := s.batches.expect()
	defer over()
	input := 4 * int64(s.imageLen+s.classes)
	x, err := s.prepared(ctx, file, turns, cost, input)
	if err != nil {
		return nil, err
	}
	defer s.pictures.give(input)
	return s.batches.compute(ctx, x, over)
}

// prepared decodes a picture and converts it to the network's input. It waits for its turn and
// for memory: cost bytes to decode, which it returns to the budget, and input bytes, which the
// caller must return if there is no error.
func (s *server) prepared(ctx context.Context, file []byte, turns *budget, cost, input int64) (x []float32, err error) {
	if err := turns.take(ctx, 1); err != nil {
		return nil, err
	}
	defer turns.give(1)
	if err := s.pictures.take(ctx, cost+input); err != nil {
		return nil, err
	}
	defer s.pictures.give(cost)
	defer func() {
		if err != nil {
			s.pictures.give(input)
		}
	}()
	if cost > 1<<20 {
		s.dirty.Store(true)
	}
	img, err := decode(file, standard...)
	if err != nil {
		return nil, err
	}
	x = make([]float32, s.imageLen)
	return x, s.preprocess(x, img)
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
