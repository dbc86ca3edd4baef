package view

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/incc-lang/incc/backends/draw"
)

//go:embed web
var web embed.FS

// policy lets the page load its own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// maxStreams is the number of pages that listen for changes at the same time.
const maxStreams = 32

// poll is how often the text and the runs are looked at.
const poll = 300 * time.Millisecond

// Server answers the requests of the page.
type Server struct {
	cache   cache
	src     Source
	token   string // "" on a loopback address
	hosts   map[string]bool
	cross   http.CrossOriginProtection // of requests that compute
	streams atomic.Int32
	mux     *http.ServeMux
}

// NewServer makes a server for an address that it listens on. On an address that other
// machines reach, every request needs the token that [Server.URL] holds.
func NewServer(src Source, addr *net.TCPAddr) *Server {
	s := &Server{cache: cache{src: src}, src: src, mux: http.NewServeMux(), hosts: map[string]bool{}}
	port := strconv.Itoa(addr.Port)
	if addr.IP.IsLoopback() {
		for _, h := range []string{"127.0.0.1", "::1", "localhost"} {
			s.hosts[net.JoinHostPort(h, port)] = true
		}
	} else {
		s.token = rand.Text()
	}
	s.mux.HandleFunc("GET /{$}", s.page)
	s.mux.HandleFunc("GET /{file}", s.file)
	s.mux.HandleFunc("GET /api/network", s.network)
	s.mux.HandleFunc("GET /api/runs", s.runs)
	s.mux.HandleFunc("GET /api/details", s.details)
	s.mux.HandleFunc("POST /api/mistakes", s.mistakes)
	s.mux.HandleFunc("GET /api/plan", s.plan)
	s.mux.HandleFunc("POST /api/plan", s.plan)
	s.mux.HandleFunc("GET /api/times", s.times)
	s.mux.HandleFunc("POST /api/try", s.try)
	s.mux.HandleFunc("GET /api/events", s.events)
	return s
}

// URL is the address of the page.
func (s *Server) URL(addr net.Addr) string {
	u := url.URL{Scheme: "http", Host: addr.String(), Path: "/"}
	if s.token != "" {
		u.RawQuery = "token=" + s.token
	}
	return u.String()
}

const cookie = "incc_view"

// ServeHTTP answers a request of this page alone: of the right host, from the page itself,
// with the token where one is needed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if s.token == "" && !s.hosts[r.Host] {
		http.Error(w, "unknown host: open the address that incc view prints", http.StatusForbidden)
		return
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		http.Error(w, "requests of other pages are refused", http.StatusForbidden)
		return
	}
	if err := s.cross.Check(r); err != nil {
		http.Error(w, "requests of other pages are refused", http.StatusForbidden)
		return
	}
	if s.token != "" && !s.allowed(w, r) {
		http.Error(w, "open the whole address that incc view prints, with its token", http.StatusForbidden)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// allowed compares the token, which the first request has in its address and the others in
// a cookie.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request) bool {
	equal := func(t string) bool { return subtle.ConstantTimeCompare([]byte(t), []byte(s.token)) == 1 }
	if equal(r.URL.Query().Get("token")) {
		http.SetCookie(w, &http.Cookie{Name: cookie, Value: s.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		return true
	}
	c, err := r.Cookie(cookie)
	return err == nil && equal(c.Value)
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) { s.send(w, "index.html") }

func (s *Server) file(w http.ResponseWriter, r *http.Request) { s.send(w, r.PathValue("file")) }

var types = map[string]string{"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml", "ttf": "font/ttf"}

func (s *Server) send(w http.ResponseWriter, name string) {
	b, err := content(name)
	kind := types[name[strings.LastIndex(name, ".")+1:]]
	if err != nil || kind == "" {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(b) // the page is gone if this fails
}

// content returns a file of the page.
func content(name string) ([]byte, error) {
	switch name {
	case "draw.css":
		return []byte(draw.Style()), nil
	case "fonts.css":
		return []byte(fontStyle(fileOf)), nil
	}
	for _, f := range fonts {
		if f.file == name {
			return f.data, nil
		}
	}
	return web.ReadFile("web/" + name)
}

func (s *Server) json(w http.ResponseWriter, v any, err error) {
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		v = map[string]string{"error": err.Error()}
	}
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

func (s *Server) network(w http.ResponseWriter, r *http.Request) {
	if s.src.Text == nil {
		s.json(w, nil, errors.New("there is no network, only runs"))
		return
	}
	v, err := viewOf(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, err := s.cache.network(v)
	s.json(w, n, err)
}

// viewOf reads how a network is to be drawn.
func viewOf(q url.Values) (View, error) {
	var v View
	number := func(key string, most int) int {
		n, err := strconv.Atoi(q.Get(key))
		if err != nil || n < 0 || n > most {
			return 0
		}
		return n
	}
	v.Collapse, v.Stage = number("collapse", 100), number("stage", 1000)
	v.Right, v.NoHeads = q.Get("direction") == "right", q.Get("heads") == "off"
	switch c := q.Get("colour"); c {
	case "", "kind":
	case "macs":
		v.Colour = draw.ByMACs
	case "params":
		v.Colour = draw.ByParams
	default:
		return v, fmt.Errorf("unknown colour %q (want kind, macs or params)", c)
	}
	return v, nil
}

func (s *Server) runs(w http.ResponseWriter, _ *http.Request) {
	list := []Run{}
	var err error
	if s.src.Runs != nil {
		list, err = s.src.Runs()
	}
	s.json(w, list, err)
}

// state says what the page shows now: it changes with the text and the runs.
func (s *Server) state() string {
	text := ""
	if s.src.Text != nil {
		if m, err := s.cache.now(); err == nil {
			text = m.version
		} else {
			text = err.Error()
		}
	}
	runs := ""
	if s.src.Runs != nil {
		list, err := s.src.Runs()
		for _, r := range list {
			runs += fmt.Sprintf("%s %s %d %v;", r.Name, r.State, len(r.Rows), r.Resumed)
		}
		if err != nil {
			runs = err.Error()
		}
	}
	return hex.EncodeToString([]byte(text)) + "/" + hex.EncodeToString([]byte(runs))
}

// events tells a page when something has changed.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer s.streams.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	last := ""
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for quiet := 0; ; {
		now := s.state()
		if now != last || quiet > int(15*time.Second/poll) {
			_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
			if _, err := fmt.Fprintf(w, "data: %s\n\n", now); err != nil || c.Flush() != nil {
				return
			}
			last, quiet = now, 0
		}
		quiet++
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// Serve answers requests until the context ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if h.Shutdown(end) != nil {
			_ = h.Close()
		}
	}()
	err := h.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
