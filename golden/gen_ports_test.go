package golden

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// portsMain is a program of a user. It runs a detector on the inputs of a file of JSON, and prints
// the outputs of each as JSON.
const portsMain = `package main

import (
	"encoding/json"
	"fmt"
	"os"

	"example.com/user/detector"
	"example.com/user/one"
)

func main() {
	m, err := detector.New()
	must(err)
	o, err := one.Load(os.Args[2])
	must(err)
	b, err := os.ReadFile(os.Args[1])
	must(err)
	var cases []struct{ Input []float32 }
	must(json.Unmarshal(b, &cases))
	var out detector.Outputs
	var scores one.Outputs
	for _, c := range cases {
		must(m.Infer(&out, &detector.Inputs{Image: c.Input}))
		must(json.NewEncoder(os.Stdout).Encode(out.List()))
	}
	must(o.Infer(&scores, &one.Inputs{Image: make([]float32, 5*one.ImageLen)}))
	fmt.Println(len(scores.List()), scores.List()[0].Shape[0], len(scores.TopSoftmax))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`

// TestGeneratedPorts generates the package of a detector, whose boxes are known only at run time,
// and of a network with an auxiliary classifier as output, into a module with nothing else. Their
// tests pass, and a program that uses them computes what ONNX Runtime computed with the detector.
func TestGeneratedPorts(t *testing.T) {
	if *update {
		t.Skip("nothing to update")
	}
	exe, err := inccCommand()
	if err != nil {
		t.Fatal(err)
	}
	dir := newModule(t)
	data, err := filepath.Abs("../backends/onnx/testdata")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one.incc", "net one\ninput image 3x8x8\nconv 3x3 4 pad=same act=relu\nhead weight=0.3 { gap -> fc 3 -> softmax }\ntop: gap -> fc 3 -> softmax\n")
	inModule(t, dir, nil, exe, "gen", "go", filepath.Join(data, "detector.onnx"), "-o", "detector", "--kernel", "internal/rt", "--image", "range=0..1", "--test")
	inModule(t, dir, nil, exe, "gen", "go", "one.incc", "-o", "one", "--kernel", "internal/rt", "--heads", "--store", "file", "--batch", "2", "--test")
	write("main.go", portsMain)
	inModule(t, dir, nil, "go", "vet", ".", "./one")
	inModule(t, dir, nil, "go", "test", "-vet=off", "./detector", "./one")
	out := inModule(t, dir, nil, "go", "run", ".", filepath.Join(data, "detector.json"), "one/one.safetensors")
	b, err := os.ReadFile(filepath.Join(data, "detector.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Shapes  [][]int
		Outputs [][]float64
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(cases)+1 {
		t.Fatalf("the program printed\n%s", out)
	}
	if last := lines[len(cases)]; last != "2 5 15" {
		t.Errorf("the program says %q of the outputs of five images", last)
	}
	for i, c := range cases {
		var got []struct {
			Output string
			Shape  []int
			Data   []float64
		}
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil || len(got) != len(c.Outputs) {
			t.Fatalf("%s: %v", lines[i], err)
		}
		for j, y := range got {
			what := fmt.Sprintf("case %d, output %s", i, y.Output)
			if y.Output != []string{"boxes", "scores", "labels"}[j] || !slices.Equal(y.Shape, c.Shapes[j]) || len(y.Data) != len(c.Outputs[j]) {
				t.Fatalf("%s is %v with %d numbers, want %v", what, y.Shape, len(y.Data), c.Shapes[j])
			}
			for k := range y.Data {
				if !(math.Abs(y.Data[k]-c.Outputs[j][k]) <= 2e-5) {
					t.Fatalf("%s: number %d is %v, ONNX Runtime has %v", what, k, y.Data[k], c.Outputs[j][k])
				}
			}
		}
	}
}
