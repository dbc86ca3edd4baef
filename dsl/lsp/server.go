package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Info names the server to the editor.
type Info struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// ReadFile reads a file that a spec names, such as a list of labels, from the folder of the
// spec at path. Package lsp opens no files itself.
type ReadFile func(spec, name string) ([]byte, error)

// server holds what it knows of one editor.
type server struct {
	conn     *conn
	info     Info
	read     ReadFile
	ready    bool // initialize has been answered
	shutdown bool
	utf8     bool
	snippets bool
	docs     map[string]*document
	changed  []string // documents whose problems are to be reported, in order
}

// ErrNoShutdown says that the editor left without the request shutdown.
var ErrNoShutdown = errors.New("the editor ended without shutdown")

// Serve answers an editor until it sends exit or closes the stream. Requests are answered in
// the order in which they come; the problems of a text are reported when no message waits, so
// that fast typing does not queue work. Without read, a spec that names a file has an error.
func Serve(in io.Reader, out io.Writer, info Info, read ReadFile) error {
	s := &server{conn: &conn{in: bufio.NewReaderSize(in, 64<<10), out: out}, info: info, read: read, docs: map[string]*document{}}
	type item struct {
		content []byte
		err     error
	}
	queue := make(chan item, 64)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			b, err := s.conn.read()
			select {
			case queue <- item{b, err}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for {
		if len(queue) == 0 {
			if err := s.report(); err != nil {
				return err
			}
		}
		m := <-queue
		switch {
		case m.err == io.EOF && !s.ready:
			return nil
		case m.err == io.EOF:
			return s.leave()
		case m.err != nil:
			return m.err
		}
		exit, err := s.handle(m.content)
		if err != nil {
			return err
		}
		if exit {
			return s.leave()
		}
	}
}

func (s *server) leave() error {
	if s.shutdown {
		return nil
	}
	return ErrNoShutdown
}

// handle answers one message. It returns an error only if the answer cannot be written.
func (s *server) handle(content []byte) (exit bool, err error) {
	var m message
	if err := json.Unmarshal(content, &m); err != nil {
		null := json.RawMessage("null")
		return false, s.conn.write(message{ID: &null, Error: &responseError{parseError, "the message is not JSON-RPC: " + err.Error()}})
	}
	if m.Method == "exit" {
		return true, nil
	}
	if m.ID == nil {
		s.notified(m)
		return false, nil
	}
	if m.Method == "" {
		return false, nil // an answer to a request that this server does not make
	}
	result, fault := s.request(m)
	answer := message{ID: m.ID, Error: fault}
	if fault == nil {
		if result == nil {
			result = json.RawMessage("null")
		}
		answer.Result = result
	}
	return false, s.conn.write(answer)
}

// notified handles a message that needs no answer. It ignores what it does not know.
func (s *server) notified(m message) {
	if !s.ready {
		return
	}
	switch m.Method {
	case "textDocument/didOpen":
		var p openParams
		if json.Unmarshal(m.Params, &p) == nil {
			s.set(p.TextDocument.URI, newText([]byte(p.TextDocument.Text), s.utf8))
		}
	case "textDocument/didChange":
		var p changeParams
		if json.Unmarshal(m.Params, &p) != nil {
			return
		}
		if d := s.docs[p.TextDocument.URI]; d != nil {
			t := d.text
			for _, c := range p.ContentChanges {
				t = t.change(c)
			}
			s.set(p.TextDocument.URI, t)
		}
	case "textDocument/didClose":
		var p documentParams
		if json.Unmarshal(m.Params, &p) == nil {
			delete(s.docs, p.TextDocument.URI)
			_ = s.publish(p.TextDocument.URI, []diagnostic{}) // the next write reports the error
		}
	case "textDocument/didSave", "workspace/didChangeWatchedFiles":
		// A file of labels may have changed.
		for uri, d := range s.docs {
			s.set(uri, d.text)
		}
		slices.Sort(s.changed)
	}
}

// set gives a document a text, whose problems are reported later.
func (s *server) set(uri string, t *text) {
	s.docs[uri] = &document{uri: uri, text: t, read: s.read}
	if !slices.Contains(s.changed, uri) {
		s.changed = append(s.changed, uri)
	}
}

// report sends the problems of the texts that have changed.
func (s *server) report() error {
	for _, uri := range s.changed {
		if d := s.docs[uri]; d != nil {
			if err := s.publish(uri, d.diagnostics()); err != nil {
				return err
			}
		}
	}
	s.changed = s.changed[:0]
	return nil
}

func (s *server) publish(uri string, list []diagnostic) error {
	b, err := json.Marshal(publishParams{uri, list})
	if err != nil {
		return err
	}
	return s.conn.write(message{Method: "textDocument/publishDiagnostics", Params: b})
}

// features are the requests about a document.
var features = map[string]func(s *server, d *document, p documentParams) (any, *responseError){
	"textDocument/hover": func(s *server, d *document, p documentParams) (any, *responseError) { return d.hover(p.Position), nil },
	"textDocument/completion": func(s *server, d *document, p documentParams) (any, *responseError) {
		return d.complete(p.Position, s.snippets), nil
	},
	"textDocument/definition": func(s *server, d *document, p documentParams) (any, *responseError) {
		return d.definition(p.Position), nil
	},
	"textDocument/references": func(s *server, d *document, p documentParams) (any, *responseError) {
		return d.references(p.Position, p.Context.IncludeDeclaration), nil
	},
	"textDocument/documentHighlight": func(s *server, d *document, p documentParams) (any, *responseError) {
		return d.highlights(p.Position), nil
	},
	"textDocument/prepareRename": func(s *server, d *document, p documentParams) (any, *responseError) {
		return d.renamed(p.Position), nil
	},
	"textDocument/rename": func(s *server, d *document, p documentParams) (any, *responseError) {
		return d.rename(p.Position, p.NewName)
	},
	"textDocument/documentSymbol":      func(s *server, d *document, p documentParams) (any, *responseError) { return d.symbols(), nil },
	"textDocument/foldingRange":        func(s *server, d *document, p documentParams) (any, *responseError) { return d.folds(), nil },
	"textDocument/formatting":          func(s *server, d *document, p documentParams) (any, *responseError) { return d.format() },
	"textDocument/inlayHint":           func(s *server, d *document, p documentParams) (any, *responseError) { return d.hints(p.Range), nil },
	"textDocument/codeAction":          func(s *server, d *document, p documentParams) (any, *responseError) { return d.actions(p.Range), nil },
	"textDocument/semanticTokens/full": func(s *server, d *document, p documentParams) (any, *responseError) { return d.tokens(), nil },
}

// request answers a request.
func (s *server) request(m message) (any, *responseError) {
	switch {
	case m.Method == "initialize" && s.ready:
		return nil, &responseError{invalidRequest, "initialize may be sent once"}
	case m.Method == "initialize":
		return s.initialize(m.Params)
	case !s.ready:
		return nil, &responseError{notInitialized, "the first request must be initialize"}
	case s.shutdown:
		return nil, &responseError{invalidRequest, "there was a shutdown"}
	case m.Method == "shutdown":
		s.shutdown = true
		return nil, nil
	}
	f := features[m.Method]
	if f == nil {
		return nil, &responseError{methodNotFound, "unknown method " + m.Method}
	}
	var p documentParams
	if err := json.Unmarshal(m.Params, &p); err != nil {
		return nil, &responseError{invalidParams, "params of " + m.Method + ": " + err.Error()}
	}
	d := s.docs[p.TextDocument.URI]
	if d == nil {
		return nil, &responseError{invalidParams, fmt.Sprintf("%q is not open", p.TextDocument.URI)}
	}
	return f(s, d, p)
}

func (s *server) initialize(params json.RawMessage) (any, *responseError) {
	var p initializeParams
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, &responseError{invalidParams, "params of initialize: " + err.Error()}
	}
	s.ready = true
	s.snippets = p.Capabilities.TextDocument.Completion.CompletionItem.SnippetSupport
	encoding := "utf-16"
	if slices.Contains(p.Capabilities.General.PositionEncodings, "utf-8") {
		s.utf8, encoding = true, "utf-8"
	}
	return map[string]any{
		"serverInfo": s.info,
		"capabilities": map[string]any{
			"positionEncoding":           encoding,
			"textDocumentSync":           map[string]any{"openClose": true, "change": 2, "save": true},
			"hoverProvider":              true,
			"completionProvider":         map[string]any{"triggerCharacters": []string{" ", "=", ">", "{", ","}},
			"definitionProvider":         true,
			"referencesProvider":         true,
			"documentHighlightProvider":  true,
			"renameProvider":             map[string]any{"prepareProvider": true},
			"documentSymbolProvider":     true,
			"foldingRangeProvider":       true,
			"documentFormattingProvider": true,
			"inlayHintProvider":          true,
			"codeActionProvider":         map[string]any{"codeActionKinds": []string{"quickfix"}},
			"semanticTokensProvider":     map[string]any{"full": true, "legend": map[string]any{"tokenTypes": tokenTypes, "tokenModifiers": []string{}}},
		},
	}, nil
}
