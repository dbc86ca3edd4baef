package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/tensor"
)

// This file reads the inputs of incc run: a network may have several.

// readInputs reads what the values of --input name: FILE for a network with one input,
// NAME=FILE for each of several, or noise for all of them.
func readInputs(g *ir.Graph, list []string) ([]*tensor.Tensor, error) {
	paths, err := inputPaths(g, list)
	if err != nil {
		return nil, err
	}
	var all []*tensor.Tensor
	for i, v := range g.Inputs {
		one := *g // with this input only
		one.Inputs = []*ir.Value{v}
		x, err := readInput(&one, paths[i])
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	first := -1
	for i, v := range g.Inputs {
		switch {
		case !v.Type.Shape.Symbolic():
		case first < 0:
			first = i
		case all[i].Shape[0] != all[first].Shape[0]:
			return nil, fmt.Errorf("input %s has %d images, and input %s %d", diag.Name(v.Name), all[i].Shape[0], diag.Name(g.Inputs[first].Name), all[first].Shape[0])
		}
	}
	return all, nil
}

// inputPaths returns the value of --input of each input of a network.
func inputPaths(g *ir.Graph, list []string) ([]string, error) {
	var names []string
	for _, v := range g.Inputs {
		names = append(names, v.Name)
	}
	if len(list) == 1 && (len(names) == 1 || list[0] == "noise" || strings.HasPrefix(list[0], "noise:")) {
		path := list[0]
		if name, file, ok := strings.Cut(path, "="); ok && len(names) == 1 {
			switch {
			case name == names[0]:
				path = file
			case !exists(path) && exists(file):
				return nil, usagef("--input %s names no input of %s: it has the input %s", diag.Quote(path), g.Name, diag.Name(names[0]))
			}
		}
		paths := make([]string, len(names))
		for i := range paths {
			paths[i] = path
		}
		return paths, nil
	}
	if len(names) == 1 {
		return nil, usagef("%s has one input, %s, and --input is given %d times: want one FILE", g.Name, diag.Name(names[0]), len(list))
	}
	paths := make([]string, len(names))
	for _, s := range list {
		name, path, ok := strings.Cut(s, "=")
		at := -1
		for i, n := range names {
			if n == name {
				at = i
			}
		}
		if !ok || at < 0 {
			return nil, usagef("--input %s names no input of %s%s: want NAME=FILE for each of %s", diag.Quote(s), g.Name, didYouMean(name, names), strings.Join(names, ", "))
		}
		if paths[at] != "" {
			return nil, usagef("--input names %s twice", name)
		}
		paths[at] = path
	}
	for i, p := range paths {
		if p == "" {
			return nil, usagef("%s has the inputs %s: --input %s=FILE is missing", g.Name, strings.Join(names, ", "), names[i])
		}
	}
	return paths, nil
}

// checkNumbers returns an error if an input does not take the numbers of a file exactly. kind is
// what they are in the file, as package npy says it. Floats are rounded to float32.
func checkNumbers(path string, in *ir.Value, kind byte, data []float64) error {
	t := in.Type.DType
	if t == ir.F32 && kind == 'f' {
		return nil
	}
	lo, hi := t.Range()
	for i, x := range data {
		where := fmt.Sprintf("%s: element %d is %v", diag.Name(path), i, strconv.FormatFloat(x, 'f', -1, 64))
		switch {
		case t != ir.F32 && x != math.Trunc(x):
			return fmt.Errorf("%s, but input %s takes whole numbers (%v)", where, diag.Name(in.Name), t)
		case t != ir.F32 && (x < lo || x > hi):
			return fmt.Errorf("%s, but input %s takes %v: %.0f to %.0f", where, diag.Name(in.Name), t, lo, hi)
		case float64(float32(x)) != x || math.Abs(x) >= 1<<53:
			hint := ""
			if t == ir.F32 {
				hint = "; in NumPy, x.astype(np.float32) rounds it"
			}
			return fmt.Errorf("%s: float32, in which inputs are given, does not hold this integer exactly%s", where, hint)
		}
	}
	return nil
}

// noiseBatches returns the largest number of images that a value of --input asks for.
func noiseBatches(list []string) int {
	n := 1
	for _, s := range list {
		if _, path, ok := strings.Cut(s, "="); ok {
			s = path
		}
		n = max(n, noiseBatch(s))
	}
	return n
}

// imagesOfInputs returns the number of images in the inputs of a network.
func imagesOfInputs(g *ir.Graph, x []*tensor.Tensor) int {
	for i, v := range g.Inputs {
		if v.Type.Shape.Symbolic() {
			return x[i].Shape[0]
		}
	}
	return 1
}
