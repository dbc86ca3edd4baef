package train

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/files"
)

// TestWriteWeightsOnDisk: weights keep the permissions of the file that they replace,
// replace links without following them, and never replace a directory.
func TestWriteWeightsOnDisk(t *testing.T) {
	e := testEngine(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mkdir := func(name string) {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mkdir("run")
	mkdir("store")
	write := func(name string) error { return WriteWeights(Disk{}, at(name), e, nil) }
	if err := write("run/plain"); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(at("run/plain"))
	if err != nil {
		t.Fatal(err)
	}

	if err := os.Chmod(at("run/plain"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(at("run/plain"))
	if err != nil {
		t.Fatal(err)
	}
	if err := write("run/plain"); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(at("run/plain")); err != nil || after.Mode() != before.Mode() {
		t.Errorf("mode %v, want %v: %v", after.Mode(), before.Mode(), err)
	}
	mkdir("run/folder")
	if err := write("run/folder"); !errors.Is(err, files.ErrNotRegular) || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}

	// A folder from somebody else: links lead out of it, under temporary names as well.
	const precious = "precious"
	if err := os.WriteFile(at("store/weights"), []byte(precious), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join("..", "store", "weights")
	if err := os.Symlink(to, at("run/link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	for link, to := range map[string]string{"run/plain.tmp": to, "run/dangling": filepath.Join("..", "store", "new"), "run/dangling.tmp": to} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(at("store/weights"), at("run/link.tmp")); err != nil {
		t.Log("no hard links here: ", err)
	}
	for _, name := range []string{"run/plain", "run/link", "run/dangling"} {
		if err := write(name); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(at(name)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is not a regular file: %v, %v", name, info.Mode(), err)
		}
		if b, err := os.ReadFile(at(name)); err != nil || string(b) != string(want) {
			t.Errorf("%s holds %d bytes, want %d: %v", name, len(b), len(want), err)
		}
	}
	entries, err := os.ReadDir(at("store"))
	if err != nil || len(entries) != 1 {
		t.Errorf("files outside of the run: %v, %v", entries, err)
	}
	if b, err := os.ReadFile(at("store/weights")); err != nil || string(b) != precious {
		t.Errorf("a file outside of the run holds %q, %v", b, err)
	}
}
