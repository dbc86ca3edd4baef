package server

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAllowed checks that requests that pages of other sites make a browser send are refused.
func TestAllowed(t *testing.T) {
	s := testServer(t, testNetwork(nil), limits{memory: 64 << 20, queue: 1, hosts: []string{"photos.example"}})
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
		{"127.0.0.1:8080", "Origin", "http://127.0.0.1:8080@evil.example", 403},
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

// TestPublic checks which names a public server has, and that pages of other sites are refused
// there as well.
func TestPublic(t *testing.T) {
	any := testServer(t, testNetwork(nil), limits{memory: 64 << 20, public: true})
	named := testServer(t, testNetwork(nil), limits{memory: 64 << 20, public: true, hosts: []string{"photos.example"}})
	for _, c := range []struct {
		s                  *server
		path, host, origin string
		want               int
	}{
		{any, "/metrics", "10.0.0.1:8080", "", 200},
		{any, "/metrics", "photos", "", 200},
		{any, "/classify", "10.0.0.1:8080", "", 405},
		{named, "/metrics", "photos.example", "", 200},
		{named, "/metrics", "10.0.0.1:8080", "", 200}, // so does Prometheus
		{named, "/classify", "10.0.0.1:8080", "", 403},
		{named, "/readyz", "10.0.0.1:8080", "", 200}, // probes name the address of the pod
		{named, "/healthz", "10.0.0.1:8080", "", 200},
		{named, "/healthz/", "10.0.0.1:8080", "", 403},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		c.s.handler().ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("GET %s of host %s: status %d, want %d", c.path, c.host, w.Code, c.want)
		}
	}
	r := httptest.NewRequest("POST", "/classify", bytes.NewReader(gray(t, 5)))
	r.Host = "10.0.0.1:8080"
	r.Header.Set("Origin", "http://evil.example")
	w := httptest.NewRecorder()
	any.handler().ServeHTTP(w, r)
	if w.Code != 403 || !strings.HasPrefix(w.Body.String(), "a page of another site made a browser send this request") {
		t.Errorf("a page of another site: status %d: %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	any.handler().ServeHTTP(w, httptest.NewRequest("GET", "/classify", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" || !strings.HasPrefix(w.Body.String(), "GET is not known here: send a picture") {
		t.Errorf("GET /classify: status %d, Allow %q: %s", w.Code, w.Header().Get("Allow"), w.Body)
	}
}

// TestLoopback checks which addresses need -public.
func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:0": true, "localhost:80": true, "[::1]:80": true, "127.9.9.9:1": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "example.com:80": false, "127.0.0.1": false, "80": false} {
		if err := checkAddress(address, false); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
		if err := checkAddress(address, true); (err == nil) != (want || strings.Contains(address, ":")) {
			t.Errorf("%s with -public: %v", address, err)
		}
	}
}

func TestServeRefusesOtherInterfaces(t *testing.T) {
	n := testNetwork(nil)
	for _, address := range []string{"0.0.0.0:0", ":8080", "example.com:80"} {
		if err := serve(address, n, limits{memory: 16 << 20, queue: 1}, io.Discard); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
