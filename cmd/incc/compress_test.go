package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// compressedSpec has every kind of layer that compress changes: convolutions of several sizes with
// and without batch norm, 1x1 convolutions and dense layers.
const compressedSpec = `net small
input image 1x8x8 range=0..1
a: conv 5x5 32 pad=same act=relu -> conv 5x5 32 pad=same act=relu bn=1e-3 -> maxpool 2x2/2
b: inception 8 16 32 8 16 8 -> conv 1x1 32 act=relu -> dropout 0.2
fc 48 act=relu -> fc 10 -> softmax
train {
  adam lr=0.004
  schedule cosine
  augment pad=1 crop=8
  freeze b/inception
  run batch=16 epochs=2
}
`

// trainedSmall makes a folder with images that can be learned and a run of compressedSpec, and changes
// to it.
func trainedSmall(t *testing.T) {
	t.Helper()
	t.Chdir(killable(t))
	if err := os.WriteFile("small.incc", []byte(compressedSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "train", "small.incc", "--data", ".", "--out", "trained", "--freeze", "")
}

// must runs a command that must succeed, and returns what it prints.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, stderr := capture(t, args...)
	if code != exitOK {
		t.Fatalf("incc %s exits with %d: %s%s", strings.Join(args, " "), code, out, stderr)
	}
	return out
}

// macsOf returns the multiply-accumulates of a network.
func macsOf(t *testing.T, spec string) float64 {
	t.Helper()
	var s struct {
		MACs float64 `json:"macs"`
	}
	if err := json.Unmarshal([]byte(must(t, "summary", spec, "--json")), &s); err != nil || s.MACs == 0 {
		t.Fatalf("incc summary %s has no MACs: %v", spec, err)
	}
	return s.MACs
}

// accuracyOf returns the accuracy of a run on its validation images.
func accuracyOf(t *testing.T, args ...string) float64 {
	t.Helper()
	var s struct {
		Accuracy float64 `json:"accuracy"`
	}
	if err := json.Unmarshal([]byte(must(t, append([]string{"eval", "--json"}, args...)...)), &s); err != nil {
		t.Fatal(err)
	}
	return s.Accuracy
}

// TestCompress tests incc compress on one run. Each test is described at its function.
func TestCompress(t *testing.T) {
	trainedSmall(t)
	t.Run("target", compressTarget)
	t.Run("drop", compressDrop)
	t.Run("resume", compressResume)
	t.Run("refuses", compressRefuses)
	t.Run("passes", passesOfRun)
	t.Run("killed", compressKilled)
}

// readTable reads the table of a compression.
func readTable(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 4 || strings.Join(rows[0], ",") != strings.Join(compressColumns, ",") {
		t.Fatalf("%s has %d rows: %v", path, len(rows), err)
	}
	return rows
}

