package ort_test

import (
	"fmt"
	"log"

	ort "github.com/incc-lang/incc/backends/onnx/ort"
)

// The calls are those of github.com/yalue/onnxruntime_go. There, SetSharedLibraryPath names
// ONNX Runtime; here it is not needed.
func Example() {
	if err := ort.InitializeEnvironment(); err != nil {
		log.Fatal(err)
	}
	defer ort.DestroyEnvironment()

	input, err := ort.NewTensor(ort.NewShape(1, 3, 6, 6), make([]float32, 3*6*6))
	if err != nil {
		log.Fatal(err)
	}
	defer input.Destroy()
	output, err := ort.NewEmptyTensor[float32](ort.NewShape(1, 5))
	if err != nil {
		log.Fatal(err)
	}
	defer output.Destroy()

	session, err := ort.NewAdvancedSession("../testdata/classifier.onnx",
		[]string{"image"}, []string{"softmax"}, []ort.Value{input}, []ort.Value{output}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Destroy()

	if err := session.Run(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.3f\n", output.GetData())
	// Output: [0.208 0.252 0.158 0.224 0.158]
}
