package server

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"
)

// part is a part of a form: a file where it has a file name, else a field.
type part struct{ field, file, data string }

func formOf(t testing.TB, parts ...part) (body []byte, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		create := w.CreateFormField
		if p.file != "" {
			create = func(field string) (io.Writer, error) { return w.CreateFormFile(field, p.file) }
		}
		to, err := create(p.field)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(to, p.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

// TestUploads checks the answers to forms with one and several pictures, with pictures that
// cannot be read, and to requests for a number of classes. All budgets are free at the end.
func TestUploads(t *testing.T) {
	n := testNetwork(nil)
	n.batch = 4
	s := testServer(t, n, limits{memory: 16 << 20, queue: maxFormFiles})
	h := s.handler()
	a, b, unlucky, broken := string(gray(t, 7)), string(gray(t, 9)), string(gray(t, 13)), string(gray(t, 17))
	many := make([]part, maxFormFiles+1)
	for i := range many {
		many[i] = part{"f", "x.png", a}
	}
	for name, c := range map[string]struct {
		query string
		parts []part // a form, or
		body  string
		kind  string
		code  int
		want  string
		most  int // how long the answer may be, if not 0
	}{
		"one":               {parts: []part{{"picture", "cat.png", a}}, code: 200, want: `[{"picture":"cat.png","top":7}]`},
		"two":               {parts: []part{{"data", "a.png", b}, {"data", "b.png", a}}, code: 200, want: `[{"picture":"a.png","top":9},{"picture":"b.png","top":7}]`},
		"k in the form":     {query: "?k=1", parts: []part{{"k", "", "1"}, {"x", "a.png", b}}, code: 200, want: `[{"picture":"a.png","top":1009}]`},
		"k in the query":    {query: "?k=1", parts: []part{{"x", "a.png", b}}, code: 200, want: `[{"picture":"a.png","top":1009}]`},
		"one cannot be":     {parts: []part{{"x", "a.png", b}, {"x", "</script>", "text"}, {"x", "c", unlucky}}, code: 200, want: `[{"picture":"a.png","top":9},{"picture":"script\u003e","error":"not a PNG, JPEG or GIF picture"},{"picture":"c","error":"an unlucky picture"}]`},
		"a broken network":  {parts: []part{{"x", "a.png", b}, {"x", "b", broken}}, code: 500, want: "the network failed: a broken network"},
		"as many as can be": {parts: many[:maxFormFiles], code: 200},
		"too many":          {parts: many, code: 400, want: "the form has more than 64 files"},
		"k twice, the same": {query: "?k=1", parts: []part{{"k", "", "1"}, {"k", "", "1"}, {"x", "a.png", b}}, code: 400, want: "the form has more than one field k"},
		"an empty body":     {body: "", code: 400, want: "the body is empty: send the bytes of a picture, such as curl --data-binary @cat.jpg"},
		"no file":           {parts: []part{{"k", "", "1"}}, code: 400, want: "the form has no files"},
		"another field":     {parts: []part{{"top", "", "1"}}, code: 400, want: `the field "top" of the form is no file (want files, and at most the field k)`},
		"a wrong k":         {parts: []part{{"k", "", "2"}}, code: 400, want: `k is "2" (want a number from 1 to 1)`},
		"breaks off":        {body: "--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nabc", kind: "multipart/form-data; boundary=x", code: 400, want: "the form cannot be read: unexpected EOF"},
		"another boundary":  {body: "--y\r\n\r\nabc\r\n--y--\r\n", kind: "multipart/form-data; boundary=x", code: 400, want: "the form cannot be read: it ends before the boundary that its Content-Type names"},
		"a long head":       {body: "--x\r\n" + strings.Repeat("A", 1<<16) + "\r\n\r\n--x--", kind: "multipart/form-data; boundary=x", code: 400, most: 300},
		"no boundary":       {body: "--x", kind: "multipart/form-data", code: 400, want: "the Content-Type cannot be read: it has no boundary"},
		"large":             {parts: []part{{"x", "a", strings.Repeat("x", 3<<20)}}, code: 413},
		"a body":            {query: "?k=1", body: a, kind: "application/x-www-form-urlencoded", code: 200, want: "1007"},
		"k of a body":       {query: "?k=0", body: a, code: 400, want: `k is "0" (want a number from 1 to 1)`},
		"two of k":          {query: "?k=1&k=1", body: a, code: 400, want: `unknown parameter "k" (want at most k=N, once)`},
		"another parameter": {query: "?top=1", body: a, code: 400, want: `unknown parameter "top" (want at most k=N, once)`},
		"a broken query":    {query: "?%zz", body: a, code: 400},
	} {
		body, kind := []byte(c.body), c.kind
		if c.parts != nil {
			body, kind = formOf(t, c.parts...)
		}
		r := httptest.NewRequest("POST", "http://127.0.0.1:80/classify", bytes.NewReader(body))
		r.URL.RawQuery = strings.TrimPrefix(c.query, "?")
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := strings.TrimSpace(w.Body.String()); w.Code != c.code || c.want != "" && got != c.want || c.most > 0 && len(got) > c.most {
			t.Errorf("%s: status %d, %.999s, want %d, %s", name, w.Code, got, c.code, c.want)
		}
		checkIdle(t, s, name)
	}
	// Where other requests take all places, the whole form is to come again.
	if !s.places.try(s.places.total - 1) {
		t.Fatal("the places are not free")
	}
	body, kind := formOf(t, part{"x", "a", a}, part{"x", "b", a}, part{"x", "c", a}, part{"x", "d", unlucky})
	r := httptest.NewRequest("POST", "http://127.0.0.1/classify", bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	for range 100 { // the pictures may use the last place one after another
		w := httptest.NewRecorder()
		r.Body = nopCloser{bytes.NewReader(body)}
		h.ServeHTTP(w, r)
		if w.Code == 503 && w.Header().Get("Retry-After") == "1" {
			return
		}
		if w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
	t.Error("no form was told to come again")
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// TestTwoNumbers: a query and a form that ask for different numbers of classes are refused.
func TestTwoNumbers(t *testing.T) {
	n := testNetwork(nil)
	n.classes = 5
	s := testServer(t, n, limits{memory: 16 << 20, queue: 1})
	body, kind := formOf(t, part{"k", "", "1"}, part{"x", "a.png", string(gray(t, 7))})
	r := httptest.NewRequest("POST", "http://127.0.0.1/classify?k=3", bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	if got := w.Body.String(); w.Code != 400 || got != "the query asks for k=3 and the form for k=1 (want one of them)\n" {
		t.Errorf("status %d: %s", w.Code, got)
	}
	checkIdle(t, s, "two numbers")
}
