// Command install downloads the programs that incc is compared with (ONNX Runtime,
// PyTorch) and test photographs into the folder of [peers.Dir]. What is there already
// is kept.
//
//	go run ./backends/cpu/peers/install          # ONNX Runtime 1.30.0 and 1.20.1, by npm
//	go run ./backends/cpu/peers/install photos   # photographs out of scikit-image, by pip, 14 MB
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
	"strings"

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
		case "photos":
			err = photos()
		case "torch":
			err = torch(peers.Torch)
		default:
			fmt.Fprintf(os.Stderr, "install: unknown name %q\nusage: install [ort] [photos] [torch]\n", w)
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

// ort takes the shared library out of npm's package. The package's install script does not
// run, because it would download GPU libraries from another host.
func ort(version string) error {
	lib := peers.ORTLibrary(version)
	if _, err := os.Stat(lib); err == nil {
		fmt.Println("ONNX Runtime", version, "is installed")
		return nil
	}
	arch, ok := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if !ok || runtime.GOOS != "linux" {
		return fmt.Errorf("cannot install ONNX Runtime for %s/%s (want linux/amd64 or linux/arm64)", runtime.GOOS, runtime.GOARCH)
	}
	if err := os.MkdirAll(peers.Dir(), 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(peers.Dir(), "npm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", "--prefix", tmp, "onnxruntime-node@"+version); err != nil {
		return err
	}
	found := ""
	err = filepath.WalkDir(tmp, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, filepath.Join("linux", arch, "libonnxruntime.so.1")) {
			found = path
		}
		return err
	})
	if err != nil {
		return err
	}
	if found == "" {
		return fmt.Errorf("onnxruntime-node %s has no library for linux/%s", version, arch)
	}
	if err := os.MkdirAll(filepath.Dir(lib), 0o777); err != nil {
		return err
	}
	if err := os.Rename(found, lib); err != nil {
		return err
	}
	fmt.Println("ONNX Runtime", version, "installed")
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
	tmp, err := os.MkdirTemp(peers.Dir(), "pip")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := run("python3", "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", tmp, "scikit-image"); err != nil {
		return err
	}
	wheels, err := filepath.Glob(filepath.Join(tmp, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("pip downloaded %d wheels of scikit-image: %v", len(wheels), err)
	}
	wheel, err := zip.OpenReader(wheels[0])
	if err != nil {
		return err
	}
	defer wheel.Close()
	for _, name := range photographs {
		b, err := fs.ReadFile(wheel, "skimage/data/"+name)
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

// torch installs PyTorch into a virtual environment of its own. An incomplete one is
// removed first.
func torch(version string) error {
	python := peers.TorchPython(version)
	if exec.Command(python, "-c", "import torch, onnx, numpy").Run() == nil {
		fmt.Println("PyTorch", version, "is installed")
		return nil
	}
	dir := filepath.Dir(filepath.Dir(python))
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := run("python3", "-m", "venv", dir); err != nil {
		return err
	}
	if err := run(python, "-m", "pip", "install", "-q", "torch=="+version, "numpy", "onnx"); err != nil {
		return err
	}
	fmt.Println("PyTorch", version, "installed")
	return nil
}
