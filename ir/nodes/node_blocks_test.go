package nodes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBlocks compares products and convolutions of real numbers, which are made in blocks and
// lines, with those of integers, which are made one by one. Whole numbers make both exact.
func TestBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(shape ...int) []float64 {
		x := make([]float64, nodeLen(shape))
		for i := range x {
			x[i] = float64(r.IntN(15) - 7)
		}
		return x
	}
	eval := func(op, attrs string, k NodeKind, shapes [][]int, x [][]float64) []float64 {
		t.Helper()
		var in []NodeType
		for _, s := range shapes {
			in = append(in, NodeType{k, s})
		}
		p, err := PlanNode(op, attrs, in, true)
		if err != nil {
			t.Fatalf("%s %v %s: %v", op, shapes, attrs, err)
		}
		y, err := p.Eval(x)
		if err != nil {
			t.Fatal(err)
		}
		return y[0]
	}
	same := func(what string, got, want []float64) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v (want %v)", what, got[:min(9, len(got))], want[:min(9, len(want))])
		}
	}
	for _, s := range [][2][]int{
		{{3, 5}, {5, 7}}, {{1, 300}, {300, 9}}, {{5, 700}, {700, 131}}, {{4, 257}, {257, 64}}, {{700}, {700, 3}}, {{3, 700}, {700}},
		{{2, 3, 4, 5}, {3, 5, 6}}, {{2, 1, 1, 5}, {3, 5, 6}}, {{6, 300, 20}, {20, 70}}, {{1, 1}, {1, 1}},
	} {
		x := [][]float64{draw(s[0]...), draw(s[1]...)}
		same(fmt.Sprint(s), eval("MatMul", "", NodeFloat, s[:], x), eval("MatMulInteger", "", NodeInt8, s[:], x))
	}
	turn := func(x []float64, rows, cols int) []float64 {
		y := make([]float64, len(x))
		for i := range x {
			y[i%cols*rows+i/cols] = x[i]
		}
		return y
	}
	for _, s := range [][3]int{{1, 300, 66}, {2, 300, 66}, {7, 513, 3}, {33, 17, 65}} {
		m, k, n := s[0], s[1], s[2]
		a, b := draw(m, k), draw(k, n)
		want := eval("MatMulInteger", "", NodeInt8, [][]int{{m, k}, {k, n}}, [][]float64{a, b})
		same(fmt.Sprint("Gemm ", s), eval("Gemm", "transB:1", NodeFloat, [][]int{{m, k}, {n, k}}, [][]float64{a, turn(b, k, n)}), want)
		same(fmt.Sprint("Gemm ", s), eval("Gemm", "transA:1", NodeFloat, [][]int{{k, m}, {k, n}}, [][]float64{turn(a, m, k), b}), want)
		same(fmt.Sprint("Gemm ", s), eval("Gemm", "transA:1;transB:1", NodeFloat, [][]int{{k, m}, {n, k}}, [][]float64{turn(a, m, k), turn(b, k, n)}), want)
	}
	for _, s := range []struct {
		x, w  []int
		attrs string
	}{
		{[]int{2, 3, 9}, []int{4, 3, 3}, "pads:2,1;strides:2"},
		{[]int{2, 4, 9, 11}, []int{6, 2, 3, 2}, "group:2;pads:2,1,0,3;strides:2,3;dilations:1,2"},
		{[]int{1, 3, 40, 40}, []int{5, 3, 5, 5}, "pads:4,4,4,4"},
		{[]int{1, 2, 3, 3}, []int{2, 2, 3, 3}, "pads:9,9,9,9;strides:4,4"},
		{[]int{1, 2, 5, 6, 7}, []int{3, 2, 2, 3, 3}, "pads:1,0,1,1,2,1;strides:1,2,2"},
		{[]int{1, 4, 8, 8}, []int{4, 1, 3, 3}, "group:4;auto_pad:SAME_LOWER;strides:2,2"},
	} {
		x := [][]float64{draw(s.x...), draw(s.w...)}
		shapes := [][]int{s.x, s.w}
		same(fmt.Sprint("Conv ", s), eval("Conv", s.attrs, NodeFloat, shapes, x), eval("ConvInteger", s.attrs, NodeInt8, shapes, x))
	}
}
