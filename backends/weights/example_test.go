package weights_test

import (
	"fmt"
	"log"

	"github.com/incc-lang/incc/backends/weights"
	"github.com/incc-lang/incc/dsl"
)

// A network whose weights PyTorch trained.
func ExampleLoad() {
	g, problems := dsl.Load("tiny.incc", []byte(`net tiny
input image 3x6x6
conv 3x3 4 pad=same act=relu bn=0.001 -> conv 3x3 6 pad=same act=relu -> gap -> fc 5 -> softmax
`), dsl.Options{})
	if g == nil {
		log.Fatal(problems)
	}
	f, err := weights.Open("testdata/tiny.pth")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	how, err := weights.Load(g, f) // a *weights.MisfitError lists what does not fit
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Describe())
	fmt.Println("matched", how)
	fmt.Println("fc/bias has", len(g.Data["fc/bias"].Data), "elements")
	// Output:
	// PyTorch, 10 tensors
	// matched by the order and the shapes of layers, which names do not confirm
	// fc/bias has 5 elements
}
