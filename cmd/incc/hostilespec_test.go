package main

import (
	"strings"
	"testing"
)

// TestHostileSpecs: texts of a few lines that expand to huge networks, and incomplete flat
// graphs.
func TestHostileSpecs(t *testing.T) {
	const head = "net a\ninput x 3x8x8\n"
	const rep = head + "default conv bn=1e-3 act=relu\nblock b = conv 1x1 3 -> conv 1x1 4 -> conv 1x1 5 -> conv 1x1 3\nrepeat 999999 { b }\n"
	deep := head + strings.Repeat("repeat 999999 { ", 12) + "a: relu" + strings.Repeat(" }", 12) + "\n"
	const flat = "graph a\nx = input 4\nw = param 2x4 init=he\nb = param 2\ny = dense x w b\noutput y\n"
	const tooMany = `E0505\]: the net expands to more than 100000 layers`
	var cases []hostileCase
	for _, c := range [][]string{{"vet"}, {"compile", "-o", "x.onnx"}, {"plan"}, {"weights", "-o", "x.safetensors"}, {"bench"}} {
		with := func(file string) []string { return append(append([]string{}, c...), file) }
		cases = append(cases,
			hostileCase{name: "repeat/" + c[0], setup: write(map[string]string{"a.incc": rep}), args: with("a.incc"), wantErr: tooMany},
			hostileCase{name: "repeats in repeats/" + c[0], setup: write(map[string]string{"a.incc": deep}), args: with("a.incc"), wantErr: tooMany},
			hostileCase{name: "flat param without init/" + c[0], setup: write(map[string]string{"a.incc": flat}), args: with("a.incc"), wantErr: `E0707\]: the param "b" has no elements`},
		)
	}
	chain := write(map[string]string{"a.incc": "net a\ninput image 1x1x1 range=0..1\nconv 1x1 1" + strings.Repeat(" -> conv 1x1 1", 20000) + " -> gap -> fc 10\n"})
	cases = append(cases, hostileCase{name: "many warnings/vet", setup: chain, args: []string{"vet", "a.incc"}, wantErr: "19900 warnings more, not shown", maxMillis: 5000})
	runHostile(t, cases)
}
