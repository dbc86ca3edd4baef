package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/incc-lang/incc/backends/cpu/kernel"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == limitedName {
		limitedMain()
	}
	testscript.Main(m, map[string]func(){
		"incc": main,
	})
}

// TestScripts runs testdata/script/*.txtar, each in a new folder, with incc as a user would
// call it. INCC_UPDATE=1 writes the output of commands into the files. Every folder contains
// idx, a data set of 32 training and 8 test images of 4x4 pixels, and zero.png, the first
// training image.
func TestScripts(t *testing.T) {
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	if scriptsFrom, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("INCC_UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			if err := writeIDX(filepath.Join(e.WorkDir, "idx"), 4, 32, 8); err != nil {
				return err
			}
			img := image.NewGray(image.Rect(0, 0, 4, 4))
			for i := range img.Pix {
				img.Pix[i] = byte(i * i * 11) // image 0 of the set
			}
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(e.WorkDir, "zero.png"), b.Bytes(), 0o644); err != nil {
				return err
			}
			// Scripts that call go share its build cache and do not use the network.
			e.Vars = append(e.Vars, "GOCACHE="+strings.TrimSpace(string(cache)), "GOPROXY=off", "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0", "DETECTOR="+filepath.Join(scriptsFrom, "../../backends/onnx/testdata/detector.onnx"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"flip": flip, "pictures": makePictures, "bare": bareModel},
		Condition: func(cond string) (bool, error) {
			isa, err := kernel.ParseISA(cond)
			return err == nil && slices.Contains(kernel.Available(), isa), nil
		},
	})
}

// writeIDX writes a data set in the format of MNIST: pictures of side x side pixels in
// ten classes.
func writeIDX(dir string, side, train, test int) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		n    int
	}{{"train", train}, {"t10k", test}} {
		var pixels, labels []byte
		for i := range part.n {
			labels = append(labels, byte(i%10))
			for p := range side * side {
				pixels = append(pixels, byte(i*37+p*p*11))
			}
		}
		if err := os.WriteFile(filepath.Join(dir, part.name+"-images-idx3-ubyte"), idx(pixels, part.n, side, side), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, part.name+"-labels-idx1-ubyte"), idx(labels, part.n), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// scriptsFrom is the folder of this package.
var scriptsFrom string

// flip is a command of scripts, flip FILE N, that changes a bit of byte N of a file.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE N")
	}
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[at] ^= 1
	ts.Check(os.WriteFile(path, b, 0o644))
}

// idx returns the contents of a file of bytes in the IDX format, which MNIST uses.
func idx(data []byte, shape ...int) []byte {
	b := []byte{0, 0, 8, byte(len(shape))}
	for _, d := range shape {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, data...)
}
