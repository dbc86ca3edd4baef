//go:build unix

package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestWriteModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o027))
	path := filepath.Join(t.TempDir(), "a")
	mode := func(want fs.FileMode) {
		t.Helper()
		if fi, err := os.Stat(path); err != nil || fi.Mode() != want {
			t.Errorf("%v, %v, want %v", fi.Mode(), err, want)
		}
	}
	must(t, Write(path, text("new")))
	mode(0o640)
	for _, m := range []fs.FileMode{0o600, 0o664, 0o755} {
		must(t, os.Chmod(path, m))
		must(t, Write(path, text("again")))
		mode(m)
	}
	must(t, os.Chmod(path, 0o444))
	err := Write(path, text("x"))
	if os.Getuid() == 0 {
		must(t, err) // root may
		mode(0o444)
	} else if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a file that may not be written: %v", err)
	}
}

// A pipe is written to and stays a pipe.
func TestWriteFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("the system makes no FIFOs: %v", err)
	}
	got := make(chan string)
	go func() {
		b, err := os.ReadFile(path)
		got <- string(b) + ", " + strconv.FormatBool(err == nil)
	}()
	must(t, Write(path, text("through the pipe")))
	if s := <-got; s != "through the pipe, true" {
		t.Errorf("read %q", s)
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("now it is %v, %v", fi.Mode(), err)
	}
}

// Writing to /dev/fd/N, or to a link to it, continues at the position of the open file.
func TestWriteDescriptor(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "out")
	f, err := os.Create(file)
	must(t, err)
	defer f.Close()
	must(t, text("head ")(f))
	// A second descriptor, which Write may keep.
	fd, err := syscall.Dup(int(f.Fd()))
	must(t, err)
	name := "/dev/fd/" + strconv.Itoa(fd)
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(name, link))
	for _, path := range []string{name, link} {
		if n, ok := Descriptor(path); !ok || n != fd {
			t.Fatalf("%s is descriptor %d, %v", path, n, ok)
		}
		must(t, Write(path, text(filepath.Base(path)+" ")))
	}
	must(t, text("tail")(f))
	holds(t, file, "head "+strconv.Itoa(fd)+" link tail")
	if _, err := os.Readlink(link); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]int{"/dev/stdout": 1, "/dev/stderr": 2, "/dev/fd/1": 1, "/proc/self/fd/1": 1, "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/1": 1,
		"stdout": -1, "/dev/null": -1, "/dev/fd": -1, "/proc/1/fd/1": -1, filepath.Join(dir, "none"): -1} {
		if path == "/proc/1/fd/1" && os.Getpid() == 1 {
			continue
		}
		if n, ok := Descriptor(path); n != want && (ok || want >= 0) {
			t.Errorf("%s is descriptor %d, %v; want %d", path, n, ok, want)
		}
	}
	if err := Write("/dev/fd/987", text("x")); err == nil || !strings.Contains(err.Error(), "write /dev/fd/987: ") {
		t.Errorf("a descriptor that is not open: %v", err)
	}
}

// The links of /proc to open files of other processes are opened, not followed by
// their text.
func TestWriteOpenFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "out")
	f, err := os.Create(file)
	must(t, err)
	defer f.Close()
	proc := "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(f.Fd()))
	if _, err := os.Stat(proc); err != nil {
		t.Skipf("the system shows no open files: %v", err)
	}
	must(t, os.Remove(file))
	// The text of a link to a deleted file is not a path.
	to, err := os.Readlink(proc)
	must(t, err)
	if !strings.HasSuffix(to, "(deleted)") {
		t.Fatalf("%s", to)
	}
	got := settle(proc, target{path: to, fd: -1})
	if !got.inPlace || got.path != proc {
		t.Fatalf("%+v", got)
	}
	must(t, got.write(text("deleted")))
	b, err := io.ReadAll(f)
	if err != nil || string(b) != "deleted" {
		t.Errorf("%q, %v", b, err)
	}
}
