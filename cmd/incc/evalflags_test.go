package main

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEvalFlags: every flag of eval changes the output or a file, or causes an error. A new
// flag needs a line here.
func TestEvalFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	const spec = "net small\nlet width = 16\ninput image 1x12x12 range=0..1\nc: conv 3x3 width pad=same act=relu -> conv 5x5 width pad=same act=relu\ngap -> fc 10 -> softmax\n"
	for name, text := range map[string]string{"small.incc": spec, "broken.json": "{"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeIDX("idx", 12, 64, 32); err != nil {
		t.Fatal(err)
	}
	if err := writeIDX("more", 12, 64, 40); err != nil {
		t.Fatal(err)
	}
	// Two pictures of each class, and a broken one.
	for k := range 10 {
		dir := filepath.Join("pictures", fmt.Sprint(k))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		picture := pngOf(image.NewGray(image.Rect(0, 0, 12, 12)))
		for _, name := range []string{"a.png", "b.png"} {
			if err := os.WriteFile(filepath.Join(dir, name), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join("pictures", "0", "c.png"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"weights", "small.incc", "-o", "small.safetensors"}, {"weights", "small.incc", "--seed", "2", "-o", "other.safetensors"}} {
		if code, _, stderr := capture(t, args...); code != exitOK {
			t.Fatal(stderr)
		}
	}
	// eval returns the exit code, what was printed, and the files that were written.
	eval := func(args ...string) (code int, text string) {
		t.Helper()
		line := append([]string{"eval", "small.incc"}, args...)
		if !strings.Contains(strings.Join(args, " "), "--weights") {
			line = append(line, "--weights", "small.safetensors")
		}
		if !strings.Contains(strings.Join(args, " "), "--data") {
			line = append(line, "--data", "idx")
		}
		code, stdout, stderr := capture(t, line...)
		for _, name := range []string{"confusion.png", "confusion.csv", "wrong.csv", "wrong.png"} {
			if _, err := os.Stat(name); err == nil {
				stdout += "\nwrote " + name
			}
		}
		return code, stdout + stderr
	}
	_, plain := eval()
	tried := map[string]bool{}
	for _, row := range []struct {
		args string
		want string // part of what is printed, "" for anything that is new
		code int
	}{
		{"--data more", "40 images", exitOK},
		{"--strict --data pictures", "1 of 21 pictures cannot be read", exitError},
		{"--weights other.safetensors", "", exitOK},
		{"--define width=8", "do not fit", exitError},
		{"--map names.csv", "names.csv", exitError},
		{"--image 3x12x12", "only be used with an ONNX model", exitUsage},
		{"--labels names.txt", "only be used with an ONNX model", exitUsage},
		{"--root .", "only be used with an ONNX model", exitUsage},
		{"--json", `"accuracy"`, exitOK},
		{"--memory 1KB", "--memory", exitError},
		{"--split train", "64 images", exitOK},
		{"--threads -1", "--threads -1 (want 1 to 1024)", exitUsage},
		{"--isa sse", "sse", exitError},
		{"--tuning broken.json", "not a tuning file", exitError},
		{"--optimize 3", "unknown level", exitUsage},
		{"--passes factorize=svd,mid=1,force", "", exitOK},
		{"--passes no-such-pass", "no-such-pass", exitUsage},
		{"--dump-after fold-bn", "graph small", exitOK},
		{"--confusion confusion.png", "wrote confusion.csv", exitOK},
		{"--wrong wrong.csv", "wrote wrong.csv", exitOK},
		{"--sheet wrong.png", "wrote wrong.png", exitOK},
	} {
		tried[strings.TrimPrefix(strings.Fields(row.args)[0], "--")] = true
		code, got := eval(strings.Fields(row.args)...)
		if code != row.code || got == plain || !strings.Contains(got, row.want) {
			t.Errorf("eval %s exits with %d, want %d, and prints %q, want %q", row.args, code, row.code, got, row.want)
		}
	}
	// These change only the rounding of the numbers. TestFlagsAreRead covers them.
	tried["direct"] = true
	for _, f := range evalCommand().Flags {
		if name := f.Names()[0]; !tried[name] {
			t.Errorf("no line here shows what eval --%s does", name)
		}
	}
}
