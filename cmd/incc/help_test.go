package main

import (
	"bytes"
	"image"
	imagepng "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/npy"
	"github.com/incc-lang/incc/ir/tensor"
)

// capture runs a command line in this process and returns its exit code and output.
func capture(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errw bytes.Buffer
	code = run(append([]string{"incc"}, args...), strings.NewReader(""), &out, &errw)
	return code, out.String(), errw.String()
}

// TestHelpExamples runs the examples in the help of every command, each in a new folder.
// They must succeed.
func TestHelpExamples(t *testing.T) {
	for _, c := range commands() {
		if c.Name == "completion" {
			continue // its example is for the shell; the script test runs it
		}
		t.Run(c.Name, func(t *testing.T) {
			code, help, _ := capture(t, c.Name, "-h")
			if code != 0 || !strings.Contains(help, "Example") {
				t.Fatalf("incc %s -h exits with %d and shows no example:\n%s", c.Name, code, help)
			}
			var lines []string
			for _, l := range strings.Split(c.Description, "\n") {
				if l = strings.TrimSpace(l); strings.HasPrefix(l, "incc ") {
					lines = append(lines, l)
				}
			}
			if len(lines) == 0 {
				t.Fatalf("the description of incc %s has no line that begins with incc", c.Name)
			}
			exampleDir(t)
			for _, l := range lines {
				args := strings.Fields(l)[1:]
				if args[0] == "view" && !slices.Contains(args, "-o") {
					args = append(args, "-o", "served.html") // it would serve until it is stopped
				}
				code, _, stderr := capture(t, args...)
				if code != 0 {
					t.Errorf("%s\nexits with %d: %s", l, code, stderr)
				}
			}
		})
	}
}

// exampleDir makes a folder with the files that the examples use, and changes to it.
func exampleDir(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	spec := "net mynet\ninput image 1x28x28\nc1: conv 5x5 8 act=relu -> maxpool 2x2/2\nout: fc 10 -> softmax\n"
	var x, png bytes.Buffer
	if err := npy.Write(&x, tensor.Make[float32]([]int{2, 1, 28, 28})); err != nil {
		t.Fatal(err)
	}
	if err := imagepng.Encode(&png, image.NewGray(image.Rect(0, 0, 28, 28))); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"mynet.incc": []byte(spec), "x.npy": x.Bytes(), "digit.png": png.Bytes(), "go.mod": []byte("module example\n\ngo 1.26\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, run := range []string{"runs/lenet", "runs/nin"} {
		if err := os.MkdirAll(filepath.Join(dir, run), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := writeResults(filepath.Join(dir, run), []train.Row{{Epoch: 1, TrainLoss: 1, TrainAcc: .5}, {Epoch: 2, TrainLoss: .5, TrainAcc: .75}}); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, args := range [][]string{{"compile", "mynet.incc", "-o", "mynet.onnx"}, {"weights", "mnist/nin", "-o", "nin.safetensors"}} {
		if code, _, stderr := capture(t, args...); code != 0 {
			t.Fatal(stderr)
		}
	}
}

// TestFlagsAnywhere puts every flag of every command after a positional argument. reorder
// must move it before.
func TestFlagsAnywhere(t *testing.T) {
	app := newApp(nil, nil, nil)
	n := 0
	for _, c := range app.Commands {
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				dash := "--"
				if len(name) == 1 {
					dash = "-"
				}
				want := []string{"incc", c.Name, dash + name}
				in := []string{"incc", c.Name, "spec", dash + name}
				if takesValue(f) {
					want, in = append(want, "value"), append(in, "value")
				}
				want = append(want, "--", "spec")
				got, err := reorder(app, in)
				if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
					t.Errorf("%v becomes %v, %v; want %v", in, got, err, want)
				}
				n++
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d flags were tried", n)
	}
	for in, want := range map[string]string{
		"incc summary x -Dclasses=10":        "incc summary -D classes=10 -- x",
		"incc summary x -D=classes=10":       "incc summary -D=classes=10 -- x",
		"incc summary -- -x":                 "incc summary -- -x",
		"incc fmt -":                         "incc fmt -- -",
		"incc summary x --define a=1 y":      "incc summary --define a=1 -- x y",
		"incc summary x -h":                  "incc summary -h -- x",
		"incc summary x --define=a=1 -D b=2": "incc summary --define=a=1 -D b=2 -- x",
	} {
		got, err := reorder(app, strings.Fields(in))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s becomes %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"incc summary x --jsno", "incc summary x -q", "incc summary x -D"} {
		if got, err := reorder(app, strings.Fields(in)); err == nil {
			t.Errorf("%s becomes %v", in, got)
		}
	}
}

// TestCommandsHaveText: every command and flag has a description.
func TestCommandsHaveText(t *testing.T) {
	for _, c := range commands() {
		if c.Usage == "" || !strings.HasPrefix(c.UsageText, "incc "+c.Name) || c.Description == "" {
			t.Errorf("incc %s lacks a usage, usage text or description", c.Name)
		}
		for _, f := range c.Flags {
			if d, ok := f.(cli.DocGenerationFlag); !ok || d.GetUsage() == "" {
				t.Errorf("incc %s: flag %v has no usage", c.Name, f.Names())
			}
		}
	}
}
