package diag

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s\n--- want\n%s\n--- got\n%s", file, want, got)
	}
}

func at(file string, line, col, n int) Span { return Span{Pos{file, line, col}, n} }

// branches is the example in the comment of Renderer.
func branches() (Sources, List) {
	src := strings.Repeat("\n", 10) + "5b: concat {\n  conv 1x1 64\n  conv 1x1 48 -> conv 5x5 64\n  conv 1x1 16 -> conv 3x3/2 32\n}\n"
	var l List
	l.Errorf("E0301", at("specs/my.incc", 14, 18, 13), "branches of concat differ in height and width").
		WithLabel("this branch is 14x14").
		Relate(at("specs/my.incc", 12, 3, 11), "the others are 28x28").
		Relate(Span{}, "nowhere").
		WithHelp("drop the stride, or give every branch /2").
		WithHelp("")
	return Sources{"specs/my.incc": []byte(src)}, l
}

func TestRender(t *testing.T) {
	src, l := branches()
	const want = `specs/my.incc:14:18: error[E0301]: branches of concat differ in height and width
   |
14 |   conv 1x1 16 -> conv 3x3/2 32
   |                  ^^^^^^^^^^^^^ this branch is 14x14
12 |   conv 1x1 64
   |   ----------- the others are 28x28
   = help: drop the stride, or give every branch /2
`
	if got := (&Renderer{Sources: src}).String(l); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestRenderAll renders difficult lines (tabs, wide runes, controls, half a megabyte)
// and spans at the limits of a line or outside of the text.
func TestRenderAll(t *testing.T) {
	long := strings.Repeat("conv 1x1 64 -> ", 40)
	src := Sources{
		"a.incc": []byte("\ufeffnet a\r\n\tconv\t3x3\tact=relu\n\"猫\" 大 e\u0301 wrong here\nbell \x07 \x1b[31m \xff\u202e end\n" + long + "\nlast"),
		"long":   []byte(strings.Repeat("x", 500_000) + " here " + strings.Repeat("大", 100_000)),
		"p.incc": []byte("block inception n = conv 1x1 n\n"),
		"empty":  nil,
	}
	var l List
	l.Errorf("E0001", at("a.incc", 1, 1, 3), "behind the BOM").WithLabel("no column is lost")
	l.Errorf("E0002", at("a.incc", 2, 7, 3), "between tabs").Relate(at("a.incc", 2, 11, 8), "on the same line").Relate(at("a.incc", 2, 2, 4), "and before it")
	l.Warnf("W0003", at("a.incc", 3, 7, 3), "wide runes").WithLabel("two columns").Relate(at("a.incc", 3, 11, 3), "a combining accent").Relate(at("a.incc", 3, 15, 5), "right below")
	l.Errorf("E0004", at("a.incc", 4, 6, 1), "controls").Relate(at("a.incc", 4, 17, 3), "below the override")
	l.Errorf("E0005", at("a.incc", 5, 300, 8), "in the middle of a long line").WithLabel("here")
	l.Errorf("E0006", at("a.incc", 5, 1, 600), "a long span").WithLabel("all of it")
	l.Errorf("E0007", at("a.incc", 5, 590, 8), "at the end of a long line")
	l.Errorf("E0008", at("a.incc", 6, 5, 0), "behind the last line").WithLabel("nothing follows")
	l.Errorf("E0009", at("a.incc", 6, 99, 7), "far outside of its line")
	l.Errorf("E0010", at("a.incc", 99, 1, 1), "a line that does not exist").WithLabel("who knows").Relate(at("gone.incc", 3, 4, 5), "a file that does not exist")
	l.Errorf("E0011", at("long", 1, 500_002, 4), "in half a megabyte").Relate(at("long", 1, 1, 3), "its beginning").Relate(at("long", 1, 799_000, 3), "its end")
	l.Errorf("E0012", at("a.incc", 6, 1, 4), "what came from elsewhere").Relate(at("p.incc", 1, 21, 4), "the prelude says so").Relate(at("a.incc", 1, 1, 3), "and this file too")
	l.Errorf("E0013", Span{Pos: Pos{File: "model.onnx"}}, "a file without lines").WithHelp("help of\nseveral lines\t\x1b[31m")
	l.Errorf("", Span{}, "no place and no code")
	l.Errorf("E0014", at("empty", 1, 1, 0), "an empty file")
	l.Errorf("E0015", at("evil\x1b[31m\n.incc", 1, 1, 0), "a name with \x1b[31m, %s", Quote("\x1b[0m\u202e\n"))
	golden(t, "testdata/render.txt", (&Renderer{Sources: src}).String(l))
	golden(t, "testdata/render_narrow.txt", (&Renderer{Sources: src, Width: 40, Max: 7}).String(l))
	for line := range strings.Lines((&Renderer{Sources: src, Width: 40}).String(l)) {
		text, cells, _ := strings.Cut(line, "| ")
		if strings.Trim(text, " 0123456789") != "" || strings.Contains(cells, "^") || strings.Contains(cells, "---") {
			continue
		}
		w := 0
		for _, r := range strings.TrimRight(cells, "\n") {
			w += columns(r)
		}
		if w > 40+4 {
			t.Errorf("%d columns: %s", w, line)
		}
	}
}

func TestRenderColor(t *testing.T) {
	src, l := branches()
	l.Warnf("W0001", at("specs/my.incc", 12, 3, 4), "a warning")
	got := (&Renderer{Sources: src, Color: true, Max: 1}).String(l)
	golden(t, "testdata/color.txt", strings.ReplaceAll(got, "\x1b", "<ESC>"))
	plain := got
	for _, sgr := range []string{"1;31", "1;33", "1", "34", "0"} {
		plain = strings.ReplaceAll(plain, "\x1b["+sgr+"m", "")
	}
	if want := (&Renderer{Sources: src, Max: 1}).String(l); plain != want {
		t.Errorf("colour changes the text\n%s\n%s", plain, want)
	}
}

func TestRenderTellsOfAFailedWrite(t *testing.T) {
	_, l := branches()
	if err := (&Renderer{}).Render(badWriter{}, l); err == nil {
		t.Error("no error")
	}
	if err := l.WriteJSON(badWriter{}); err == nil {
		t.Error("no error")
	}
}

type badWriter struct{}

func (badWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestJSON(t *testing.T) {
	_, l := branches()
	l[0].Suggest(at("specs/my.incc", 14, 26, 2), "")
	l.Warnf("W0001", at("evil\x1b\u202e\u0085\U000e0001.incc", 1, 2, 0), "a \"quoted\" <warning>\n\x7f")
	var b strings.Builder
	if err := l.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/problems.jsonl", b.String())
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != len(l) {
		t.Fatalf("%d lines for %d problems", len(lines), len(l))
	}
	var back struct {
		File, Message string
		Line, Col     int
		EndCol        int `json:"end_col"`
	}
	if err := json.Unmarshal([]byte(lines[1]), &back); err != nil {
		t.Fatal(err)
	}
	if d := l[1]; back.File != d.Span.File || back.Message != d.Summary || back.Line != 1 || back.Col != 2 || back.EndCol != 2 {
		t.Errorf("came back as %+v", back)
	}
}

func TestList(t *testing.T) {
	var l List
	if l.Err() != nil || l.Error() != "no problems" || l.Tally() != "0 errors" {
		t.Errorf("%v %q %q", l.Err(), l.Error(), l.Tally())
	}
	l.Warnf("W1", at("b", 2, 1, 1), "later")
	if l.Err() != nil || l.Error() != "1 warning" || l.Tally() != "1 warning" {
		t.Errorf("%v %q %q", l.Err(), l.Error(), l.Tally())
	}
	l.Warnf("W1", at("a", 1, 1, 1), "a warning")
	l.Errorf("E2", at("a", 1, 1, 1), "after it, and first")
	l.Errorf("E1", at("a", 9, 1, 1), "twice")
	l.Errorf("E1", at("a", 9, 1, 1), "twice")
	l.Errorf("E1", at("a", 9, 1, 1), "not twice")
	l.Errorf("E1", at("a", 10, 1, 1), "lines are numbers")
	l.Errorf("E1", at("a", 9, 2, 1), "columns too")
	l.Sort()
	var got []string
	for _, d := range l {
		got = append(got, d.Error())
	}
	want := `a:1:1: error[E2]: after it, and first
a:1:1: warning[W1]: a warning
a:9:1: error[E1]: not twice
a:9:1: error[E1]: twice
a:9:2: error[E1]: columns too
a:10:1: error[E1]: lines are numbers
b:2:1: warning[W1]: later`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	err := l.Err()
	if want := "a:1:1: error[E2]: after it, and first (and 4 more errors)"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	var back List
	if !errors.As(fmt.Errorf("reading: %w", err), &back) || len(back) != len(l) || back.Tally() != "5 errors, 2 warnings" {
		t.Errorf("%v", back.Tally())
	}
}

func TestSpan(t *testing.T) {
	a, b := at("a", 3, 5, 2), at("a", 3, 10, 4)
	if s := a.To(b); s != at("a", 3, 5, 9) {
		t.Errorf("%v", s)
	}
	for _, other := range []Span{at("a", 4, 10, 1), at("b", 3, 10, 1), at("a", 3, 1, 1), {}} {
		if s := a.To(other); s != a {
			t.Errorf("to %v: %v", other, s)
		}
	}
	if s := a.After(); s != at("a", 3, 7, 0) {
		t.Errorf("%v", s)
	}
	for p, want := range map[Pos]string{{}: "-", {File: "f"}: "f", {"f", 1, 2}: "f:1:2", {"", 1, 2}: "1:2"} {
		if p.String() != want {
			t.Errorf("%q, want %q", p.String(), want)
		}
	}
}

func TestNearest(t *testing.T) {
	ops := []string{"conv", "concat", "maxpool", "avgpool", "relu", "gap", "fc", "dropout", "softmax", "inception_3x3"}
	for name, want := range map[string]string{
		"cov": "conv", "convv": "conv", "cnov": "conv", "Conv": "conv", "CONV": "", "maxpol": "maxpool", "max_pool": "maxpool",
		"avgpol": "avgpool", "concta": "concat", "drpout": "dropout", "fx": "fc", "x": "", "": "", "batchnorm": "",
		"conv2d": "conv", "soft_max": "softmax", "conv\x1b": "conv", "inception3x3": "inception_3x3", "gpa": "gap",
		strings.Repeat("x", 1000): "",
	} {
		if got, ok := Nearest(name, ops); got != want || ok != (want != "") {
			t.Errorf("%q is near %q, want %q", name, got, want)
		}
	}
	if got, _ := Nearest("bar", []string{"", "bar", "baz", "bat", strings.Repeat("b", 500)}); got != "baz" {
		t.Errorf("of equals: %q", got)
	}
	if got := DidYouMean("cov", ops); got != `did you mean "conv"?` {
		t.Error(got)
	}
	if got := DidYouMean("nothing like it", ops); got != "" {
		t.Error(got)
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"conv": `"conv"`, "größe 大": `"größe 大"`, "a\x1b[31mb": `"a\x1b[31mb"`, "\u202e": `"\u202e"`, "\xff": `"\xff"`, `"`: `"\""`, "a\u034f": `"a\u034f"`, "\u3164": `"\u3164"`,
		strings.Repeat("a", 100): `"` + strings.Repeat("a", 30) + "…" + strings.Repeat("a", 30) + `"`,
	} {
		if got := Quote(s); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := Printable("a\x1b\u202e\xffé\t"); got != "a<U+001B><U+202E><FF>é<U+0009>" {
		t.Error(got)
	}
	for _, c := range []struct {
		name string
		pos  Pos
		want string
	}{
		{"a b.incc", Pos{"", 1, 2}, "a b.incc:1:2"}, {"", Pos{"", 1, 2}, "-:1:2"}, {"a\nb", Pos{}, `"a\nb"`}, {"大.incc", Pos{}, "大.incc"},
	} {
		if got := Path(c.name, c.pos); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add("net a\n\tconv\t3x3\n", 2, 3, 4, 10)
	f.Add("猫\x1b\xff\u202e", 1, 2, 100, 1)
	f.Fuzz(func(t *testing.T, src string, line, col, n, width int) {
		l := List{{Span: at("x", line, col, n), Summary: src, Label: src, Related: []Related{{at("x", 1, 1, n), src}}, Help: []string{src}}}
		got := (&Renderer{Sources: Sources{"x": []byte(src)}, Width: width % 1000}).String(l)
		got += (&Renderer{Sources: Sources{"x": []byte(src)}, Columns: width % 200}).String(l)
		for _, r := range got {
			if r != '\n' && !hasImage(r, 3) {
				t.Fatalf("%q reaches the terminal", r)
			}
		}
	})
}
