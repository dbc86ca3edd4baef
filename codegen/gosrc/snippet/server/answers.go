// This file prints the classes of pictures, for people and for programs.

package server

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// standardEndings are those of the names of files that decode reads.
var standardEndings = []string{".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif"}

// isStandard reports whether the name of a file ends as those of pictures do.
func isStandard(name string) bool {
	return slices.Contains(standardEndings, strings.ToLower(path.Ext(name)))
}

// answer is a class of a picture and its score.
type answer struct {
	Class int     `json:"class"`
	Label string  `json:"label,omitempty"`
	Score float32 `json:"score"`
}

// answers prints the classes of pictures: by default a table for one picture, and lines
// for several.
type answers struct {
	out   io.Writer
	csv   *csv.Writer // for CSV
	json  bool        // an object in a line for each picture
	lines bool        // a line for each picture
	width int         // of the longest path, in characters
	// The names of the columns are written.
	headed bool
}

// newAnswers chooses the form. found is true where pictures were found in folders or by
// patterns.
func newAnswers(out io.Writer, asCSV, asJSON bool, list []pictureFile, found bool) *answers {
	a := &answers{out: out, json: asJSON, lines: found || len(list) > 1}
	if asCSV {
		a.csv = csv.NewWriter(out)
	}
	const widest = 48 // longer paths move what is behind them
	for _, f := range list {
		a.width = min(max(a.width, utf8.RuneCountInString(printable(f.path))), widest)
	}
	return a
}

// most is how many classes of a picture are printed by default.
func (a *answers) most() int {
	if a.csv != nil || a.lines && !a.json {
		return 1
	}
	return 5
}

// write prints the classes of a picture. In the forms for programs it also prints why a
// picture has none.
func (a *answers) write(f pictureFile, top []answer) error {
	switch {
	case a.csv != nil:
		return a.writeCSV(f, top)
	case a.json:
		return a.writeJSON(f, top)
	case f.err != nil:
		return nil
	case !a.lines:
		text := printable(f.path) + "\n"
		for _, t := range top {
			text += fmt.Sprintf("%10.6f  %4d  %s\n", t.Score, t.Class, printable(t.Label))
		}
		_, err := io.WriteString(a.out, text)
		return err
	}
	line := printable(f.path)
	line += strings.Repeat(" ", max(0, a.width-utf8.RuneCountInString(line)))
	for _, t := range top {
		label := printable(t.Label)
		if label == "" {
			label = fmt.Sprintf("class %d", t.Class)
		}
		line += fmt.Sprintf("  %.4f %s", t.Score, label)
	}
	_, err := fmt.Fprintln(a.out, line)
	return err
}

func (a *answers) writeJSON(f pictureFile, top []answer) error {
	line := struct {
		Picture string   `json:"picture"`
		Top     []answer `json:"top,omitempty"`
		Error   string   `json:"error,omitempty"`
	}{Picture: f.path, Top: top}
	if f.err != nil {
		line.Error = errorReason(f.path, f.err)
	}
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, r := range string(b) {
		if r < utf8.RuneSelf || unicode.IsPrint(r) {
			text.WriteRune(r)
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) { // it could control a terminal
			fmt.Fprintf(&text, `\u%04x`, u)
		}
	}
	text.WriteByte('\n')
	_, err = a.out.Write(text.Bytes())
	return err
}

func (a *answers) writeCSV(f pictureFile, top []answer) error {
	plain := func(s string) string { return s }
	if file, ok := a.out.(*os.File); ok { // a terminal gets no characters that it would obey
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			plain = printable
		}
	}
	var rows [][]string
	if !a.headed {
		a.headed = true
		rows = append(rows, []string{"picture", "rank", "class", "label", "score", "error"})
	}
	if f.err != nil {
		rows = append(rows, []string{plain(f.path), "", "", "", "", plain(errorReason(f.path, f.err))})
	}
	for i, t := range top {
		rows = append(rows, []string{plain(f.path), strconv.Itoa(i + 1), strconv.Itoa(t.Class), plain(t.Label), strconv.FormatFloat(float64(t.Score), 'g', -1, 32), ""})
	}
	return a.csv.WriteAll(rows) // and flush
}
