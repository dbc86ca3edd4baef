package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

const diffBase = `net base
input image 3x32x32
default pad=same
default conv act=relu
stem: conv 3x3 16 -> conv 3x3 16 -> maxpool 2x2/2
mid: inception 8 8 16 4 8 8 -> maxpool 2x2/2
last: conv 1x1 32 -> conv 3x3 32
top: gap -> fc 10 -> softmax
`

// diffLines compares the base with a changed form of it and returns mark, layer, change and
// the parameters of both sides of each row.
func diffLines(t *testing.T, old, new string) string {
	t.Helper()
	if strings.Count(diffBase, old) != 1 {
		t.Fatalf("%q is not once in the spec", old)
	}
	for name, text := range map[string]string{"a.incc": diffBase, "b.incc": strings.Replace(diffBase, old, new, 1)} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, out, stderr := capture(t, "diff", "a.incc", "b.incc")
	if code != 0 {
		t.Fatal(stderr)
	}
	if i := strings.Index(out, "\n\n"); i >= 0 && strings.HasPrefix(out, "statement") {
		out = out[i+2:]
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if head := strings.Fields(lines[0]); fmt.Sprint(head) != "[layer change a.incc params MACs RF b.incc params MACs RF]" {
		t.Errorf("the head is %q", lines[0])
	}
	at := strings.Index(lines[0], "a.incc")
	var got []string
	for _, l := range lines[2 : len(lines)-2] {
		got = append(got, strings.Join(strings.Fields(l[:min(at, len(l))]), " "))
	}
	return strings.Join(got, "\n")
}

func TestDiff(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ old, new, want string }{
		{"net base", "net other", ""},
		// An attribute, and what follows from it.
		{"conv 1x1 32 -> conv 3x3 32", "conv 1x1 32 -> conv 5x5 32", "! last/conv_3x3 -> conv_5x5 conv 3x3 -> 5x5, pad 1 -> 2"},
		{"conv 1x1 32 -> conv 3x3 32", "conv 1x1 48 -> conv 3x3 32", "! last/conv_1x1 outputs 32 -> 48\n! last/conv_3x3 inputs 32 -> 48"},
		{"conv 1x1 32 -> conv 3x3 32", "conv 1x1 32 -> conv 3x3/2 32", "! last/conv_3x3 stride 1 -> 2, pad 1 -> 0,0,1,1"},
		{"conv 1x1 32 ->", "conv 1x1 32 act=none ->", "! last/conv_1x1 init he_uniform -> glorot, no relu"},
		{"conv 1x1 32 ->", "conv 1x1 32 act=tanh ->", "! last/conv_1x1 init he_uniform -> glorot, no relu, with tanh"},
		{"conv 1x1 32 ->", "conv 1x1 32 bn=0.001 ->", "! last/conv_1x1 with batchnorm"},
		{"conv 1x1 32 ->", "conv 1x1 32 init=gaussian,0.05 lr=2 decay=0 max_norm=3 ->", "! last/conv_1x1 init he_uniform -> gaussian,0.05, lr 1 -> 2, decay 1 -> 0, max_norm 0 -> 3, bias lr 1 -> 2"},
		{"conv 1x1 32 ->", "conv 1x1 32 bias=0.2 ->", "! last/conv_1x1 bias init constant,0 -> constant,0.2"},
		{"top:", "train { init xavier }\ntop:", ""},
		// A module in another's place, with another name.
		{"inception 8 8 16 4 8 8", "inception_nx1 8 8 16 4 8 8", "! mid/inception -> inception_nx1 14 layers -> 18 layers"},
		{"inception 8 8 16 4 8 8", "conv 3x3 40", "! mid/inception -> conv_3x3 14 layers -> conv 3x3"},
		// The numbers of a module: its layers are compared.
		{"inception 8 8 16 4 8 8", "inception 8 12 16 4 8 8", "! mid/inception/b3/conv_1x1 outputs 8 -> 12\n! mid/inception/b3/conv_3x3 inputs 8 -> 12"},
		// Layers that are new, removed, or renamed.
		{"conv 3x3 16 -> maxpool 2x2/2\nmid", "conv 3x3 16 -> lrn 5 -> maxpool 2x2/2\nmid", "> stem/lrn lrn"},
		{"last: conv 1x1 32 -> conv 3x3 32", "last: conv 3x3 32", "< last/conv_1x1 conv 1x1\n! last/conv_3x3 inputs 32 -> 40"},
		{"last:", "end:", "~ last/conv_1x1 -> end/conv_1x1\n~ last/conv_3x3 -> end/conv_3x3"},
		{"top:", "head: lrn 5\ntop:", "> head/lrn lrn"},
	} {
		if got := diffLines(t, c.old, c.new); got != c.want {
			t.Errorf("%s becomes %s:\n%s\nwant\n%s", c.old, c.new, got, c.want)
		}
	}
}

