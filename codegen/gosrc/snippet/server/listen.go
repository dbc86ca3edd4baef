// This file limits how many connections the server has at the same time.

package server

import (
	"net"
	"sync"
)

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
