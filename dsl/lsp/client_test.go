package lsp

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// client is a small editor: it speaks the protocol with a server over pipes.
type client struct {
	t      *testing.T
	conn   *conn
	in     *io.PipeWriter
	done   chan error
	id     int
	answer chan message
	note   chan message
}

func start(t *testing.T) *client {
	t.Helper()
	fromClient, toServer := io.Pipe()
	fromServer, toClient := io.Pipe()
	c := &client{t: t, conn: &conn{in: bufio.NewReader(fromServer), out: toServer}, in: toServer, done: make(chan error, 1), answer: make(chan message), note: make(chan message, 1000)}
	go func() {
		err := Serve(fromClient, toClient, Info{Name: "incc"}, nil)
		fromClient.Close()
		toClient.Close()
		c.done <- err
	}()
	go func() {
		for {
			b, err := c.conn.read()
			if err != nil {
				close(c.answer)
				return
			}
			var m message
			if err := json.Unmarshal(b, &m); err != nil {
				t.Errorf("the server writes %q: %v", b, err)
			}
			if m.Method != "" {
				c.note <- m
			} else {
				c.answer <- m
			}
		}
	}()
	return c
}

func (c *client) params(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// notify sends a notification.
func (c *client) notify(method string, params any) {
	c.t.Helper()
	if err := c.conn.write(message{Method: method, Params: c.params(params)}); err != nil {
		c.t.Fatal(err)
	}
}

// ask sends a request and returns the answer as JSON, or the error.
func (c *client) ask(method string, params any) (json.RawMessage, *responseError) {
	c.t.Helper()
	c.id++
	id := json.RawMessage(c.params(c.id))
	if err := c.conn.write(message{ID: &id, Method: method, Params: c.params(params)}); err != nil {
		c.t.Fatal(err)
	}
	m, ok := <-c.answer
	if !ok || m.ID == nil || string(*m.ID) != string(id) {
		c.t.Fatalf("%s: answer %+v", method, m)
	}
	return c.params(m.Result), m.Error
}

// hello does what an editor does first.
func (c *client) hello(capabilities string) json.RawMessage {
	c.t.Helper()
	r, fault := c.ask("initialize", json.RawMessage(`{"processId":1,"rootUri":null,"capabilities":`+capabilities+`}`))
	if fault != nil {
		c.t.Fatal(fault)
	}
	c.notify("initialized", struct{}{})
	return r
}

const uri = "file:///nowhere/net.incc"

// open opens a text and returns its problems.
func (c *client) open(text string) []diagnostic {
	c.t.Helper()
	c.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "incc", "version": 1, "text": text}})
	return c.problems()
}

// problems waits for the next report.
func (c *client) problems() []diagnostic {
	c.t.Helper()
	m := <-c.note
	var p publishParams
	if err := json.Unmarshal(m.Params, &p); err != nil || m.Method != "textDocument/publishDiagnostics" {
		c.t.Fatalf("%s: %v", m.Method, err)
	}
	return p.Diagnostics
}

// bye ends the session and returns what Serve returned.
func (c *client) bye() error {
	c.t.Helper()
	if _, fault := c.ask("shutdown", nil); fault != nil {
		c.t.Fatal(fault)
	}
	c.notify("exit", nil)
	return <-c.done
}

// at is the position of a marker, which the text does not keep.
func marked(t *testing.T, text string) (string, position) {
	t.Helper()
	i := strings.Index(text, "‸")
	if i < 0 {
		t.Fatalf("no marker in %q", text)
	}
	text = text[:i] + text[i+len("‸"):]
	return text, newText([]byte(text), false).position(i)
}

func where(p position) map[string]any {
	return map[string]any{"textDocument": map[string]any{"uri": uri}, "position": p}
}