const settingsA = `net a
let width = 8
let deep = 3
input image 3x32x32 range=0..1 mean=0.5
labels { "cat" "dog" "owl" }
conv 3x3 width -> conv 3x3 deep act=relu -> gap -> fc 3 -> softmax
train {
  sgd lr=0.1 momentum=0.9
  schedule step every=10 factor=0.1
  augment flip=0.5
  run batch=32 epochs=5
}
`

const settingsB = `net b
let width = 16
let depth = 3
input image 3x48x48 range=0..1 mean=0.5 std=0.25
labels { "cat" "猫" "owl" }
conv 3x3 width -> conv 3x3 depth act=relu -> gap -> fc 3 -> softmax
train {
  adam lr=0.1
  loss focal gamma=2
  augment flip=0.5
  augment shift=0.1
  freeze conv_3x3 until=2
  run batch=32 epochs=6 seed=3
}
`

// TestDiffSettings compares what specs say besides their layers.
func TestDiffSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"a.incc": settingsA, "b.incc": settingsB} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, out, stderr := capture(t, "diff", "a.incc", "b.incc")
	if code != 0 {
		t.Fatal(stderr)
	}
	table, _, _ := strings.Cut(out, "\n\n")
	want := `statement              a.incc         b.incc
---------------------  -------------  --------------
let width              8              16
let depth                             3
let deep               3
input                  image 3x32x32  image 3x48x48
input std                             0.25,0.25,0.25
loss                                  focal
loss gamma                            2
optimizer              sgd            adam
optimizer beta1                       0.9
optimizer beta2                       0.999
optimizer eps                         1e-08
freeze conv_3x3 until                 2
optimizer momentum     0.9
schedule               step
schedule every         10
schedule factor        0.1
augment 2 shift                       0.1
run epochs             5              6
run seed                              3
label 1                dog            猫`
	if table != want {
		t.Errorf("got\n%s\nwant\n%s", table, want)
	}
	code, out, stderr = capture(t, "diff", "a.incc", "b.incc", "--json")
	var got struct {
		Files    []string
		Settings []diffSetting
	}
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
		t.Fatal(stderr, err)
	}
	if lines := strings.Count(want, "\n") - 1; len(got.Settings) != lines || fmt.Sprint(got.Files) != "[a.incc b.incc]" || got.Settings[0] != (diffSetting{"let width", "8", "16"}) {
		t.Errorf("%d settings, want %d: %v %v", len(got.Settings), lines, got.Files, got.Settings)
	}
	if _, out, _ = capture(t, "diff", "a.incc", "a.incc", "--json"); !strings.Contains(out, `"settings": []`) || strings.Contains(out, `"mark": "!"`) {
		t.Errorf("a spec differs from itself: %s", out)
	}
	if _, out, _ = capture(t, "diff", "a.incc", "a.incc", "--all"); !strings.Contains(out, "input mean          0.5,") {
		t.Errorf("--all does not list what is equal: %s", out)
	}
	if _, out, _ = capture(t, "diff", "a.incc", "a.incc", "-D", "width=9"); strings.Contains(out, "let") {
		t.Errorf("-D is for both: %s", out)
	}
	if _, out, _ = capture(t, "diff", "googlenet", "a.incc"); !strings.Contains(out, "label 9   stingray") && !strings.Contains(out, "and 990 more labels") {
		t.Errorf("many labels:\n%s", out[:2000])
	}
}
