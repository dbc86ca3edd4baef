package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holds checks the contents of a file, and that no temporary file is left in its folder.
func holds(t *testing.T, path, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != want {
		t.Fatalf("%s holds %q, %v; want %q", path, b, err, want)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left over", e.Name())
		}
	}
}

func TestWriteNewAndOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	must(t, Write(path, text("one")))
	holds(t, path, "one")
	must(t, Write(path, text("two")))
	holds(t, path, "two")
	long := filepath.Join(filepath.Dir(path), strings.Repeat("n", 250))
	must(t, Write(long, text("long")))
	holds(t, long, "long")
}

// After an error of the callback the old file is unchanged, and Write returns that error.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	must(t, Write(path, text("old")))
	mine := &fs.PathError{Op: "read", Path: "weights", Err: io.ErrUnexpectedEOF}
	err := Write(path, func(w io.Writer) error {
		if err := text("half")(w); err != nil {
			return err
		}
		return mine
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != mine.Error() {
		t.Errorf("%v", err)
	}
	holds(t, path, "old")
	for path, want := range map[string]string{
		filepath.Join(dir, "no", "a"): "write " + filepath.Join(dir, "no", "a") + ": ",
		dir:                           "it is a folder, not a file",
		dir + "/":                     "it is a folder, not a file",
		filepath.Join(path, "a"):      "write " + filepath.Join(path, "a") + ": ",
	} {
		err := Write(path, text("x"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	holds(t, path, "old")
}

func TestWriteThroughLinks(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "real", "deep"), 0o755))
	link := func(to, at string) string {
		at = filepath.Join(dir, at)
		if err := os.Symlink(to, at); err != nil {
			t.Skipf("the system makes no symbolic links: %v", err)
		}
		return at
	}
	must(t, Write(filepath.Join(dir, "real", "old"), text("old")))
	for _, c := range []struct{ at, to, file string }{
		{"old", "real/old", "real/old"},
		{"chain", "old", "real/old"},
		{"new", "real/new", "real/new"}, // leads to a file that is to be made
		{"absolute", filepath.Join(dir, "real", "third"), "real/third"},
		{"folder", "real/deep", ""},
		{"folder/up", "../fourth", "real/fourth"}, // the .. of the folder behind the link
		{"dots", "folder/../fifth", "real/fifth"},
	} {
		at := link(c.to, c.at)
		if c.file == "" {
			continue
		}
		must(t, Write(at, text(c.at)))
		holds(t, filepath.Join(dir, c.file), c.at)
		if to, err := os.Readlink(at); err != nil || to != c.to {
			t.Errorf("%s leads to %q, %v", c.at, to, err)
		}
		if to, err := Resolve(at); err != nil || !Same(to, filepath.Join(dir, c.file)) {
			t.Errorf("%s resolves to %q, %v", c.at, to, err)
		}
	}
	loop := link("loop", "loop")
	if err := Write(loop, text("x")); err == nil {
		t.Error("a loop of links was written")
	}
	if err := Write(link("real/none/file", "dangling"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link into a folder that is not there: %v", err)
	}
}

// Another hard link to a file keeps the old contents, because Write replaces the file.
func TestWriteHardLink(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	must(t, Write(a, text("old")))
	if err := os.Link(a, b); err != nil {
		t.Skipf("the system makes no hard links: %v", err)
	}
	must(t, Write(a, text("new")))
	holds(t, a, "new")
	holds(t, b, "old")
}

// In a folder that does not allow new files, an existing file is overwritten in place.
func TestWriteInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	must(t, Write(path, text("a longer old content")))
	before, err := os.Stat(path)
	must(t, err)
	defer func(f func(string, fs.FileMode) (*os.File, error)) { createTemp = f }(createTemp)
	createTemp = func(path string, _ fs.FileMode) (*os.File, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	must(t, Write(path, text("new")))
	holds(t, path, "new")
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("another file, %v", err)
	}
	err = Write(path, func(w io.Writer) error { return errors.New("no space") })
	if err == nil || !strings.Contains(err.Error(), "no space; the file is incomplete") {
		t.Errorf("%v", err)
	}
	if err := Write(filepath.Join(filepath.Dir(path), "b"), text("x")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a new file: %v", err)
	}
}

// TestReplace: Replace replaces a link and does not change the file that it leads to. A
// directory is an error. A file keeps its permissions.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(path string) error {
		return Replace(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err })
	}
	check := func(name, want string) {
		t.Helper()
		if b, err := os.ReadFile(at(name)); err != nil || string(b) != want {
			t.Errorf("%s holds %q, want %q: %v", name, b, want, err)
		}
	}
	if err := os.WriteFile(at("old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(at("old"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"old", "none"} {
		if err := put(at(name)); err != nil {
			t.Fatal(err)
		}
		check(name, "new")
	}
	if after, err := os.Stat(at("old")); err != nil || after.Mode() != before.Mode() {
		t.Errorf("mode %v, want %v: %v", after.Mode(), before.Mode(), err)
	}
	if err := put(dir); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a directory: %v", err)
	}
	if err := os.WriteFile(at("precious"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "precious", "dangling": "missing", "loop": "loop"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
		if err := put(at(link)); err != nil {
			t.Fatal(err)
		}
		check(link, "new")
		if info, err := os.Lstat(at(link)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is still a link: %v", link, err)
		}
	}
	check("precious", "precious")
	if _, err := os.Lstat(at("missing")); err == nil {
		t.Error("the file behind a dangling link was made")
	}
}

// TestWritable: what cannot be written is known before, and asking changes nothing.
func TestWritable(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	must(t, os.WriteFile(old, []byte("old"), 0o644))
	for path, ok := range map[string]bool{old: true, filepath.Join(dir, "new"): true, dir: false, filepath.Join(dir, "none", "new"): false, filepath.Join(old, "new"): false} {
		if err := Writable(path); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
	holds(t, old, "old")
	if l, err := os.ReadDir(dir); err != nil || len(l) != 1 {
		t.Errorf("the folder has %d files, %v", len(l), err)
	}
}
