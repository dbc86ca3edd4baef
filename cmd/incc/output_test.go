package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
)

// An output file that is standard output, by any of its names, contains only the bytes of
// the file. The links of the system, such as /dev/stdout, are not replaced.
func TestOutputToStdout(t *testing.T) {
	dir := t.TempDir()
	devStdout := "/dev/stdout"
	before, err := os.Readlink(devStdout)
	if err != nil {
		t.Skipf("no link %s here: %v", devStdout, err)
	}
	// Make a link with the same text as that of the system. If incc replaced links, it
	// would replace this one.
	link := filepath.Join(dir, "stdout")
	if err := os.Symlink(before, link); err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, name := range []string{"model.onnx", "-", "stdout", devStdout, "/dev/fd/1", "/proc/self/fd/1"} {
		cmd := inccProcess(t, dir, "compile", "lenet5", "-o", name)
		var out, errw bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errw
		if name == "/proc/self/fd/1" {
			// Redirect to a file that already has a beginning, not to a pipe.
			f, err := os.Create(filepath.Join(dir, "redirected"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString("head"); err != nil {
				t.Fatal(err)
			}
			cmd.Stdout = f
		}
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, errw.String())
		}
		switch name {
		case "model.onnx":
			want = readString(t, filepath.Join(dir, name))
			if m, err := onnx.Decode([]byte(want)); err != nil || len(m.Graph.Node) == 0 {
				t.Fatalf("no model: %v", err)
			}
			if !strings.HasPrefix(out.String(), "wrote model.onnx: ") || errw.Len() > 0 {
				t.Errorf("said %q and %q", out.String(), errw.String())
			}
			continue
		case "/proc/self/fd/1":
			out.WriteString(strings.TrimPrefix(readString(t, filepath.Join(dir, "redirected")), "head"))
		}
		if out.String() != want {
			t.Errorf("%s: %d bytes, want %d", name, out.Len(), len(want))
		}
		if !strings.HasPrefix(errw.String(), "wrote ") {
			t.Errorf("%s: said %q", name, errw.String())
		}
		for path := range map[string]bool{devStdout: true, link: true} {
			if after, err := os.Readlink(path); err != nil || after != before {
				t.Fatalf("%s leads to %q now, %v", path, after, err)
			}
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "-")); err == nil {
		t.Error("there is a file called -")
	}
}

func readString(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Commands that write a file to standard output print their messages to standard error.
// Commands that write several files give an error.
func TestOutputOfCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args []string
		out  string // beginning of standard output
		err  string
	}{
		{[]string{"weights", "lenet5", "-o", "-"}, "", ""},
		{[]string{"run", "lenet5", "--input", "noise", "-o", "-"}, "\x93NUMPY", "class"},
		{[]string{"new", "lenet5", "-o", "-"}, "#", ""},
		{[]string{"compile", "lenet5", "-o", "-", "--timing"}, "\x08", "stage"},
		{[]string{"bench", "lenet5", "--time", "1ms", "--trace", "-"}, "{", "p50"},
		{[]string{"run", "lenet5", "--input", "noise", "-o", "-", "--json"}, "", "--json and --output - cannot both go to standard output"},
		{[]string{"compile", "lenet5", "-o", "-", "--external"}, "", "--output -: standard output cannot take the two files of --external"},
		{[]string{"compare", "a", "b", "-o", "-"}, "", "--output -: standard output cannot take a PNG and an SVG file"},
		{[]string{"train", "lenet5", "--data", "mnist", "--out", "-"}, "", "--out -: standard output cannot take the folder of a run"},
		{[]string{"experiment", "maxout", "--out", "-"}, "", "--out -: standard output cannot take the folders of runs"},
		{[]string{"gen", "go", "lenet5", "-o", "-"}, "", "--output -: standard output cannot take a package"},
		{[]string{"bench", "lenet5", "--cpuprofile", "-"}, "", "--cpuprofile -: standard output cannot take"},
	} {
		code, stdout, stderr := capture(t, c.args...)
		refused := strings.Contains(c.err, "standard output")
		if (code == exitUsage) != refused || (code == exitOK) == refused || !strings.HasPrefix(stdout, c.out) || (stdout == "") != refused || !strings.Contains(stderr, c.err) {
			t.Errorf("%q exits with %d\n%.60q\n%s", c.args, code, stdout, stderr)
		}
	}
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) > 0 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

// If the output is a link, the file with external weights is in the folder of the file that
// the link leads to, and the model contains the right name.
func TestOutputExternalThroughLink(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("real", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real/model.onnx", "link.onnx"); err != nil {
		t.Skipf("the system makes no symbolic links: %v", err)
	}
	if code, _, stderr := capture(t, "compile", "lenet5", "-o", "link.onnx", "--external"); code != 0 {
		t.Fatal(stderr)
	}
	if fi, err := os.Lstat("link.onnx"); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("now it is %v, %v", fi.Mode(), err)
	}
	if code, _, stderr := capture(t, "verify", "real/model.onnx", "--run"); code != 0 {
		t.Error(stderr)
	}
}

// A command does not overwrite a file that it reads.
func TestOutputOverInput(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, stderr := capture(t, "new", "lenet5", "-o", "a.incc"); code != 0 {
		t.Fatal(stderr)
	}
	if code, _, stderr := capture(t, "weights", "a.incc", "-o", "w.safetensors"); code != 0 {
		t.Fatal(stderr)
	}
	if err := os.Symlink("a.incc", "link"); err != nil {
		t.Skipf("the system makes no symbolic links: %v", err)
	}
	spec := readString(t, "a.incc")
	for _, args := range [][]string{
		{"compile", "a.incc", "-o", "a.incc"},
		{"compile", "a.incc", "-o", "./link"},
		{"compile", "a.incc", "--weights", "w.safetensors", "-o", "w.safetensors"},
		{"weights", "a.incc", "-o", "link"},
		{"run", "a.incc", "--input", "noise", "-o", "a.incc"},
		{"run", "a.incc", "--input", "noise", "--weights", "w.safetensors", "-o", "w.safetensors"},
	} {
		if code, _, stderr := capture(t, args...); code != exitUsage || !strings.Contains(stderr, "which this command reads; name another file") {
			t.Errorf("%q exits with %d: %s", args, code, stderr)
		}
	}
	if readString(t, "a.incc") != spec {
		t.Error("the spec is another one now")
	}
	if code, _, stderr := capture(t, "new", "lenet5", "-o", "link"); code != exitError || !strings.Contains(stderr, "exists already") {
		t.Errorf("exits with %d: %s", code, stderr)
	}
}

// If the disk is full, the old file is unchanged and no other file is left.
func TestOutputDiskFull(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("no shell: %v", err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(path, []byte("\x08old"), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(dir, "incc")); err != nil {
		t.Skipf("the system makes no symbolic links: %v", err)
	}
	// A limit on the size of files has the same effect as a full disk.
	cmd := exec.Command(sh, "-c", "ulimit -f 40 && exec ./incc compile lenet5 -o model.onnx")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != exitError || !strings.Contains(string(out), "incc: write model.onnx: ") {
		t.Fatalf("%v\n%s", err, out)
	}
	if s := readString(t, path); s != "\x08old" {
		t.Errorf("%d bytes are in the file", len(s))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}
