package classify_test

import (
	"fmt"
	"log"

	"github.com/incc-lang/incc/backends/classify"
)

// A model of ONNX classifies a picture. (This model was not trained on pictures.)
func Example() {
	c, err := classify.Load("../onnx/testdata/classifier.onnx", classify.Options{
		Image:  "range=0..1 mean=0.485,0.456,0.406 std=0.229,0.224,0.225",
		Labels: "testdata/labels.txt",
	})
	if err != nil {
		log.Fatal(err)
	}
	top, err := c.ClassifyFile("../cpu/data/testdata/colour.jpg", 2)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range top {
		fmt.Printf("%s %.2f\n", p.Label, p.Score)
	}
	// Output:
	// dog 0.27
	// bird 0.22
}
