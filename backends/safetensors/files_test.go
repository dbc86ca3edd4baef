package safetensors

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSaveTensors: a link keeps leading to the file, which is replaced and keeps its
// permissions. Folders, and folders under the temporary name, are never replaced.
func TestSaveTensors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	save := func(name string) error {
		return SaveTensors(at(name), nil, []TensorInfo{{Name: "w", Shape: []int{2}}}, func(dst []float32, _ int) error {
			dst[0], dst[1] = 1, 2
			return nil
		})
	}
	refused := func(name, want string) {
		t.Helper()
		if err := save(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	must(save("new"))
	want, err := os.ReadFile(at("new"))
	must(err)
	must(os.Mkdir(at("folder"), 0o755))
	refused("folder", "not a regular file")
	must(os.Mkdir(at("busy.tmp"), 0o755))
	refused("busy", "not a regular file")

	must(os.Mkdir(at("store"), 0o755))
	must(os.WriteFile(at("store/real"), []byte("old"), 0o640))
	before, err := os.Stat(at("store/real"))
	must(err)
	if err := os.Symlink(filepath.Join("store", "real"), at("link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	must(save("link"))
	if to, err := os.Readlink(at("link")); err != nil || to != filepath.Join("store", "real") {
		t.Error("the link was replaced: ", to, err)
	}
	if got, err := os.ReadFile(at("store/real")); err != nil || string(got) != string(want) {
		t.Error("the file behind the link was not written: ", err)
	}
	if after, err := os.Stat(at("store/real")); err != nil || after.Mode() != before.Mode() {
		t.Errorf("mode %v, want %v: %v", after.Mode(), before.Mode(), err)
	}
	must(os.Symlink("nothing", at("dangling")))
	refused("dangling", "nothing")
	// A link under the temporary name leads to a file that must not change.
	must(os.Symlink(filepath.Join("store", "real"), at("other.tmp")))
	must(os.WriteFile(at("store/real"), []byte("precious"), 0o640))
	must(save("other"))
	if got, err := os.ReadFile(at("store/real")); err != nil || string(got) != "precious" {
		t.Errorf("the file behind the temporary name is now %q: %v", got, err)
	}
}
