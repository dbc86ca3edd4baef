package draw

import (
	"os"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/specs"
)

func TestTry(t *testing.T) {
	for _, n := range specs.Names() {
		text, _, _ := specs.Source(n)
		g, l := dsl.Load(n, []byte(text), dsl.Options{})
		if l.HasErrors() {
			t.Fatal(l)
		}
		d, err := New(g, Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, f, e := d.Counts()
		t.Log(n, d.Width, d.Height, b, f, e)
		w, _ := os.Create("/tmp/dt/" + strings.ReplaceAll(n, "/", "_") + ".svg")
		d.SVG(w)
		w.Close()
		w, _ = os.Create("/tmp/dt/" + strings.ReplaceAll(n, "/", "_") + ".png")
		d.PNG(w, 1)
		w.Close()
		w, _ = os.Create("/tmp/dt/" + strings.ReplaceAll(n, "/", "_") + ".pdf")
		if err := d.PDF(w); err != nil {
			t.Fatal(err)
		}
		w.Close()
		d, err = New(g, Options{Right: true, Colour: ByMACs})
		if err != nil {
			t.Fatal(err)
		}
		w, _ = os.Create("/tmp/dt/" + strings.ReplaceAll(n, "/", "_") + "_r.png")
		d.PNG(w, 1)
		w.Close()
	}
}
