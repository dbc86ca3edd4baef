// Command install downloads the programs that incc is compared with (ONNX Runtime,
// OpenVINO, PyTorch) and test photographs into the folder of [peers.Dir]. What is there already
// is kept.
//
//	go run ./backends/cpu/peers/install          # ONNX Runtime 1.32.0 and 1.20.1, by pip
//	go run ./backends/cpu/peers/install photos   # photographs out of scikit-image, by pip, 14 MB
//	go run ./backends/cpu/peers/install openvino # OpenVINO 2026.4.1, by pip, 280 MB
//	go run ./backends/cpu/peers/install torch    # PyTorch 2.15.0, by pip, 5 GB
package main

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/incc-lang/incc/backends/cpu/peers"
)

func main() {
	what := os.Args[1:]
	if len(what) == 0 {
		what = []string{"ort"}
	}
	for _, w := range what {
		var err error
		switch w {
		case "ort":
			for _, v := range []string{peers.ORT, peers.OldORT} {
				if err == nil {
					err = ort(v)
				}
			}
			if err == nil {
				err = ortHeldToAVX2()
			}
		case "photos":
			err = photos()
		case "torch":
			err = environment("PyTorch "+peers.Torch, peers.TorchPython(peers.Torch), "import torch, onnx, numpy", "torch=="+peers.Torch, "numpy", "onnx")
		case "openvino":
			err = environment("OpenVINO "+peers.OpenVINO, peers.OpenVINOPython(), "import openvino, numpy", "openvino=="+peers.OpenVINO, "numpy")
		default:
			fmt.Fprintf(os.Stderr, "install: unknown name %q\nusage: install [ort] [photos] [openvino] [torch]\n", w)
			os.Exit(2)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "install:", err)
			os.Exit(1)
		}
	}
}

func run(name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// wheel downloads the wheel of a package by pip into a new folder below peers.Dir and opens
// it. The function that it returns removes the folder.
func wheel(requirement string, args ...string) (*zip.ReadCloser, func(), error) {
	if err := os.MkdirAll(peers.Dir(), 0o777); err != nil {
		return nil, nil, err
	}
	tmp, err := os.MkdirTemp(peers.Dir(), "pip")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { os.RemoveAll(tmp) }
	args = append([]string{"-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", tmp}, args...)
	if err := run("python3", append(args, requirement)...); err != nil {
		remove()
		return nil, nil, err
	}
	names, err := filepath.Glob(filepath.Join(tmp, "*.whl"))
	if err == nil && len(names) != 1 {
		err = fmt.Errorf("pip downloaded %d wheels of %s", len(names), requirement)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	z, err := zip.OpenReader(names[0])
	if err != nil {
		remove()
		return nil, nil, err
	}
	return z, func() { z.Close(); remove() }, nil
}

// ort takes the shared library out of pip's wheel.
func ort(version string) error {
	lib := peers.ORTLibrary(version)
	if _, err := os.Stat(lib); err == nil {
		fmt.Println("ONNX Runtime", version, "is installed")
		return nil
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return fmt.Errorf("cannot install ONNX Runtime for %s/%s (want linux/amd64 or linux/arm64)", runtime.GOOS, runtime.GOARCH)
	}
	// The library does not depend on the version of Python, but the wheel's name does.
	z, remove, err := wheel("onnxruntime=="+version, "--python-version", "3.11")
	if err != nil {
		return err
	}
	defer remove()
	b, err := fs.ReadFile(z, "onnxruntime/capi/libonnxruntime.so."+version)
	if err != nil {
		return fmt.Errorf("the wheel of onnxruntime %s: %w", version, err)
	}
	if err := write(lib, b); err != nil {
		return err
	}
	fmt.Println("ONNX Runtime", version, "installed")
	return nil
}

// write writes a file whole or not at all.
func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", b, 0o666); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// ortHeldToAVX2 writes a copy of the newest ONNX Runtime that does not use AVX-512.
func ortHeldToAVX2() error {
	lib := peers.ORTLibrary(peers.ORTHeldToAVX2)
	if _, err := os.Stat(lib); err == nil || runtime.GOARCH != "amd64" {
		return nil
	}
	b, err := os.ReadFile(peers.ORTLibrary(peers.ORT))
	if err != nil {
		return err
	}
	if err := peers.HoldToAVX2(b); err != nil {
		return err
	}
	if err := write(lib, b); err != nil {
		return err
	}
	fmt.Println("ONNX Runtime", peers.ORT, "held to AVX2 installed")
	return nil
}

// photographs are pictures of scikit-image that were taken with a camera: colour and
// grey, PNG and JPEG.
var photographs = []string{"astronaut.png", "coffee.png", "chelsea.png", "camera.png", "rocket.jpg"}

// photos takes photographs out of the wheel of scikit-image without installing it.
func photos() error {
	whole := true
	for _, name := range photographs {
		_, err := os.Stat(filepath.Join(peers.Photos(), name))
		whole = whole && err == nil
	}
	if whole {
		fmt.Println("the photographs are installed")
		return nil
	}
	if err := os.MkdirAll(peers.Photos(), 0o777); err != nil {
		return err
	}
	z, remove, err := wheel("scikit-image")
	if err != nil {
		return err
	}
	defer remove()
	for _, name := range photographs {
		b, err := fs.ReadFile(z, "skimage/data/"+name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(peers.Photos(), name), b, 0o666); err != nil {
			return err
		}
	}
	fmt.Println(len(photographs), "photographs installed")
	return nil
}

// environment installs packages of pip into a virtual environment of their own, whose
// interpreter is python. An incomplete one, in which the statement fails, is removed first.
func environment(name, python, statement string, packages ...string) error {
	if exec.Command(python, "-c", statement).Run() == nil {
		fmt.Println(name, "is installed")
		return nil
	}
	dir := filepath.Dir(filepath.Dir(python))
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := run("python3", "-m", "venv", dir); err != nil {
		return err
	}
	if err := run(python, append([]string{"-m", "pip", "install", "-q"}, packages...)...); err != nil {
		return err
	}
	fmt.Println(name, "installed")
	return nil
}
