package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
)

// predictPets makes pictures and a network with two classes in a folder, and changes to
// it. The network adds up the red and the blue of a picture: reddish ones are of class
// 0, bluish ones of class 1.
func predictPets(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	red, blue := image.NewNRGBA(image.Rect(0, 0, 9, 7)), image.NewNRGBA(image.Rect(0, 0, 9, 7))
	for i := 0; i < len(red.Pix); i += 4 {
		copy(red.Pix[i:], []byte{250, 20, 30, 255})
		copy(blue.Pix[i:], []byte{20, 30, 250, 255})
	}
	picture := func(name string, encode func(w io.Writer) error) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := func(name, s string) {
		picture(name, func(w io.Writer) error { _, err := io.WriteString(w, s); return err })
	}
	asPNG := func(img image.Image) func(w io.Writer) error {
		return func(w io.Writer) error { return png.Encode(w, img) }
	}
	picture("pets/red.png", asPNG(red))
	picture("pets/in/deep/noise.jpg", func(w io.Writer) error { return jpeg.Encode(w, blue, nil) })
	picture("pets/in/red.gif", func(w io.Writer) error {
		p := image.NewPaletted(red.Rect, color.Palette{color.NRGBA{250, 20, 30, 255}})
		return gif.Encode(w, p, nil)
	})
	picture("pets/.hidden/blue.png", asPNG(blue))
	picture("pets/without", asPNG(blue))
	text("pets/.DS_Store", "x")
	text("pets/notes.txt", "x")
	text("pets/in/broken.png", "\x89PNG\r\n\x1a\n")
	text("empty/notes.txt", "x")
	spec := "net pets\ninput image 3x4x4 range=0..1\nlabels { \"rose\" \"sky\" }\nflatten -> fc 2 -> softmax\n"
	text("pets.incc", spec)
	text("plain.incc", strings.Replace(spec, "labels { \"rose\" \"sky\" }\n", "", 1))

	// Weights of out x in: 1 for red in the first class and for blue in the second.
	g, problems := dsl.Load("pets.incc", []byte(spec), dsl.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	ir.Materialize(g, 1)
	for name, d := range g.Data {
		d = d.Clone()
		clear(d.Data)
		if len(d.Data) == 2*48 {
			for i := range 16 {
				d.Data[i], d.Data[48+32+i] = 1, 1
			}
		}
		g.Data[name] = d
	}
	if err := writeFile("w.safetensors", func(w io.Writer) error { return writeWeights(w, g, 0, nil) }); err != nil {
		t.Fatal(err)
	}
}

// TestPredict: files, folders and patterns; a line, JSON and CSV for each picture, and
// what cannot be read.
func TestPredict(t *testing.T) {
	predictPets(t)
	predict := func(wantCode int, args ...string) (out, errs string) {
		t.Helper()
		var o, e bytes.Buffer
		if code := run(append([]string{"incc", "predict"}, args...), nil, &o, &e); code != wantCode {
			t.Fatalf("incc predict %q exits %d: %s", args, code, &e)
		}
		return filepath.ToSlash(o.String()), filepath.ToSlash(e.String())
	}
	w := []string{"pets.incc", "--weights", "w.safetensors"}

	// One picture has a table, whatever its name.
	for _, name := range []string{"pets/red.png", "pets/without", "pets/.hidden/blue.png"} {
		out, errs := predict(exitOK, append(w, name)...)
		first := "rose"
		if name != "pets/red.png" {
			first = "sky"
		}
		lines := strings.Split(out, "\n")
		if len(lines) != 6 || lines[0] != name || !strings.Contains(lines[3], first) || errs != "" {
			t.Errorf("%s: %s%s", name, out, errs)
		}
	}

	// A folder has a line for each picture.
	out, errs := predict(exitError, append(w, "pets")...)
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		f := strings.Fields(line)
		got = append(got, f[0]+" "+f[2])
	}
	if want := []string{"pets/in/deep/noise.jpg sky", "pets/in/red.gif rose", "pets/red.png rose"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, want := range []string{"2 files in the folders are no pictures and were skipped (.txt: 1, no ending: 1)", "incc: pets/in/broken.png: broken PNG picture", "1 of 4 pictures cannot be read"} {
		if !strings.Contains(errs, want) {
			t.Errorf("%s\nlacks %s", errs, want)
		}
	}
	if strings.Contains(errs, "labels") {
		t.Error(errs)
	}

	// A pattern is matched as a shell does.
	if out, _ := predict(exitOK, append(w, "pets/*.png")...); !strings.HasPrefix(out, "pets/red.png  ") || strings.Count(out, "\n") != 1 {
		t.Errorf("pets/*.png: %s", out)
	}
	if out, _ := predict(exitError, append(w, "pets/*")...); strings.Contains(out, "DS_Store") || !strings.Contains(out, "pets/in/red.gif") {
		t.Errorf("pets/*: %s", out)
	}

	// JSON has the keys of a generated package.
	out, errs = predict(exitError, "plain.incc", "--weights", "w.safetensors", "--json", "pets/in", "pets/red.png", "nothere.png")
	if !strings.Contains(errs, "pets has no labels, so classes are numbers, 0 to 1") {
		t.Errorf("no labels: %s", errs)
	}
	scores := map[string]float32{}
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		d.DisallowUnknownFields()
		var x struct {
			Picture, Error string
			Top            []struct {
				Class int
				Score float32
			}
		}
		if err := d.Decode(&x); err != nil {
			t.Fatal(err)
		}
		if failed := strings.Contains(x.Picture, "broken") || x.Picture == "nothere.png"; failed != (x.Error != "") || failed == (len(x.Top) == 2) {
			t.Errorf("%+v", x)
		}
		if len(x.Top) == 2 {
			if sum := x.Top[0].Score + x.Top[1].Score; sum < 0.999 || sum > 1.001 || x.Top[0].Score < 0.9 {
				t.Errorf("%+v", x)
			}
			scores[x.Picture] = x.Top[0].Score
		}
	}
	if len(scores) != 3 {
		t.Errorf("%v", scores)
	}

	// CSV has the same classes.
	out, _ = predict(exitError, append(w, "--csv", "--top", "2", "pets/in", "pets/red.png")...)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 1+1+3*2 || strings.Join(rows[0], " ") != "picture rank class label score error" {
		t.Fatalf("%v: %q", err, rows)
	}
	for _, r := range rows[1:] {
		if strings.Contains(r[0], "broken") {
			if r[2] != "" || r[5] == "" {
				t.Errorf("%q", r)
			}
			continue
		}
		class, _ := strconv.Atoi(r[2])
		score, err := strconv.ParseFloat(r[4], 32)
		if err != nil || r[3] != []string{"rose", "sky"}[class] || r[1] == "1" && float32(score) != scores[r[0]] {
			t.Errorf("%q, in JSON %v", r, scores[r[0]])
		}
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "--top is 0 (want at least 1)", []string{"--top", "0", "pets"}},
		{exitUsage, "--json and --csv are two forms", []string{"--json", "--csv", "pets"}},
		{exitError, "there are no pictures in this folder (want PNG, JPEG, GIF, BMP, TIFF and WebP files)", []string{"empty"}},
		{exitError, "pets/*.tiff: no file has this name or matches this pattern", []string{"pets/*.tiff"}},
		{exitError, "pets/[: syntax error in pattern", []string{"pets/["}},
		{exitError, "nothere", []string{"nothere"}},
	} {
		if _, errs := predict(c.code, append(w, c.args...)...); !strings.Contains(errs, c.want) {
			t.Errorf("%q: %s, want %s", c.args, errs, c.want)
		}
	}
}

// TestExplainData: the page names what the decoder reads, and is in the list of pages.
func TestExplainData(t *testing.T) {
	page := command(t, "explain", "data")
	for _, want := range strings.Fields("PNG JPEG GIF BMP TIFF WebP EXIF Opacity") {
		if !strings.Contains(page, want) {
			t.Errorf("incc explain data does not mention %s", want)
		}
	}
	if list := command(t, "explain"); !strings.Contains(list, "\ntopics:\n") || !strings.Contains(list, "\n  data ") {
		t.Error("incc explain does not list the topic data")
	}
}
