package main

import (
	"image"
	"io"
	"os"
	"strings"
	"testing"
)

// An output replaces an older one of its kind, but no file of a run, no file of another
// kind, and it has no name that belongs to another kind.
func TestOutputKinds(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"run", "lr", "lrtable"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeIDX("idx", 4, 32, 8); err != nil {
		t.Fatal(err)
	}
	picture := string(pngOf(image.NewGray(image.Rect(0, 0, 2, 2))))
	for name, text := range map[string]string{"photo.jpg": "\xff\xd8\xff\xe0", "photo": "\xff\xd8\xff\xe0", "jpeg.png": "\xff\xd8\xff\xe0", "old.png": picture, "old.onnx": "\x08\x0a", "png.onnx": picture, "cpu.pb.gz": "\x1f\x8b\x08", "lr/lr.png": "\xff\xd8\xff\xe0", "lrtable/lr.csv": "a,b\n", "m.onnx.data": "mine", "weights": "{}",
		"notes": "text", "small.incc": "net small\ninput image 1x4x4\nfc 10 -> softmax\ntrain { sgd lr=0.1; run batch=8 epochs=1 }\n", "table.csv": "a,b\n", "empty.png": "", "run/run.json": "{}", "run/results.csv": strings.Join(resultColumns, ",") + "\n", "run/results.png": picture, "run/confusion.png": picture} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"own.png", "plain"} {
		if err := writeFile(name, func(w io.Writer) error { _, err := io.WriteString(w, picture); return err }); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path string
		kind outputKind
		want string // part of the error, "" for none
	}{
		{"-", pngFile, ""}, {"new.png", pngFile, ""}, {"new", onnxFile, ""}, {"old.png", pngFile, "did not draw"}, {"own.png", pngFile, ""}, {"plain", pngFile, ""}, {"empty.png", pngFile, ""}, {"old.onnx", onnxFile, ""}, {"table.csv", csvFile, ""}, {"run/other.png", pngFile, ""},
		{"photo.jpg", pngFile, "ends in .png"}, {"new.JPG", onnxFile, "ends in .onnx"}, {"old.png", onnxFile, "ends in .onnx"}, {"table.csv", jsonFile, "ends in .json"},
		{"photo", pngFile, "another kind"}, {"jpeg.png", pngFile, "another kind"}, {"png.onnx", onnxFile, "another kind"}, {"notes", npyOutput, "another kind"}, {"notes", tensorsFile, "another kind"}, {"photo", csvFile, "another kind"},
		{"run/results.png", pngFile, "a file of a run"}, {"run/model.onnx", onnxFile, "a file of a run"}, {"run/confusion.png", pngFile, "a file of a run"},
	} {
		err := checkOutput(c.path, c.kind)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s as %s: %v, want %q", c.kind.name, c.path, err, c.want)
		}
	}
	// The commands use it, and leave the files as they are.
	for _, args := range [][]string{
		{"compile", "lenet5", "-o", "photo.jpg"}, {"compile", "lenet5", "-o", "png.onnx"}, {"weights", "lenet5", "-o", "notes"}, {"run", "lenet5", "--input", "noise", "-o", "photo"},
		{"compare", "run", "-o", "run/results"}, {"compare", "run", "-o", "run/results.png"}, {"compare", "run", "-o", "jpeg"}, {"data", "inspect", "mnist", "--sheet", "photo.jpg"},
		{"train", "small.incc", "--data", "idx", "--find-lr", "--out", "lr"}, {"bench", "small.incc", "--time", "1ms", "--cpuprofile", "notes"},
		{"train", "small.incc", "--data", "idx", "--find-lr", "--cpuprofile", "notes"}, {"train", "small.incc", "--data", "idx", "--dry-run", "--cpuprofile", "photo.jpg"},
		{"train", "small.incc", "--data", "idx", "--cpuprofile", "small.incc"}, {"train", "small.incc", "--data", "idx", "--init", "weights", "--cpuprofile", "weights"},
		{"compile", "small.incc", "-o", "m.onnx", "--external"}, {"compile", "small.incc", "--weights", "weights.data", "-o", "weights", "--external"},
	} {
		if code, _, stderr := capture(t, args...); code != exitUsage || !strings.Contains(stderr, "would ") {
			t.Errorf("%q exits with %d: %s", args, code, stderr)
		}
	}
	// The table has the name of another, which says what to do.
	if code, _, stderr := capture(t, "train", "small.incc", "--data", "idx", "--find-lr", "--out", "lrtable"); code != exitError || !strings.Contains(stderr, "not the table of such a search") {
		t.Errorf("--find-lr exits with %d: %s", code, stderr)
	}
	// What the command itself has written is replaced.
	for _, args := range [][]string{
		{"train", "small.incc", "--data", "idx", "--dry-run", "--cpuprofile", "cpu.pb.gz"},
		{"compile", "small.incc", "-o", "own.onnx", "--external"}, {"compile", "small.incc", "-o", "own.onnx", "--external", "--seed", "2"},
	} {
		if code, _, stderr := capture(t, args...); code != exitOK {
			t.Errorf("%q exits with %d: %s", args, code, stderr)
		}
	}
	if readString(t, "cpu.pb.gz") == "\x1f\x8b\x08" {
		t.Error("--cpuprofile wrote nothing")
	}
	if readString(t, "m.onnx.data") != "mine" || readString(t, "lr/lr.png") != "\xff\xd8\xff\xe0" || exists("m.onnx") {
		t.Error("a file was replaced")
	}
	if readString(t, "png.onnx") != picture || readString(t, "photo.jpg") != "\xff\xd8\xff\xe0" || readString(t, "notes") != "text" {
		t.Error("a file was replaced")
	}
}
