package sources

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSources: of every package of the run time, each file that is built is embedded as it is,
// but for the file that embeds; and what these files import is the standard library or a package
// of the run time.
func TestSources(t *testing.T) {
	const module = "github.com/incc-lang/incc/"
	packages := Runtime()
	for path, embedded := range packages {
		dir := filepath.Join("..", "..", "..", filepath.FromSlash(strings.TrimPrefix(path, module)))
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		files := 0
		for _, e := range list {
			name := e.Name()
			if ext := filepath.Ext(name); e.IsDir() || ext != ".go" && ext != ".s" || strings.HasSuffix(name, "_test.go") || name == "sources.go" {
				continue
			}
			files++
			want, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if have, err := fs.ReadFile(embedded, name); err != nil || string(have) != string(want) {
				t.Errorf("%s/%s is not embedded as it is (%v): change sources.go there", path, name, err)
			}
			if filepath.Ext(name) == ".s" {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, want, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, im := range f.Imports {
				p, err := strconv.Unquote(im.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") && packages[p] == nil {
					t.Errorf("%s/%s imports %s, which is not part of the run time", path, name, p)
				}
			}
		}
		have, err := fs.ReadDir(embedded, ".")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range have {
			if strings.HasSuffix(e.Name(), "_test.go") {
				t.Errorf("%s embeds the test %s", path, e.Name())
			}
			if e.Name() == "sources.go" {
				files++ // the patterns of some packages match it, too
			}
		}
		if len(have) != files {
			t.Errorf("%s: %d files are embedded, the folder has %d", path, len(have), files)
		}
	}
}