// compressTarget compresses a run to a part of its MACs. Every command takes what is written, and
// the table has it.
func compressTarget(t *testing.T) {
	const flags = " --images 32 --cost macs --threads 1 -o"
	out := must(t, strings.Fields("compress trained --target-macs 0.2x --sensitivity"+flags+" out")...)
	for _, w := range []string{"error of weights", "pair ", "tucker ", "low-rank ", "prune ", "with its readers", "error of outputs", "<- chosen"} {
		if !strings.Contains(out, w) {
			t.Errorf("the output has no %q:\n%s", w, out)
		}
	}
	before, after := macsOf(t, "trained"), macsOf(t, "out/net.incc")
	if after > 0.2*before || after != macsOf(t, "out/run") {
		t.Errorf("the network has %g of %g MACs, want 0.2x", after, before)
	}
	text, err := os.ReadFile("out/net.incc")
	if err != nil || !bytes.Contains(text, []byte("\na: conv ")) || !bytes.Contains(text, []byte("bias=off -> conv ")) || !bytes.Contains(text, []byte("adam lr=0.004")) || bytes.Contains(text, []byte("freeze")) {
		t.Errorf("the spec is not as wanted: %v\n%s", err, text)
	}
	rows := readTable(t, "out/compress.csv")
	for _, r := range rows {
		if r[12] == "true" && r[5] != strconv.FormatFloat(after, 'f', -1, 64) {
			t.Errorf("the table has %s MACs, the network %g", r[5], after)
		}
	}
	a := accuracyOf(t, "out/run", "--split", "val")
	if b := accuracyOf(t, "out/net.incc", "--weights", "out/weights.safetensors", "--data", ".", "--split", "test"); b != accuracyOf(t, "out/run") {
		t.Errorf("net.incc and run have different accuracies, %g on the test images", b)
	}
	if b := accuracyOf(t, "out"); b != accuracyOf(t, "out/run") {
		t.Errorf("the folder of the compression has the accuracy %g, its run another one", b)
	}
	if code, _, stderr := capture(t, "compare", "trained", "out/run"); code != exitError || !strings.Contains(stderr, "incc compress wrote it without training") {
		t.Errorf("comparing curves exits with %d: %s", code, stderr)
	}
	if last := rows[len(rows)-1]; last[9] != "" {
		if x, _ := strconv.ParseFloat(last[9], 64); math.Abs(x-a) > 1e-6 {
			t.Errorf("the table has the accuracy %s, incc eval %g", last[9], a)
		}
	}
	for _, line := range []string{"plan out/run", "compile out/run -o c.onnx", "verify c.onnx --run", "passes out/run", "quantize out/run --images 16 -o q.onnx",
		"compress c.onnx --data . --target-macs 0.9x -o again" + strings.TrimSuffix(flags, " -o")} {
		must(t, strings.Fields(line)...)
	}
	if text, err := os.ReadFile("out/compress.svg"); err != nil || !bytes.Contains(text, []byte("compressed")) || !bytes.Contains(text, []byte("chosen")) {
		t.Errorf("the chart is not as wanted: %v", err)
	}
}

// compressDrop: the accuracy on the validation images is within the budget. A target with
// fine-tuning trains by the recipe from its last rate.
func compressDrop(t *testing.T) {
	base := accuracyOf(t, "trained", "--split", "val")
	must(t, strings.Fields("compress trained --max-accuracy-drop 30% --images 32 --cost macs --threads 1 --compare trained -o plain")...)
	if a := accuracyOf(t, "plain/run", "--split", "val"); a < base-0.3-1e-9 {
		t.Errorf("the accuracy drops from %g to %g", base, a)
	}
	if plain, whole := macsOf(t, "plain/run"), macsOf(t, "trained"); plain >= whole {
		t.Errorf("the network has %g of %g MACs", plain, whole)
	}
	must(t, strings.Fields("compress trained --target-macs 0.3x --images 32 --cost macs --threads 1 --finetune 1 --quantize -o tuned")...)
	if tuned, whole := macsOf(t, "tuned/run"), macsOf(t, "trained"); tuned > 0.3*whole {
		t.Errorf("the fine-tuned network has %g of %g MACs", tuned, whole)
	}
	text, err := os.ReadFile("tuned/net.incc")
	if err != nil || !bytes.Contains(text, []byte("schedule cosine")) || !bytes.Contains(text, []byte("epochs=1")) || !bytes.Contains(text, []byte("lr=0.002 ")) {
		t.Errorf("the spec has not the recipe of the fine-tuning: %v\n%s", err, text)
	}
	if rows := readTable(t, "tuned/compress.csv"); rows[len(rows)-1][2] != "int8" || rows[len(rows)-2][11] != "1" || rows[len(rows)-2][12] != "true" {
		t.Errorf("the last rows of the table are %q", rows[len(rows)-2:])
	}
	must(t, "eval", "tuned/int8.onnx", "--data", ".")
	rows, err := readResults("tuned/run")
	if err != nil || len(rows) != 1 {
		t.Errorf("the run has %d epochs: %v", len(rows), err)
	}
	if a, b := accuracyOf(t, "tuned/run"), accuracyOf(t, "tuned/net.incc", "--weights", "tuned/weights.safetensors", "--data", "."); a != b {
		t.Errorf("run has the accuracy %g, net.incc %g", a, b)
	}
}

