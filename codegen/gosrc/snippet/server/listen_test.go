package server

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestConnections checks that no more connections are accepted than the limit allows.
func TestConnections(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLimitListener(inner, make(chan struct{}, 2), func() bool { return false })
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

// TestRoomForProbes fills a server with clients that send headers, or bodies, as slowly as they
// like. Probes and pictures are answered all the same, at the cost of the slowest clients.
func TestRoomForProbes(t *testing.T) {
	for name, head := range map[string]string{
		"headers": "POST /classify HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"bodies":  "POST /classify HTTP/1.1\r\nHost: %s\r\nContent-Length: 100000\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			s := testServer(t, testNetwork(nil), limits{memory: 64 << 20, queue: 100})
			s.connections = make(chan struct{}, 40)
			s.headerTime, s.bodyTime = time.Hour, time.Hour // it is not these times that make room
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := listener.Addr().String()
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- s.run(ctx, listener) }()
			var slow []net.Conn
			for range 60 {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Write([]byte(strings.Replace(head, "%s", address, 1))); err != nil {
					t.Fatal(err)
				}
				slow = append(slow, c)
			}
			for range 3 {
				for _, path := range []string{"healthz", "readyz"} {
					resp, err := http.Get("http://" + address + "/" + path)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Errorf("%s: status %d", path, resp.StatusCode)
					}
				}
				resp, err := http.Post("http://"+address+"/classify", "", bytes.NewReader(gray(t, 7)))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("a picture: status %d", resp.StatusCode)
				}
				http.DefaultClient.CloseIdleConnections()
			}
			if n := len(s.connections); n > 40 {
				t.Errorf("%d connections are open", n)
			}
			for _, c := range slow {
				c.Close()
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			checkIdle(t, s, name)
		})
	}
}
