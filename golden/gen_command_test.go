package golden

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// writePictures makes a PNG and a JPEG that look a little like a digit and are larger than
// the input of the network.
func writePictures(t *testing.T, dir string) (pngFile, jpegFile string) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 50, 40))
	for y := range 40 {
		for x := range 50 {
			v := uint8(0)
			if d := (x-25)*(x-25) + 2*(y-20)*(y-20); d > 150 && d < 400 {
				v = 250
			}
			img.SetNRGBA(x, y, color.NRGBA{v, v, v / 2, 255})
		}
	}
	var a, b bytes.Buffer
	if err := png.Encode(&a, img); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	pngFile, jpegFile = filepath.Join(dir, "digit.png"), filepath.Join(dir, "digit.jpg")
	for name, data := range map[string][]byte{pngFile: a.Bytes(), jpegFile: b.Bytes()} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return pngFile, jpegFile
}

// writeTurned writes a picture twice: with the EXIF orientation 6, which turns it a
// quarter to the right, and as a GIF whose pixels are turned.
func writeTurned(t *testing.T, pngFile string) (turned [2]string) {
	t.Helper()
	file, err := os.ReadFile(pngFile)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	size := img.Bounds().Size()
	right := image.NewPaletted(image.Rect(0, 0, size.Y, size.X), color.Palette{color.NRGBA{0, 0, 0, 255}, color.NRGBA{250, 250, 125, 255}})
	for y := range size.Y {
		for x := range size.X {
			right.Set(size.Y-1-y, x, img.At(x, y))
		}
	}
	var b bytes.Buffer
	if err := gif.Encode(&b, right, nil); err != nil {
		t.Fatal(err)
	}
	const head = 33 // bytes before the chunks of the picture
	chunk := []byte("eXIfMM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	with := binary.BigEndian.AppendUint32(slices.Clone(file[:head]), uint32(len(chunk)-4))
	with = binary.BigEndian.AppendUint32(append(with, chunk...), crc32.ChecksumIEEE(chunk))
	with = append(with, file[head:]...)
	for i, data := range [][]byte{with, b.Bytes()} {
		turned[i] = strings.TrimSuffix(pngFile, ".png") + []string{"_orientation.png", "_turned.gif"}[i]
		if err := os.WriteFile(turned[i], data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return turned
}

// pictureFolder makes a folder with pictures in folders, a hidden one and a text.
func pictureFolder(t *testing.T, pngFile, jpegFile string) string {
	t.Helper()
	folder := t.TempDir()
	for name, from := range map[string]string{"one.png": pngFile, "in/deep/three.png": pngFile, "in/two.jpg": jpegFile, ".hidden.png": pngFile, "notes.txt": ""} {
		var b []byte
		if from != "" {
			var err error
			if b, err = os.ReadFile(from); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// prediction is a class of a picture, as commands and servers print it in JSON.
type prediction struct {
	Class int
	Label string
	Score float64
}

// TestGeneratedCommands builds the commands of packages, with their weights inside
// and beside them, and uses them: pictures from files and over HTTP have the
// classes of incc predict, and what cannot be is refused.
func TestGeneratedCommands(t *testing.T) {
	if *update {
		t.Skip("nothing to update")
	}
	exe, err := inccCommand()
	if err != nil {
		t.Fatal(err)
	}
	dir := newModule(t)
	pngFile, jpegFile := writePictures(t, dir)
	inModule(t, dir, nil, exe, "weights", "mnist/nin", "--seed", "5", "-o", "nin.safetensors")
	// What incc predict says.
	want := map[string][]prediction{}
	for _, line := range strings.Split(strings.TrimSpace(inModule(t, dir, nil, exe, "predict", "mnist/nin", "--weights", "nin.safetensors", "--top", "3", "--json", pngFile, jpegFile)), "\n") {
		var x struct {
			Picture string
			Top     []prediction
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil || len(x.Top) != 3 {
			t.Fatalf("%s: %v", line, err)
		}
		want[x.Picture] = x.Top
	}
	for _, store := range []string{"embed", "file"} {
		t.Run(store, func(t *testing.T) {
			pkg := "./net/" + store
			inModule(t, dir, nil, exe, "gen", "go", "mnist/nin", "--weights", "nin.safetensors", "-o", pkg, sharedKernel, "--main", "--store", store)
			bin := t.TempDir()
			program := filepath.Join(bin, "classify.exe")
			inModule(t, dir, nil, "go", "build", "-o", program, pkg+"/cmd/"+store)
			if store == "file" {
				if out, err := exec.Command(program, pngFile).CombinedOutput(); err == nil || !strings.Contains(string(out), "file.safetensors") {
					t.Errorf("without its weights the program ends with %v: %s", err, out)
				}
				b, err := os.ReadFile(filepath.Join(dir, "net", store, "file.safetensors"))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(bin, "file.safetensors"), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out := inModule(t, dir, nil, program, "-k", "3", pngFile, jpegFile)
			if text := inModule(t, dir, nil, exe, "predict", "mnist/nin", "--weights", "nin.safetensors", "--top", "3", pngFile, jpegFile); out != text {
				t.Errorf("the program prints\n%s, incc predict says\n%s", out, text)
			}
			// One picture, a folder and a pattern, for people and for programs.
			text := pngFile + "\n"
			for _, p := range want[pngFile] {
				text += fmt.Sprintf("%10.6f  %4d  %s\n", p.Score, p.Class, p.Label)
			}
			for _, args := range [][]string{{"-k", "3", pngFile}, {pngFile, "-k", "3"}, {"-k", "3", "--", pngFile}} {
				if out := inModule(t, dir, nil, program, args...); out != text {
					t.Errorf("%q prints\n%s, want\n%s", args, out, text)
				}
			}
			folder := pictureFolder(t, pngFile, jpegFile)
			for _, form := range [][]string{nil, {"--csv"}, {"--json"}} {
				for _, names := range [][]string{{folder}, {filepath.Join(folder, "*", "*.jpg"), filepath.Join(folder, "one.png"), filepath.Join(folder, "no*")}} {
					got, gotErr := exec.Command(program, append(slices.Clone(form), names...)...).Output()
					cmd := exec.Command(exe, append(append([]string{"predict", "mnist/nin", "--weights", "nin.safetensors"}, form...), names...)...)
					cmd.Dir = dir
					want, wantErr := cmd.Output()
					if string(got) != string(want) || len(got) == 0 || (gotErr == nil) != (wantErr == nil) {
						t.Errorf("%q of %q: the program ends with %v and prints\n%s\nincc predict ends with %v and prints\n%s", form, names, gotErr, got, wantErr, want)
					}
				}
			}
			// A picture that says how to turn it is that picture turned; what cannot be read
			// does not keep the program from the others.
			turned, webp := writeTurned(t, pngFile), filepath.Join(dir, "x.webp")
			if err := os.WriteFile(webp, []byte("RIFF\x04\x00\x00\x00WEBP"), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := exec.Command(program, "-k", "3", webp, turned[0], turned[1]).CombinedOutput()
			if err == nil || !strings.Contains(string(got), "WebP pictures are not read (want PNG, JPEG or GIF)") || !strings.Contains(string(got), "1 of 3 pictures cannot be classified") {
				t.Errorf("the program ends with %v: %s", err, got)
			}
			_, rest, _ := strings.Cut(string(got), turned[0]+" ")
			first, rest, _ := strings.Cut(rest, "\n"+turned[1])
			if first = strings.TrimSpace(first); len(first) < 24 || !strings.HasPrefix(strings.TrimSpace(rest), first) {
				t.Errorf("a picture that is turned by its orientation has other classes than one that is turned:\n%s", got)
			}
			for _, args := range [][]string{{}, {"nothere.png"}, {filepath.Join(dir, "go.mod")}, {"-http", "0.0.0.0:0"}, {"-http", "8080"}, {"-nosuchflag"},
				{t.TempDir()}, {"-csv", "-json", pngFile}, {"-csv", "-http", "127.0.0.1:0"}, {"-k", "0", pngFile}, {"-host", "x", pngFile}, {"-memory", "64", pngFile}, {"-queue", "1", pngFile}, {"-http", "127.0.0.1:0", pngFile}, {"-http", "127.0.0.1:0", "-memory", "8"}, {"-http", "127.0.0.1:0", "-queue", "-1"},
				{"-addr", "0.0.0.0:0"}, {"-public", pngFile}, {"-http", "127.0.0.1:0", "-batch", "5"}, {"-http", "127.0.0.1:0", "-wait", "2s"}, {"-http", "127.0.0.1:0", "-drain", "-1s"}} {
				if out, err := exec.Command(program, args...).CombinedOutput(); err == nil {
					t.Errorf("%q works: %s", args, out)
				}
			}
			if store == "embed" {
				user := "package embed\n\nimport (\n\t\"fmt\"\n\t\"testing\"\n)\n\nfunc TestLabels(t *testing.T) {\n\tLabels()[0] = \"changed\"\n\tif got := fmt.Sprint(Labels()); got != \"[0 1 2 3 4 5 6 7 8 9]\" {\n\t\tt.Error(got)\n\t}\n}\n"
				if err := os.WriteFile(filepath.Join(dir, "net", store, "labels_test.go"), []byte(user), 0o644); err != nil {
					t.Fatal(err)
				}
				inModule(t, dir, nil, "go", "test", "-run", "TestLabels", pkg)
				loaded := program
				if long { // in batches, whose scores may differ from those of incc predict in the last bit
					inModule(t, dir, nil, exe, "gen", "go", "mnist/nin", "--weights", "nin.safetensors", "-o", "./net/batches", sharedKernel, "--main", "--batch", "16")
					loaded = filepath.Join(bin, "batches.exe")
					inModule(t, dir, nil, "go", "build", "-o", loaded, "./net/batches/cmd/batches")
				}
				t.Run("load", func(t *testing.T) { serverLoad(t, loaded) })
			}
			url, stop := startServer(t, program)
			for _, name := range []string{pngFile, jpegFile} {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := http.Post(url, "application/octet-stream", bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				var got []prediction
				err = json.NewDecoder(resp.Body).Decode(&got)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || len(got) != 3 {
					t.Fatalf("status %d, %v, %v", resp.StatusCode, got, err)
				}
				for i, p := range got {
					w := want[name][i]
					if p.Class != w.Class || p.Label != w.Label || float32(p.Score) != float32(w.Score) {
						t.Errorf("over HTTP %s is %+v, incc predict says %+v", filepath.Base(name), p, w)
					}
				}
			}
			postForm(t, url+"?k=2", want, pngFile, jpegFile)
			resp, err := http.Post(url, "text/plain", strings.NewReader("no picture"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("text is answered with status %d", resp.StatusCode)
			}
			if resp, err = http.Get(url); err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("GET is answered with status %d", resp.StatusCode)
			}
			stop()
		})
	}
}

// startServer starts the program as a server on a free port; stop interrupts it and
// checks that it ends without an error.
func startServer(t *testing.T, program string) (url string, stop func()) {
	t.Helper()
	cmd := exec.Command(program, "-k", "3", "-http", "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // has ended by then, where all is well
	r := bufio.NewReader(stderr)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("the server says %q", line)
	}
	return url, func() {
		t.Helper()
		if runtime.GOOS == "windows" {
			return // has no interrupts
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(r)
		if err := cmd.Wait(); err != nil {
			t.Errorf("interrupted, the server ends with %v: %s", err, rest)
		}
	}
}