// compressResume: a compression that stopped at any place goes on with the same result.
func compressResume(t *testing.T) {
	const line = "compress trained --max-accuracy-drop 30% --finetune 1 --limit-batches 8 --tries 1 --images 16 --cost macs --threads 1 -o "
	must(t, strings.Fields(line+"whole")...)
	journal, err := os.ReadFile(filepath.Join("whole", journalFile))
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range []float64{0.02, 0.8} {
		dir := "part" + strconv.Itoa(i)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		n := int(part * float64(len(journal)))
		if n <= bytes.IndexByte(journal, '\n') {
			n = bytes.IndexByte(journal, '\n') + 5 // in the middle of the first measurement
		}
		if err := os.WriteFile(filepath.Join(dir, journalFile), journal[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		out := must(t, strings.Fields(line+dir)...)
		if i > 0 && !strings.Contains(out, "going on from there") {
			t.Errorf("%s: it does not say that it goes on:\n%s", dir, out)
		}
		sameResult(t, "whole", dir)
	}
	// A finished compression measures nothing again, and another budget uses what is there.
	must(t, strings.Fields(line+"whole")...)
	after, err := os.ReadFile(filepath.Join("whole", journalFile))
	if err != nil || !bytes.Equal(after, journal) {
		t.Errorf("a finished compression measures again: %v", err)
	}
	if out := must(t, strings.Fields("compress trained --target-macs 0.8x --images 16 --cost macs --threads 1 -o whole")...); !strings.Contains(out, "going on from there") {
		t.Errorf("another budget does not use what is there:\n%s", out)
	}
	// A budget that no network meets leaves the table of what can be reached, and no network of another budget.
	code, stdout, stderr := capture(t, strings.Fields("compress trained --target-macs 0.0001x --images 16 --cost macs --threads 1 -o whole")...)
	if code != exitError || !strings.Contains(stderr, "the target is out of reach: the smallest network has") || !strings.Contains(stderr, "the network of an earlier budget was removed from whole") {
		t.Errorf("a target out of reach exits with %d: %s", code, stderr)
	}
	if !strings.Contains(stdout, "error of outputs") || strings.Contains(stdout, "<- chosen") {
		t.Errorf("it prints not the table of what can be reached:\n%s", stdout)
	}
	for _, r := range readTable(t, "whole/compress.csv")[1:] {
		if r[12] == "true" {
			t.Errorf("a network is chosen: %q", r)
		}
	}
	for _, name := range []string{importedSpec, importedWeights, runOfCompress} {
		if exists(filepath.Join("whole", name)) {
			t.Errorf("whole still has %s of another budget", name)
		}
	}
	must(t, strings.Fields("compress trained --target-macs 0.8x --images 16 --cost macs --threads 1 -o whole")...)
	must(t, "eval", "whole/run")
}

// compressRefuses: what cannot be done is an error that says how to go on, and bad flags are
// errors of usage.
func compressRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"flat.incc":        "net flat\ninput image 1x8x8\nmaxpool 4x4/4 -> flatten -> softmax\n",
		"pool.incc":        "net pool\ninput image 1x8x8\navgpool 2x2/2 -> conv 1x1 10 -> gap -> softmax\n",
		"foreign/net.incc": "net x\n",
		"broken/" + journalFile: `{"compress":{"incc":"other"}}
`,
		"text/" + journalFile: "hello\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "weights", "pool.incc", "-o", "pool.safetensors")
	must(t, "compile", "small.incc", "-o", "small.onnx")
	for _, row := range []struct {
		line string
		code int
		want string
	}{
		{"compress trained -o x", exitUsage, "missing the budget"},
		{"compress trained --target-macs 0.5x", exitUsage, "missing -o DIR"},
		{"compress trained --target-macs 2x -o x", exitUsage, `--target-macs "2x"`},
		{"compress trained --target-macs half -o x", exitUsage, `--target-macs "half"`},
		{"compress trained --target-ms 0 -o x", exitUsage, `--target-ms "0"`},
		{"compress trained --target-ms 1.5x -o x", exitUsage, `--target-ms "1.5x"`},
		{"compress trained --max-accuracy-drop 2 -o x", exitUsage, "more than all images"},
		{"compress trained --target-macs 0.5x --cost time -o x", exitUsage, "unknown --cost"},
		{"compress trained --target-macs 0.5x --images 0 -o x", exitUsage, "--images 0"},
		{"compress trained --target-macs 0.5x --batch 0 -o x", exitUsage, "a batch"},
		{"compress trained --target-macs 0.5x --lr 0.1 -o x", exitUsage, "with --finetune"},
		{"compress trained --target-macs 0.5x --finetune -1 -o x", exitUsage, "--finetune -1"},
		{"compress trained --target-macs 0.5x --finetune 1 --lr 0 -o x", exitUsage, "--lr 0"},
		{"compress trained --target-macs 0.5x --finetune 1 --tries 0 -o x", exitUsage, "--tries 0"},
		{"compress trained --target-macs 0.5x --val x.y% -o x", exitUsage, "--val"},
		{"compress small.incc --data . --target-macs 0.5x -o x", exitUsage, "needs --weights"},
		{"compress small.onnx --data . --target-macs 0.5x --finetune 1 -o x", exitUsage, "needs a train block"},
		{"compress trained --target-macs 0.5x --finetune 1 --val 0 -o x", exitUsage, "needs images for validation"},
		{"compress small.onnx --target-macs 0.5x -o x", exitUsage, "missing --data"},
		{"compress trained --target-macs 0.5x -o foreign", exitError, "choose another folder"},
		{"compress trained --target-macs 0.5x -o broken", exitError, "with another"},
		{"compress trained --target-macs 0.5x -o text", exitError, "not a journal"},
		{"compress trained --target-macs 0.5x -o trained", exitError, "choose another folder"},
		{"compress pool.incc --weights pool.safetensors --data . --target-macs 0.5x -o y --cost macs --threads 1", exitError, "no change of pool saves anything"},
		{"compress trained --target-macs 0.0001x --images 16 --cost macs --threads 1 -o z", exitError, "the smallest network has 0."},
		{"compress trained --target-macs 0.1x --max-accuracy-drop 0.1% --images 16 --cost macs --threads 1 -o z", exitError, "the accuracy is"},
		{"compress trained --target-macs 0.5x --images 17 --cost macs --threads 1 -o z", exitError, "another images"},
		{"compress trained --target-macs 0.5x --memory 1KB -o x", exitError, "--memory"},
	} {
		code, out, stderr := capture(t, strings.Fields(row.line)...)
		if code != row.code || !strings.Contains(stderr, row.want) {
			t.Errorf("incc %s exits with %d, want %d: %s%s, want %s", row.line, code, row.code, out, stderr, row.want)
		}
	}
}

// passesOfRun: incc passes uses the weights of a run.
func passesOfRun(t *testing.T) {
	out := must(t, "passes", "trained", "--passes", "factorize=svd,mid=16")
	if !strings.Contains(out, "becomes 5x1 32 -> 16, 1x5 16 -> 32") || !strings.Contains(out, "error") {
		t.Errorf("the layers are not factorized by their weights:\n%s", out)
	}
	if code, _, stderr := capture(t, "passes", "small.incc", "--passes", "factorize=svd,mid=16"); code != exitError || !strings.Contains(stderr, "needs trained weights") {
		t.Errorf("without weights it exits with %d: %s", code, stderr)
	}
}

// compressKilled kills compressions at random times and gives the same command again: in the end
// the result is that of one that was never killed.
func compressKilled(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("with INCC_LONG=1: compresses a network many times")
	}
	args := strings.Fields("compress trained --max-accuracy-drop 30% --finetune 1 --limit-batches 8 --tries 2 --images 16 --cost macs --threads 1 -o")
	start := time.Now()
	if out, err := inccProcess(t, ".", append(args, "whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(start)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	killed := 0
	for i := range 5 {
		dir := "killed" + strconv.Itoa(i)
		for {
			c := inccProcess(t, ".", append(args, dir)...)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			end := time.AfterFunc(time.Duration(r.Float64()*float64(whole)), func() { c.Process.Kill() })
			err := c.Wait()
			if end.Stop(); err == nil {
				break
			}
			if c.ProcessState.ExitCode() >= 0 {
				t.Fatalf("seed %d: it fails: %v", seed, err)
			}
			killed++
		}
		sameResult(t, "whole", dir)
	}
	if killed < 3 {
		t.Errorf("only %d processes were killed", killed)
	}
}

// sameResult compares the networks of two compressions.
func sameResult(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range []string{"net.incc", "weights.safetensors", "run/spec.incc"} {
		x, errA := os.ReadFile(filepath.Join(a, name))
		y, errB := os.ReadFile(filepath.Join(b, name))
		if errA != nil || errB != nil || !bytes.Equal(x, y) {
			t.Errorf("%s: %s is another one than in %s (%v, %v)", b, name, a, errA, errB)
		}
	}
}
