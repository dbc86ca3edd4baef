package files

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// within fails the test if f does not return within ten seconds.
func within(t *testing.T, name string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s does not return", name)
	}
}

func TestKinds(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(at("folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	special := specials(t, dir)
	special["folder"] = "is a directory (want a regular file)"
	if os.Symlink("file", at("link")) == nil {
		if b, err := Read(at("link"), 10); err != nil || string(b) != "0123456789" {
			t.Errorf("a link to a file: %q, %v", b, err)
		}
		if err := os.Symlink("folder", at("link to a folder")); err != nil {
			t.Fatal(err)
		}
		special["link to a folder"] = "is a directory"
	}
	for name, want := range special {
		within(t, name, func() {
			path := name
			if !filepath.IsAbs(path) {
				path = at(name)
			}
			if _, err := Read(path, 10); err == nil || !errors.Is(err, ErrNotRegular) || !strings.Contains(err.Error(), want) {
				t.Errorf("Read(%s): %v, want %q", name, err, want)
			}
			if filepath.IsAbs(name) {
				return
			}
			if _, err := ReadFS(Dir(dir), name, 10); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ReadFS(%s): %v, want %q", name, err, want)
			}
			if _, err := fs.Stat(Dir(dir), name); err != nil {
				t.Errorf("Stat(%s): %v", name, err)
			}
		})
	}
	if _, err := Read(at("nothing"), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(path, 10); err != nil || string(b) != "0123456789" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Read(path, 9); err == nil || !strings.Contains(err.Error(), "holds 10 bytes; at most 9 are read") {
		t.Error(err)
	}
	// A sparse file of a terabyte takes no disk, and no memory here.
	if err := os.Truncate(path, 1<<40); err == nil {
		if _, err := Read(path, 1<<20); err == nil || !strings.Contains(err.Error(), "at most 1048576 are read") {
			t.Error(err)
		}
	}
	for size, want := range map[int64]string{9: "grew", 11: "shorter"} {
		if _, err := read(bytes.NewReader([]byte("0123456789")), "x", size, 20); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a file of %d bytes that holds 10: %v", size, err)
		}
	}
}

func TestDir(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"a": "1", "b/c": "2", "b/d/e": "3"} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := fstest.TestFS(Dir(root), "a", "b/c", "b/d/e"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"../a", "/a", "", "b/../a"} {
		if _, err := Dir(root).Open(name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
}

// A pointer of Git LFS is not read for the file that it stands for. Other small files are.
func TestPointer(t *testing.T) {
	const text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
	for content, want := range map[string]bool{text: true, text[1:]: false, "": false, text + strings.Repeat("x", 2000): false, text[:20]: false} {
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		b, err := Read(path, 1<<20)
		var p *PointerError
		if errors.As(err, &p) != want || !want && (err != nil || string(b) != content) {
			t.Errorf("%q: %v", content, err)
		}
		_, err = ReadFS(Dir(filepath.Dir(path)), "a", 1<<20)
		if errors.As(err, &p) != want {
			t.Errorf("%q as the file of a file system: %v", content, err)
		}
	}
}
