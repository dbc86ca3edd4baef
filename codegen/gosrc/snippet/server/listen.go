// This file limits how many connections the server has at the same time. Where there are too
// many, those that keep others waiting are closed, so that there is always room for a probe.

package server

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// slowAfter is how long a connection may send a header or a body, or be idle, before it has to
// make room for another one.
const slowAfter = time.Second

// limitListener accepts at most cap(free) connections at the same time, and one that waits. To
// make room for that one, it closes the connection that has been sending a header for the
// longest time; if there is none, it calls hurry, which ends the slowest request whose body is
// being read; and if there is none, it closes the connection that has been idle for the longest
// time.
type limitListener struct {
	net.Listener
	free  chan struct{}
	hurry func() bool // reports whether a connection will end soon
	pause time.Duration

	mu    sync.Mutex
	conns map[net.Conn]*limitConn
}

// newLimitListener returns a listener for at most n connections.
func newLimitListener(inner net.Listener, n chan struct{}, hurry func() bool) *limitListener {
	return &limitListener{Listener: inner, free: n, hurry: hurry, pause: 20 * time.Millisecond, conns: map[net.Conn]*limitConn{}}
}

// limitConn is a connection of a limitListener.
type limitConn struct {
	net.Conn
	once  sync.Once
	list  *limitListener
	state http.ConnState
	since time.Time // when it got the state
}

// Accept waits for a connection, and for room for it.
func (l *limitListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for {
		select {
		case l.free <- struct{}{}:
			return l.add(c), nil
		default:
		}
		if l.evict() {
			continue
		}
		select {
		case l.free <- struct{}{}:
			return l.add(c), nil
		case <-time.After(l.pause):
		}
	}
}

func (l *limitListener) add(c net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &limitConn{Conn: c, list: l, state: http.StateNew, since: time.Now()}
	l.conns[x] = x
	return x
}

// note is told what a connection does. It is the ConnState of the HTTP server: in the state
// new a header is being read, in the state active the rest of the request or its answer.
func (l *limitListener) note(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.conns[c]; x != nil {
		x.state, x.since = state, time.Now()
	}
}

// evict closes a connection to make room. It reports whether there is room now.
func (l *limitListener) evict() bool {
	x := l.oldest(http.StateNew, slowAfter)
	if x == nil && !l.hurry() {
		x = l.oldest(http.StateIdle, slowAfter)
	}
	if x == nil {
		return false
	}
	_ = x.Close()
	return true
}

// oldest returns the connection that has been in a state for the longest time, nil if none has
// been for so long.
func (l *limitListener) oldest(state http.ConnState, least time.Duration) *limitConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found *limitConn
	for _, x := range l.conns {
		if x.state == state && time.Since(x.since) >= least && (found == nil || x.since.Before(found.since)) {
			found = x
		}
	}
	return found
}

// Close closes the connection and makes room for another one.
func (c *limitConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.list.mu.Lock()
		delete(c.list.conns, c)
		c.list.mu.Unlock()
		<-c.list.free
	})
	return err
}
