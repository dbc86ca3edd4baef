package train

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/files"
)

// TestWriteWeightsOnDisk writes weights over links and over files with permissions
// of their own, and refuses everything that is not a regular file.
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

	if err := os.WriteFile(at("store/weights"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(at("store/weights"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..", "store", "weights"), at("run/link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	if err := os.Symlink(filepath.Join("..", "store", "new"), at("run/dangling")); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"run/link": "store/weights", "run/dangling": "store/new"} {
		if err := write(link); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(at(link)); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no longer a link: %v, %v", link, info.Mode(), err)
		}
		if b, err := os.ReadFile(at(to)); err != nil || string(b) != string(want) {
			t.Errorf("%s holds %d bytes, want %d: %v", to, len(b), len(want), err)
		}
	}
	if after, err := os.Stat(at("store/weights")); err != nil || after.Mode() != before.Mode() {
		t.Errorf("mode %v, want %v: %v", after.Mode(), before.Mode(), err)
	}

	mkdir("run/folder")
	if err := write("run/folder"); !errors.Is(err, files.ErrNotRegular) || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
	// A link under the temporary name is not followed.
	if err := os.Symlink(filepath.Join("..", "store", "weights"), at("run/plain.tmp")); err != nil {
		t.Fatal(err)
	}
	if err := write("run/plain"); !errors.Is(err, files.ErrNotRegular) || !strings.Contains(err.Error(), "is a symbolic link") {
		t.Error(err)
	}
}
