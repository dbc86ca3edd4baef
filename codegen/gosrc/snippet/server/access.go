// This file says who may use the server: the addresses at which it listens, and the requests
// that it refuses because a page of another site made a browser send them.

package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// checkAddress returns an error if other machines can reach the address and public is not set.
func checkAddress(address string, public bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); !public && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is not an address of the loopback interface, such as 127.0.0.1:8080: add -public to let other machines use the server", address)
	}
	return nil
}

// allowed returns an error for requests that a page of another site made a browser send. Such
// a request uses a name of the other site for this server (DNS rebinding), or this server's
// own name (cross-site request forgery). A host in -host may have any port and https, because
// a proxy may be in front of the server. A server with -public has names that it cannot know;
// without -host it takes every name.
func (s *server) allowed(r *http.Request) error {
	if err := s.named(r); err != nil {
		return err
	}
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return errors.New("a page of another site made a browser send this request, and such requests are refused")
	}
	return nil
}

// named returns an error if the request does not use a name of this server.
func (s *server) named(r *http.Request) error {
	if s.public && len(s.hosts) == 0 {
		return nil
	}
	host, port := r.Host, "80"
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	host = strings.Trim(host, "[]")
	if slices.ContainsFunc(s.hosts, func(name string) bool { return strings.EqualFold(name, host) }) {
		return nil
	}
	if ip := net.ParseIP(host); !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("host %q is not a name of this server; allow it with -host", r.Host)
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && port != strconv.Itoa(a.Port) {
		return fmt.Errorf("host %q is on port %s and this server on port %d; allow it with -host", r.Host, port, a.Port)
	}
	return nil
}
