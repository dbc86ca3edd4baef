package main

import (
	"fmt"
	"image"
	"image/color"
	imagepng "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// block is a fenced block of a Markdown file.
type block struct {
	line int    // number of its first line of text
	kind string // sh, console, incc or go
	name string // the name of the file to save it to, or ""
	text []string
}

// blocks returns the fenced blocks of a Markdown file.
func blocks(t *testing.T, path string) (all []block) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var open *block
	for i, line := range strings.Split(string(b), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{line: i + 2}
			open.kind, open.name, _ = strings.Cut(info, " ")
		case fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text = append(open.text, line)
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block does not end", path, open.line)
	}
	return all
}

// TestReadme does what README.md says, in an empty folder and in the same order. It saves
// the specs, runs the commands, and compares their output with the output in the text. It
// trains networks for one epoch, on artificial digits unless INCC_LONG=1.
func TestReadme(t *testing.T) {
	all := blocks(t, "../../README.md")
	example, err := os.ReadFile("../../backends/cpu/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	writeDigits(t, "digits-data")
	for c, class := range []string{"cat", "dog"} {
		writePictures(t, filepath.Join("pictures", class), 40, uint8(c*180))
	}
	ran := map[string]int{}
	for _, b := range all {
		switch b.kind {
		case "incc":
			if err := os.WriteFile(b.name, []byte(strings.Join(b.text, "\n")+"\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			if code, out, _ := capture(t, "fmt", "--check", b.name); code != 0 {
				t.Errorf("README.md:%d: incc fmt would change it: %s", b.line, out)
			}
		case "console":
			checkConsole(t, "README.md", b)
		case "go":
			checkGo(t, b, string(example))
		case "sh":
			for i, line := range b.text {
				readmeCommand(t, root, fmt.Sprintf("README.md:%d", b.line+i), line)
			}
		default:
			t.Errorf("README.md:%d: a block of kind %q", b.line, b.kind)
		}
		ran[b.kind]++
	}
	for kind, least := range map[string]int{"incc": 2, "console": 1, "sh": 7} {
		if ran[kind] < least {
			t.Errorf("README.md has %d blocks of %s, want %d at least", ran[kind], kind, least)
		}
	}
}

// TestLanguageTour loads every example in dsl/README.md and compares the output of commands
// with the output in the text. An example must give no error and no warning, unless it is
// called wrong.incc.
func TestLanguageTour(t *testing.T) {
	const front = "net example\ninput image 3x32x32\n" // put before examples that are a part of a network
	all := blocks(t, "../../dsl/README.md")
	t.Chdir(t.TempDir())
	examples := 0
	for _, b := range all {
		switch b.kind {
		case "console":
			checkConsole(t, "dsl/README.md", b)
		case "incc":
			examples++
			text, name := strings.Join(b.text, "\n")+"\n", b.name
			if name == "" {
				name = "example.incc"
			}
			if !strings.Contains("\n"+text, "\nnet ") && !strings.HasPrefix(text, "graph ") {
				text = front + text
			}
			if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := capture(t, "vet", name)
			if ok := code == 0 && stdout+stderr == ""; ok != (name != "wrong.incc") {
				t.Errorf("dsl/README.md:%d: incc vet exits with %d and prints\n%s%s", b.line, code, stdout, stderr)
			}
			if name == "wrong.incc" {
				continue
			}
			if code, _, stderr := capture(t, "summary", name); code != 0 {
				t.Errorf("dsl/README.md:%d: incc summary exits with %d: %s", b.line, code, stderr)
			}
		default:
			t.Errorf("dsl/README.md:%d: a block of kind %q", b.line, b.kind)
		}
	}
	if examples < 12 {
		t.Errorf("dsl/README.md has %d examples, want 12 at least", examples)
	}
}

// readmeCommand runs a line of a shell block. root is the folder of the repository.
func readmeCommand(t *testing.T, root, place, line string) {
	args := strings.Fields(line)
	if len(args) > 3 && slices.Equal(args[:3], []string{"go", "run", "./cmd/incc"}) {
		args = append([]string{"incc"}, args[3:]...)
	}
	switch {
	case args[0] == "incc":
		if args[1] == "train" && !slices.Contains(args, "--resume") {
			args = append(args, "--epochs", "1")
			if i := slices.Index(args, "mnist"); i > 0 && !longtest.Enabled() {
				args[i] = "digits-data"
			}
		}
		if code, _, stderr := capture(t, args[1:]...); code != 0 {
			t.Errorf("%s: %s\nexits with %d: %s", place, line, code, stderr)
		}
	case args[0] == "go" && args[1] == "mod":
		if out, err := exec.Command("go", args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %s: %v\n%s", place, line, err, out)
		}
	case line == "go test ./...": // this test is a part of it
	case args[0] == "go":
		// The folder is that of a generated package or of a package of the repository.
		folder := args[len(args)-1]
		if _, err := os.Stat(folder); err != nil {
			if _, err := os.Stat(filepath.Join(root, folder)); err != nil {
				t.Errorf("%s: %s: there is no folder %s", place, line, folder)
			}
			return
		}
		if !longtest.Enabled() {
			return // compiles all of the run time
		}
		cmd := exec.Command("go", args[1:]...)
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %s: %v\n%s", place, line, err, out)
		}
	default:
		t.Errorf("%s: %s: the test does not know how to run it", place, line)
	}
}

// checkConsole runs the commands after "$ " and compares their output with the lines that
// follow. A line "…" matches any lines.
func checkConsole(t *testing.T, file string, b block) {
	t.Helper()
	for i := 0; i < len(b.text); {
		command, ok := strings.CutPrefix(b.text[i], "$ incc ")
		if !ok {
			t.Errorf("%s:%d: want a line that begins with $ incc", file, b.line+i)
			return
		}
		place := fmt.Sprintf("%s:%d: incc %s", file, b.line+i, command)
		var want []string
		for i++; i < len(b.text) && !strings.HasPrefix(b.text[i], "$ "); i++ {
			want = append(want, b.text[i])
		}
		_, stdout, stderr := capture(t, strings.Fields(command)...)
		if got := strings.Split(strings.TrimRight(stdout+stderr, "\n"), "\n"); !matches(got, want) {
			t.Errorf("%s prints\n%s\nwant\n%s", place, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// matches compares lines, ignoring blanks at their ends. A line "…" in want matches any
// lines.
func matches(got, want []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "…" {
		for i := range len(got) + 1 {
			if matches(got[i:], want[1:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && strings.TrimRight(got[0], " ") == strings.TrimRight(want[0], " ") && matches(got[1:], want[1:])
}

func TestMatches(t *testing.T) {
	for _, x := range []struct {
		got, want string
		ok        bool
	}{
		{"a b c", "a b c", true}, {"a b c", "a … c", true}, {"a b c", "a …", true}, {"a b c", "… c", true}, {"a b c", "…", true},
		{"a b c", "a b", false}, {"a b c", "a c", false}, {"a b c", "… b", false}, {"a b c", "a … d", false},
	} {
		if got := matches(strings.Fields(x.got), strings.Fields(x.want)); got != x.ok {
			t.Errorf("%s against %s: %v", x.got, x.want, got)
		}
	}
}

// checkGo checks a block of Go. It is a part of a program that uses the generated package
// digits, or lines of the example of package cpu.
func checkGo(t *testing.T, b block, example string) {
	t.Helper()
	text := strings.Join(b.text, "\n")
	if strings.Contains(text, "digits.New()") {
		program := "package main\n\nimport (\n\"fmt\"\n\"image\"\n\n\"example/digits\"\n)\n\nfunc main() {\nvar img image.Image\n" + text + "\n_ = err\n}\n"
		model, err := os.ReadFile("digits/model_incc.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.(New|ClassifyImage|Label|Score)\b`).FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`\b` + m[1] + `\b`).Match(model) {
				t.Errorf("README.md:%d: package digits has no %s", b.line, m[1])
			}
		}
		if !longtest.Enabled() {
			return // compiles all of the run time
		}
		if err := os.WriteFile("main.go", []byte(program), 0o666); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "vet", ".")
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("README.md:%d: %v\n%s", b.line, err, out)
		}
		return
	}
	rest := example
	for i, line := range b.text {
		_, after, ok := strings.Cut(rest, "\t"+strings.TrimSpace(line)+"\n")
		if !ok {
			t.Errorf("README.md:%d: %s is not in backends/cpu/example_test.go behind the lines above it", b.line+i, line)
			return
		}
		rest = after
	}
}

// writeDigits makes a folder of IDX files like those of MNIST.
func writeDigits(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		name string
		n    int
	}{{"train", 600}, {"t10k", 100}} {
		pixels, labels := make([]byte, part.n*28*28), make([]byte, part.n)
		for i := range labels {
			labels[i] = byte(i % 10)
		}
		for i := range pixels {
			pixels[i] = byte(i * i >> 3)
		}
		for name, b := range map[string][]byte{"-images-idx3-ubyte": idx(pixels, part.n, 28, 28), "-labels-idx1-ubyte": idx(labels, part.n)} {
			if err := os.WriteFile(filepath.Join(dir, part.name+name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// writePictures makes n pictures of 80x60 pixels, 1.png and so on.
func writePictures(t *testing.T, dir string, n int, blue uint8) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 80, 60))
		for y := range 60 {
			for x := range 80 {
				img.SetRGBA(x, y, color.RGBA{uint8(7*x + 13*i), uint8(5 * y), blue, 255})
			}
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d.png", i+1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := imagepng.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
