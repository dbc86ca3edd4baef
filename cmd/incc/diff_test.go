package main

import (
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
		{"conv 1x1 32 ->", "conv 1x1 32 act=none ->", "! last/conv_1x1 no relu"},
		{"conv 1x1 32 ->", "conv 1x1 32 act=tanh ->", "! last/conv_1x1 no relu, with tanh"},
		{"conv 1x1 32 ->", "conv 1x1 32 bn=0.001 ->", "! last/conv_1x1 with batchnorm"},
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
