package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/safetensors"
)

// hostileName would clear the screen, begin a new line and reverse the direction of the
// text.
const hostileName = "a\x1b[2J\nincc: all is well\u202e\x07"

// plainText fails if an output contains a name that was not escaped.
func plainText(t *testing.T, what, out string) {
	t.Helper()
	for _, r := range out {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%s prints %q", what, out)
			return
		}
	}
	if strings.Contains("\n"+out, "\nincc: all is well") {
		t.Errorf("%s prints a line of a name: %q", what, out)
	}
}

// TestHostileNames gives every command names with control characters: of files, layers,
// tensors, labels and models. They must be escaped in the output.
func TestHostileNames(t *testing.T) {
	t.Chdir(t.TempDir())
	spec := tinySpec + "labels \"names\"\n"
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Skipf("the file system has no such names: %v", err)
		}
	}
	n := hostileName
	ok(os.WriteFile(n+".incc", []byte(spec), 0o600))
	ok(os.WriteFile("names", []byte("one\ntwo\nthree\n"), 0o600))
	ok(os.WriteFile(n+"bad.incc", []byte("net a\ninput image 1x8x8\nconv \x1b[2J\u202e\nfoo\n"), 0o600))
	ok(os.Mkdir(n+"dir", 0o700))
	ok(os.WriteFile(filepath.Join(n+"dir", "x"), nil, 0o600))
	for part, count := range map[string]int{"train": 24, "t10k": 8} {
		ok(os.WriteFile(part+"-images-idx3-ubyte", idx(make([]byte, count*64), count, 8, 8), 0o600))
		labels := make([]byte, count)
		for i := range labels {
			labels[i] = byte(i % 3)
		}
		ok(os.WriteFile(part+"-labels-idx1-ubyte", idx(labels, count), 0o600))
	}
	// Weights whose tensors have such names.
	var b bytes.Buffer
	w, err := safetensors.NewTensorWriter(&b, map[string]string{n: n}, []safetensors.TensorInfo{{Name: n, Shape: []int{1}}})
	if err == nil {
		err = w.Float32s(n, []float32{1})
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	ok(os.WriteFile("w.st", b.Bytes(), 0o600))
	// Models whose values, nodes and texts have such names: a valid one, and two with
	// problems.
	if code, _, stderr := capture(t, "compile", n+".incc", "-o", "plain.onnx"); code != 0 {
		t.Fatal(stderr)
	}
	m, err := onnx.Decode([]byte(readString(t, "plain.onnx")))
	if err != nil {
		t.Fatal(err)
	}
	g := m.Graph
	g.Name, g.DocString, m.ProducerName = n, n, n
	for _, v := range g.Node {
		v.Name = n + v.Name
		for i := range v.Input {
			v.Input[i] = n + v.Input[i]
		}
		for i := range v.Output {
			v.Output[i] = n + v.Output[i]
		}
	}
	for _, v := range g.Initializer {
		v.Name = n + v.Name
	}
	for _, v := range append(append(g.Input, g.Output...), g.ValueInfo...) {
		v.Name = n + v.Name
	}
	save := func(name string) {
		t.Helper()
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		ok(os.WriteFile(name, b, 0o600))
	}
	save(n + "sound.onnx")
	g.Node[0].OpType = n
	save(n + "op.onnx")
	g.Node[0].OpType, g.Node[0].Input[0], g.Node[0].Attribute[0].Name = "Conv", n+"none", n
	save(n + "broken.onnx")

	for _, args := range [][]string{
		{n}, {"summary", n}, {"summary", n + ".incc"}, {"summary", n + ".incc", "--" + n}, {"summary", n + "bad.incc"}, {"vet", n + "bad.incc"}, {"fmt", n + "bad.incc"}, {"fmt", "--check", n + ".incc"},
		{"summary", n + ".incc", "-D", n + "=1"}, {"summary", n + ".incc", "-D", n}, {"summary", n + "dir"}, {"summary", "./" + n + "none"}, {"summary", n + ".incc", "--json"},
		{"compile", n + ".incc", "-o", n + ".onnx"}, {"compile", n + ".incc", "-o", n + "none/x.onnx"}, {"compile", n + ".incc", "-o", n + "dir"}, {"compile", n + ".incc", "-o", n + ".incc"},
		{"compile", n + ".incc", "--weights", "w.st", "-o", "x.onnx"}, {"compile", n + ".incc", "--weights", n + "none", "-o", "x.onnx"}, {"compile", n + ".incc", "--passes", n, "-o", "x.onnx"},
		{"compile", n + ".incc", "-O2", "--verify", "-o", "x.onnx"}, {"compile", n + ".incc", "--dump-after", n, "-o", "x.onnx"},
		{"weights", n + ".incc", "-o", n + ".safetensors"}, {"weights", n + ".incc", "-o", n + "dir/"},
		{"run", n + ".incc", "--input", n}, {"run", n + ".incc", "--input", n + ".npy"}, {"run", n + ".incc", "--input", n + ".png"}, {"run", n + ".incc", "--input", "noise" + n}, {"run", n + ".incc", "--input", "noise"},
		{"run", n + ".incc", "--input", "noise", "--part", n}, {"run", n + ".incc", "--input", "noise", "--engine", n}, {"run", n + ".incc", "--input", "noise", "--isa", n}, {"run", n + ".incc", "--input", "noise", "--tuning", n},
		{"run", n + ".incc", "--input", "noise", "--memory", n}, {"run", n + ".incc", "--input", "noise", "-o", n + ".npy"},
		{"predict", n + ".incc", "--weights", n + ".safetensors", n + ".png"}, {"predict", n + ".incc", "--weights", n + ".npy", n + ".png"},
		{"eval", n + ".incc", "--weights", n + ".safetensors", "--data", n}, {"eval", n + ".incc", "--weights", n + ".safetensors", "--data", ".", "--split", n}, {"eval", n + ".incc", "--weights", n + ".safetensors", "--data", "."},
		{"eval", n + ".incc", "--weights", n + ".safetensors", "--data", n + "dir"},
		{"bench", n + ".incc", "--time", "1ms", "--tune", n + ".tune"}, {"bench", n + ".incc", "--time", "1ms", "--compare", n}, {"bench", n + ".incc", "--time", "1ms", "--cpuprofile", n + "none/x"},
		{"plan", n + ".incc"}, {"plan", n + ".incc", "--tuning", n + ".onnx"},
		{"train", n + ".incc", "--data", ".", "--epochs", "1", "--out", n + "run"}, {"train", n + ".incc", "--data", ".", "--out", n + "run"}, {"train", "--resume", n + "run"}, {"train", n + "run"}, {"summary", n + "run"},
		{"train", n + ".incc", "--data", n}, {"train", n + ".incc", "--data", ".", "--engine", n}, {"train", n + ".incc", "--data", ".", "--init", n}, {"train", n + ".incc", "--data", ".", "--dry-run"},
		{"compare", n + "run", "-o", n + "curves"}, {"compare", n + "none"}, {"experiment", n}, {"data", "inspect", n}, {"data", "inspect", ".", "--sheet", n + ".sheet"}, {"data", "inspect", n + "dir"},
		{"diff", n + ".incc", n + "bad.incc"}, {"diff", n + ".incc", "lenet5"},
		{"verify", n + "sound.onnx"}, {"verify", n + "sound.onnx", "--run"}, {"verify", n + "op.onnx"}, {"verify", n + "op.onnx", "--run"}, {"verify", n + "broken.onnx"}, {"verify", n + "none.onnx"}, {"verify", n + ".incc"}, {"verify", n + "dir"},
		{"import", n + "sound.onnx", "-o", n + "import"}, {"import", n + "sound.onnx", "-o", n + "import"}, {"import", n + "op.onnx", "-o", "o"}, {"import", n + ".incc", "-o", "o"}, {"import", n + "none.onnx", "-o", "o"},
		{"new", n}, {"new", "lenet5", "-o", n + "new.incc"}, {"new", "lenet5", "-o", n + "new.incc"}, {"explain", n}, {"passes", n}, {"passes", n + ".incc"}, {"passes", n + ".incc", "--target", n},
		{"gen", "go", n + ".incc", "-o", n + "gen"}, {"gen", "go", n + ".incc", "-o", "gen", "--package", n}, {"gen", n}, {"completion", n}, {"version", n}, {"specs", n}, {"doctor", n},
	} {
		_, stdout, stderr := capture(t, args...)
		what := strings.Join(args, " ")
		plainText(t, what, stdout)
		plainText(t, what, stderr)
	}
}
