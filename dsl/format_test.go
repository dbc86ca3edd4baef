package dsl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormat formats testdata/fmt/*.in and compares with *.incc. Formatting these does not
// change them.
func TestFormat(t *testing.T) {
	files, err := filepath.Glob("testdata/fmt/*.in")
	if err != nil || len(files) == 0 {
		t.Fatal("no texts", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, l := Parse(file, src)
		if len(l) > 0 {
			t.Errorf("%s", show(file, src, l))
			continue
		}
		golden(t, strings.TrimSuffix(file, ".in")+".incc", string(f.Format()))
		roundTrip(t, f, src)
	}
}

func TestFormatRefusesErrors(t *testing.T) {
	if out, l := Format("x.incc", []byte("net a\nconv 3x3 act=\n")); out != nil || !l.HasErrors() {
		t.Errorf("formatted to %q, %v", out, l)
	}
}

func TestFormatWritesLF(t *testing.T) {
	out, l := Format("x.incc", []byte("\ufeffnet a\r\n\r\n\r\nconv 3x3 8 # x \r\n"))
	if want := "net a\n\nconv 3x3 8  # x\n"; l.HasErrors() || string(out) != want {
		t.Errorf("%q, want %q; %v", out, want, l)
	}
}
