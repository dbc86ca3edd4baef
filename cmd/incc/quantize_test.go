package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/passes/quantize"
)

// TestQuantize: every flag of quantize changes what is printed or causes an error, and the model that
// it writes runs on integers in the commands that take a model, and in a package.
func TestQuantize(t *testing.T) {
	t.Chdir(t.TempDir())
	const spec = "net small\nlet width = 16\ninput image 1x12x12 range=0..1\nlabels mnist\nc: conv 3x3 width pad=same bn=1e-3 act=relu -> conv 5x5 width pad=same act=relu -> maxpool 2x2/2\nd: inception 16 8 16 8 16 16 -> conv 3x3 24 act=relu\ngap -> fc 10 -> softmax\n"
	for name, text := range map[string]string{"go.mod": "module example.com/user\n\ngo 1.26\n", "small.incc": spec, "broken.json": "{"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeIDX("idx", 12, 64, 32); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := capture(t, "weights", "small.incc", "-o", "small.safetensors"); code != exitOK {
		t.Fatal(stderr)
	}
	quantizeWith := func(args ...string) (code int, text string) {
		t.Helper()
		line := append([]string{"quantize", "small.incc", "--images", "20"}, args...)
		for flag, value := range map[string]string{"--weights": "small.safetensors", "--data": "idx", "-o": "small.onnx"} {
			if !strings.Contains(strings.Join(args, " "), flag) {
				line = append(line, flag, value)
			}
		}
		if !strings.Contains(strings.Join(args, " "), "--ends") {
			line = append(line, "--ends=false") // not what the machine measures
		}
		code, stdout, stderr := capture(t, line...)
		return code, stdout + stderr
	}
	code, plain := quantizeWith()
	if code != exitOK || !strings.Contains(plain, "8 of 10 layers") {
		t.Fatalf("exits with %d: %s", code, plain)
	}
	for _, row := range []struct {
		args string
		want string
		code int
	}{
		{"--images 0", "--images 0", exitUsage},
		{"--images 32", "of 32 images", exitOK},
		{"--calibrate percentile", "ranges by percentile", exitOK},
		{"--calibrate mean", "unknown --calibrate", exitUsage},
		{"--keep d/conv_3x3", "7 of 10 layers", exitOK},
		{"--keep none", "there is no layer", exitUsage},
		{"--ends", "10 of 10 layers", exitOK},
		{"--ends --keep c/conv_3x3", "9 of 10 layers", exitOK},
		{"--sensitivity", "ms in float32", exitOK},
		{"--correct none", "ranges by", exitOK},
		{"--correct round,bias --calibrate minmax", "minmax, corrected by round, bias of", exitOK},
		{"--correct equalize --calibrate mse", "mse, corrected by equalize of", exitOK},
		{"--correct round,all", "unknown --correct", exitUsage},
		{"--compare --calibrate minmax", "signal to noise", exitOK},
		{"--compare --calibrate minmax --correct none", "<-", exitOK},
		{"--compare --correct round,bias", "change (points)", exitOK},
		{"--min-speedup fast", "--min-speedup", exitUsage},
		{"--min-speedup 0.001", "times as fast", exitOK},
		{"--min-speedup 900", "nothing was written", exitError},
		{"--max-accuracy-drop 200%", "want a part", exitUsage},
		{"--max-accuracy-drop 2", "more than all images", exitUsage},
		{"--max-accuracy-drop x", "want a part", exitUsage},
		{"--max-accuracy-drop 100%", "8 of 10 layers", exitOK},
		{"--data none", "no data set", exitError},
		{"--memory 1KB", "--memory", exitError},
		{"--threads -1", "--threads -1", exitUsage},
		{"--isa sse", "sse", exitError},
		{"--tuning broken.json", "not a tuning file", exitError},
		{"--seed 5", "", exitOK},
		{"-o small.incc", "small.incc", exitUsage},
		{"-o none/small.onnx", "there is no folder", exitError},
	} {
		code, got := quantizeWith(strings.Fields(row.args)...)
		if code != row.code || !strings.Contains(got, row.want) {
			t.Errorf("quantize %s exits with %d, want %d, and prints %q, want %q", row.args, code, row.code, got, row.want)
		}
	}
	if code, got := quantizeWith("--calibrate", "minmax"); code != exitOK {
		t.Fatal(got)
	}
	g, err := onnx.Load("small.onnx", onnx.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for _, n := range g.Nodes {
		if _, _, ok := ops.QuantizedWeight(n.Out[0]); ok {
			whole++
		}
	}
	if whole != 8 {
		t.Errorf("%d weights of the model are whole numbers, want 8", whole)
	}
	for _, line := range []string{"plan small.onnx", "eval small.onnx --data idx", "bench small.onnx --time 10ms", "gen go small.onnx -o small --test", "verify small.onnx --run", "summary small.onnx"} {
		code, out, stderr := capture(t, strings.Fields(line)...)
		if code != exitOK {
			t.Errorf("%s exits with %d: %s", line, code, stderr)
		}
		// The inputs of two of the layers have a zero point, and padding: float32.
		if line == "plan small.onnx" && strings.Count(out, " int8 ") != 6 {
			t.Errorf("the plan has %d steps on integers, want 6:\n%s", strings.Count(out, " int8 "), out)
		}
	}
	if code, _, stderr := capture(t, "quantize", "small.onnx", "--data", "idx", "-o", "again.onnx"); code != exitError || !strings.Contains(stderr, "quantized already") {
		t.Errorf("quantizing twice exits with %d: %s", code, stderr)
	}
}

// TestTrainQuantize: a run is fine-tuned with quantized layers, goes on, and is a model of integers for the
// other commands; what cannot be done is refused.
func TestTrainQuantize(t *testing.T) {
	t.Chdir(t.TempDir())
	const spec = "net small\ninput image 1x12x12 range=0..1\nlabels mnist\nc: conv 3x3 16 pad=same bn=1e-3 act=relu -> conv 3x3 16 pad=same bn=1e-3 act=relu -> maxpool 2x2/2\nd: inception 16 8 16 8 16 16\ngap -> fc 10 -> softmax\ntrain { adam lr=0.003; run batch=8 epochs=2 seed=1 }\n"
	if err := os.WriteFile("small.incc", []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("go.mod", []byte("module example.com/user\n\ngo 1.26\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeIDX("idx", 12, 64, 32); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args string
		want string
		code int
	}{
		{"train small.incc --data idx --out run", "run: weights", exitOK},
		{"train small.incc --data idx --quantize --out none", "--quantize fine-tunes a trained network", exitUsage},
		{"train run --quantize --find-lr", "--find-lr cannot be used with --quantize", exitUsage},
		{"train run --quantize --out int8 --epochs 3", "begins with", exitOK},
		{"train run --quantize --out int8", "holds a finished run of 3 epochs", exitError},
		{"train run --quantize --out worse --lr 3 --epochs 1 --keep-diverging", "the network is better without fine-tuning", exitOK},
		{"train --resume int8 --epochs 4", "3 epochs so far", exitOK},
		{"train small.incc --init run --data idx --quantize --out again --engine ref --limit-batches 1 --epochs 1", "test:", exitOK},
		{"eval int8", "test:", exitOK},
		{"plan int8", " int8 ", exitOK},
		{"gen go int8 -o whole --test", "of weights", exitOK},
		{"quantize int8 -o more.onnx", "quantized already", exitError},
		{"train int8", "--resume", exitUsage},
	} {
		code, stdout, stderr := capture(t, strings.Fields(row.args)...)
		if got := stdout + stderr; code != row.code || !strings.Contains(got, row.want) || strings.Contains(got, "at random") && row.code == exitOK {
			t.Errorf("%s exits with %d, want %d, and prints %q, want %q", row.args, code, row.code, got, row.want)
		}
	}
	g, err := onnx.Load("int8/model.onnx", onnx.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if whole := wholeWeightsOf(g); whole != 7 {
		t.Errorf("%d weights of the model are whole numbers, want those of the 7 layers between the first and the last", whole)
	}
	// Where fine-tuning ruins the network, the one without it is kept.
	if g, err = onnx.Load("worse/model.onnx", onnx.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	if whole := wholeWeightsOf(g); whole != 7 {
		t.Errorf("%d weights of the model without fine-tuning are whole numbers, want 7", whole)
	}
	var info runInfo
	if text, err := os.ReadFile("worse/summary.json"); err != nil || json.Unmarshal(text, &info) != nil {
		t.Fatal(err)
	}
	if info.BestEpoch != 0 || info.ValAcc == nil {
		t.Errorf("the best epoch is %d, want 0, none of the training; its accuracy is %v", info.BestEpoch, info.ValAcc)
	}
}

// wholeWeightsOf counts the weights of a model that are whole numbers.
func wholeWeightsOf(g *ir.Graph) int {
	whole := 0
	for _, n := range g.Nodes {
		if _, _, ok := ops.QuantizedWeight(n.Out[0]); ok {
			whole++
		}
	}
	return whole
}

// TestEnds: a first or last layer that holds much of the weights is quantized even if that saves no time,
// another one is not.
func TestEnds(t *testing.T) {
	g, problems := dsl.Load("n.incc", []byte("net n\ninput image 1x4x4\nconv 3x3 4 pad=same -> conv 1x1 4 -> flatten -> fc 100 -> softmax\n"), dsl.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	names := quantize.Layers(g)
	first, last := weightShare(g, names[0].Out[0].Name), weightShare(g, names[2].Out[0].Name)
	if want := 6400.0 / (36 + 4 + 16 + 4 + 6400 + 100); last != want {
		t.Errorf("the last layer has %g of the weights, want %g", last, want)
	}
	if a, b := endsLimit(first), endsLimit(last); !(a < 1 && b > 1) {
		t.Errorf("the first layer may take %g of the time, the last one %g", a, b)
	}
}
