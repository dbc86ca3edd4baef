package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// Specs of a few lines that need many gigabytes: for weights, for activations, and for a
// training step.
const (
	hugeWeights     = "net a\ninput x 1x4096x4096\nfc 100 -> softmax\n"
	hugeActivations = "net a\ninput image 128x4096x4096\nrelu\n"
	hugeStep        = "net a\ninput image 1x28x28\nconv 1x1 2000 -> gap -> fc 10 -> softmax\ntrain {\n  sgd lr=0.1\n  run batch=4096 epochs=1\n}\n"
)

// TestHostileNeeds: every command checks the memory that a network needs before it allocates
// any of it.
func TestHostileNeeds(t *testing.T) {
	setup := func(t *testing.T, dir string) {
		write(map[string]string{"fc.incc": hugeWeights, "relu.incc": hugeActivations, "relugap.incc": hugeActivations + "gap\n", "step.incc": hugeStep, "go.mod": "module example.com/m\n\ngo 1.26\n"})(t, dir)
		g, problems := dsl.Load("relu.incc", []byte(hugeActivations), dsl.Options{})
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		files, err := onnx.Backend{}.Emit(g)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if _, err := files[0].WriteTo(&b); err != nil || b.Len() > 1000 {
			t.Fatalf("%d bytes, %v", b.Len(), err)
		}
		for name, text := range map[string]string{
			"relu.onnx":               b.String(),
			"w.st":                    "\x02\x00\x00\x00\x00\x00\x00\x00{}",
			"train-images-idx3-ubyte": string(idx(make([]byte, 5000*784), 5000, 28, 28)),
			"train-labels-idx1-ubyte": string(idx(make([]byte, 5000), 5000)),
			"t10k-images-idx3-ubyte":  string(idx(make([]byte, 784), 1, 28, 28)),
			"t10k-labels-idx1-ubyte":  string(idx(make([]byte, 1), 1)),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	const need = `^incc: network a needs [\d.]+ GiB for weights( and [\d.]+ [KMG]?i?B for activations at batch [1-9]\d*)?; [\d.]+ [MG]iB are free: (take a smaller --batch, or )?allow more with --memory SIZE\n$`
	var cases []hostileCase
	for _, line := range []string{
		"compile fc.incc -O0 -o a.onnx",
		"compile fc.incc -O2 -o a.onnx",
		"compile fc.incc --verify -o a.onnx",
		"compile relu.incc --verify -o a.onnx",
		"weights fc.incc -o a.st",
		"weights relu.incc --conditioned -o a.st",
		"run fc.incc --input noise",
		"run fc.incc --input noise --engine ref",
		"run relu.incc --input noise",
		"run relu.incc --input noise:4096 --engine ref",
		"predict fc.incc --weights w.st x.png",
		"predict relugap.incc --weights w.st x.png",
		"eval fc.incc --weights w.st --data .",
		"eval relu.incc --weights w.st --data .",
		"bench fc.incc",
		"bench relu.incc --batch 4096",
		"compile fc.incc --external -o a.onnx",
		"plan fc.incc --measure",
		"plan relu.incc --measure",
		"verify relu.onnx --run",
		"import relu.onnx -o a",
		"gen go fc.incc -o a",
		"gen go relu.incc --test -o a",
		"train fc.incc --data .",
		"train step.incc --data . --dry-run",
		"train step.incc --data . --engine ref",
	} {
		want := need
		switch {
		case strings.HasPrefix(line, "compile fc") && !strings.Contains(line, "--external"):
			want = `^incc: the weights of a take [\d.]+ GiB, but an ONNX file can hold only 2.00 GiB: write them to a second file with --external\n$`
		case strings.Contains(line, " relu"):
			want = strings.Replace(want, `[\d.]+ GiB for weights`, `0 B for weights`, 1)
		case strings.HasPrefix(line, "train step") && !strings.Contains(line, "ref"):
			want = `^incc: a step of 4096 images takes at least [\d.]+ GiB of memory; [\d.]+ [MG]iB are free: take a smaller --batch, or allow more with --memory SIZE\n$`
		}
		if strings.HasSuffix(line, "--engine ref") && strings.HasPrefix(line, "train") {
			want = strings.Replace(want, "GiB for weights", "[KM]iB for weights", 1)
		}
		if strings.HasPrefix(line, "gen go") { // its --memory limits a training step, so the error does not name it
			want = strings.Replace(want, ": (take a smaller --batch, or )?allow more with --memory SIZE", "", 1)
		}
		cases = append(cases, hostileCase{name: line, setup: setup, args: strings.Fields(line), wantErr: want})
	}
	// Commands that need little memory succeed.
	cases = append(cases,
		hostileCase{name: "compile relu.incc", setup: setup, args: []string{"compile", "relu.incc", "-o", "a.onnx"}, want: "^wrote a.onnx"},
		hostileCase{name: "weights of 128 MiB", setup: write(map[string]string{"fc.incc": "net a\ninput x 1x1024x1024\nfc 32 -> softmax\n"}),
			args: []string{"weights", "fc.incc", "-o", "a.st"}, maxMB: 100, maxMillis: 10000},
		hostileCase{name: "plan fc.incc", setup: setup, args: []string{"plan", "fc.incc"}, want: "Nx100"},
		hostileCase{name: "plan relu.incc", setup: setup, args: []string{"plan", "relu.incc"}, want: "relu"},
		hostileCase{name: "verify relu.onnx", setup: setup, args: []string{"verify", "relu.onnx"}, want: "sound"},
	)
	runHostile(t, cases)
}

// TestHostileExternal: a small model with external data of 8 GiB in a sparse file.
func TestHostileExternal(t *testing.T) {
	setup := func(t *testing.T, dir string) {
		name, n := "w", int64(1<<31)
		m := &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Graph: &onnxpb.GraphProto{Name: "a", Initializer: []*onnxpb.TensorProto{{
			Name: name, DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{1 << 16, 1 << 15}, DataLocation: onnxpb.TensorProto_EXTERNAL,
			ExternalData: []*onnxpb.StringStringEntryProto{{Key: "location", Value: "w.data"}}}}}}
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		write(map[string]string{"x.onnx": string(b)})(t, dir)
		sparse(t, filepath.Join(dir, "w.data"), 4*n)
	}
	runHostile(t, []hostileCase{{name: "sparse", setup: setup, args: []string{"verify", "x.onnx"}, wantErr: `^incc: the external data of x.onnx takes 8.00 GiB; .* are free: allow more with --memory SIZE`}})
}

// --memory replaces the limit, and may be more than the free memory.
func TestRoomFlag(t *testing.T) {
	t.Chdir(t.TempDir())
	defer func(f func() (int64, bool)) { freeMemory = f }(freeMemory)
	freeMemory = func() (int64, bool) { return 1 << 16, true }
	for _, c := range []struct {
		args string
		err  string // "" for success
	}{
		{"run lenet5 --input noise", "network lenet5 needs "},
		{"run lenet5 --input noise", "for activations at batch 1; 64.0 KiB are free: allow more with --memory SIZE\n"},
		{"run lenet5 --input noise --memory 16MB", ""},
		{"run lenet5 --input noise --memory 16KB", "; --memory allows 15.6 KiB: allow more with"},
		{"run lenet5 --input noise --memory much", `--memory: "much" is not a size (want 800MB, 2GiB or 500000000, for example)`},
		{"bench lenet5 --time 1ms --memory 16MB", ""},
		// Only compileRoom, which knows the plan, finds this one.
		{"bench lenet5 --time 1ms --batch 4096 --memory 60MB", "at batch 4096; --memory allows 57.2 MiB: take a smaller --batch, or allow more with"},
	} {
		code, _, stderr := capture(t, strings.Fields(c.args)...)
		if (code == exitOK) != (c.err == "") || !strings.Contains(stderr, c.err) {
			t.Errorf("incc %s exits with %d: %s, want %q", c.args, code, stderr, c.err)
		}
	}
}

// referenceRoom counts the elements that the reference interpreter holds at once: here at
// most two maps of 8x8, and the weights of the current op.
func TestReferenceRoom(t *testing.T) {
	g, problems := dsl.Load("a.incc", []byte("net a\ninput image 1x8x8\nconv 3x3 4 pad=1 -> relu -> conv 3x3 2 pad=1 -> gap -> fc 3\n"), dsl.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	// The most is needed for relu, which needs the output of conv: 2 maps of 4x8x8 for each
	// of 5 images.
	if got := referenceRoom(g, 5); got.activations != 5*2*4*64 || got.weights > 4*9+4 {
		t.Errorf("%+v", got)
	}
	// It is less than the number of all elements that a run computes.
	all := 0
	if _, err := ref.Run(g, []*tensor.Tensor{noise(g, 5, 1)}, ref.Options{Each: func(_ *ir.Value, x *tensor.Tensor) { all += len(x.Data) }}); err != nil {
		t.Fatal(err)
	}
	if got := referenceRoom(g, 5).activations; got >= int64(all) {
		t.Errorf("%d elements at once of %d", got, all)
	}
}

func TestSaturation(t *testing.T) {
	if n := elements(ir.Shape{ir.Batch, 1 << 24, 1 << 24, 1 << 24}, 1<<16); n != math.MaxInt64 {
		t.Errorf("%d elements", n)
	}
	if n := plus(math.MaxInt64-1, 2); n != math.MaxInt64 {
		t.Errorf("%d", n)
	}
	if n := plus(times(3, 5), -1); n != 14 {
		t.Errorf("%d", n)
	}
}
