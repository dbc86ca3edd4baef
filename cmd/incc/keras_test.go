package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flatSpec is the network of backends/weights/testdata/flat*, which make_keras.py there made.
const flatSpec = `net flat
input image 3x6x6
conv 3x3/2 4 pad=same act=relu bn=0.001 -> conv 3x3 4 pad=same groups=depthwise -> fc 5 -> softmax
`

// TestKerasWeights: a spec with weights of Keras, which flattens maps in another order, and the
// model of Keras in place of a spec make the outputs of Keras.
func TestKerasWeights(t *testing.T) {
	dir := t.TempDir()
	spec, y := filepath.Join(dir, "flat.incc"), filepath.Join(dir, "y.npy")
	if err := os.WriteFile(spec, []byte(flatSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	data := func(name string) string { return filepath.Join(weightsData, name) }
	for _, name := range []string{"flat.keras", "flat.h5"} {
		_, errs := inccRun(t, exitOK, "run", spec, "--weights", data(name), "-i", data("flat_x.npy"), "-o", y)
		closeTo(t, name, y, data("flat_y.npy"))
		if want := "by the order and the shapes of layers, which names do not confirm; the file lacks 1 gamma (then 1) or beta (then 0) of normalizations\n"; !strings.Contains(errs, want) {
			t.Errorf("%s: %q, want %q", name, errs, want)
		}
	}
	net := filepath.Join(dir, "flat")
	inccRun(t, exitOK, "import", data("flat.keras"), "-o", net)
	inccRun(t, exitOK, "run", filepath.Join(net, "net.incc"), "--weights", filepath.Join(net, "weights.safetensors"), "-i", data("flat_x.npy"), "-o", y)
	closeTo(t, "import", y, data("flat_y.npy"))
	inccRun(t, exitOK, "verify", data("flat.h5"), "--run")
	if _, errs := inccRun(t, exitError, "summary", data("flat.weights.h5")); !strings.Contains(errs, "weights alone") {
		t.Errorf("weights in place of a spec: %s", errs)
	}
}
