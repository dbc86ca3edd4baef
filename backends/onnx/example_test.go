package onnx_test

import (
	"fmt"
	"log"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/passes"
)

// Running a model on the processor. The program is safe for concurrent use; each goroutine
// that runs it has a session. The slices are made once: then a run allocates nothing.
// (testdata/classifier.onnx is what incc compile wrote of the network and the weights in the
// example of package weights.)
func ExampleLoad() {
	g, err := onnx.Load("testdata/classifier.onnx", onnx.LoadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil { // optional: makes it faster
		log.Fatal(err)
	}
	program, err := cpu.Compile(g, cpu.Options{Batch: 2})
	if err != nil {
		log.Fatal(err)
	}
	in, out := [][]float32{make([]float32, 2*3*6*6)}, [][]float32{make([]float32, 2*5)}
	if err := program.NewSession().Run(in, out); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %v to %s %v\n", g.Inputs[0].Name, g.Inputs[0].Type.Shape, g.Outputs[0].Name, g.Outputs[0].Type.Shape)
	fmt.Printf("%.3f\n", out[0][:5])
	// Output:
	// image Nx3x6x6 to softmax Nx5
	// [0.208 0.252 0.158 0.224 0.158]
}
