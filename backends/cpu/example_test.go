package cpu_test

import (
	"fmt"
	"log"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/passes"
)

// A network is compiled once; each goroutine that runs it has a session.
func Example() {
	g, problems := dsl.Load("tiny.incc", []byte(`net tiny
input image 1x28x28 range=0..1
first: conv 5x5 8 pad=same act=relu -> maxpool 2x2/2
gap -> fc 10 -> softmax
`), dsl.Options{})
	if g == nil {
		log.Fatal(problems)
	}
	// Optional: what makes it faster, here fused activations.
	if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil {
		log.Fatal(err)
	}
	program, err := cpu.Compile(g, cpu.Options{Batch: 4, KeepParts: true})
	if err != nil {
		log.Fatal(err)
	}
	session := program.NewSession()
	images := make([]float32, 3*28*28) // three of at most four
	probs := make([]float32, 3*10)
	in, out := [][]float32{images}, [][]float32{probs} // made once
	if err := session.Run(in, out); err != nil {       // allocates nothing
		log.Fatal(err)
	}
	fmt.Printf("%d classes, %.0f %% in all\n", len(probs)/3, 100*sum(probs[:10]))
	fmt.Println(len(session.Part("first", 3))/3, "numbers behind the first part")
	// Output:
	// 10 classes, 100 % in all
	// 1568 numbers behind the first part
}

// The slices of inputs and outputs are made once: then a run allocates nothing. Written into
// the call, as in s.Run([][]float32{image}, ...), they are allocated by every run.
func ExampleSession_Run() {
	g, problems := dsl.Load("tiny.incc", []byte("net tiny\ninput image 1x28x28 range=0..1\nconv 5x5 8 act=relu -> gap -> fc 10 -> softmax\n"), dsl.Options{})
	if g == nil {
		log.Fatal(problems)
	}
	program, err := cpu.Compile(g, cpu.Options{})
	if err != nil {
		log.Fatal(err)
	}
	session := program.NewSession()
	inputs := [][]float32{make([]float32, 28*28)}
	outputs := [][]float32{make([]float32, 10)}
	allocations := testing.AllocsPerRun(10, func() {
		inputs[0][0] += 0.01 // the next image
		if err := session.Run(inputs, outputs); err != nil {
			log.Fatal(err)
		}
	})
	fmt.Println(allocations, "allocations a run")
	// Output: 0 allocations a run
}

func sum(x []float32) (s float32) {
	for _, v := range x {
		s += v
	}
	return s
}
